"""CH-SIMS v2 is built from its unpacked folder, at its own 25 frames a second."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from tests.conftest import EMULATOR, ROOT, snakemake
from tests.downloads import CH_SIMS, V2_SHAPE, lay_out, sheet, unlabelled
from tests.media import face_clip

SECONDS = 1.2


def test_v2_is_built_with_its_own_features_and_rates(tmp_path: Path) -> None:
    clip = tmp_path / "face.mp4"
    face_clip(clip, "-r", "25", seconds=SECONDS)
    raw = tmp_path / "CH-SIMS v2(s)"
    lay_out(raw, "meta.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, [clip])
    own = {
        "raw": str(raw),
        "processed": str(tmp_path / "out [1]"),
        "text": {"model": "demo"},
        "openface": {"runtime": "native", "native_binary": str(EMULATOR)},
        "train": {"models": ["lf_dnn"], "seeds": [1], "max_epochs": 1},
    }
    (tmp_path / "own.json").write_text(json.dumps(own), "utf-8")
    files = ("--configfile", str(ROOT / "config/sims_v2.yaml"), str(tmp_path / "own.json"))
    done = snakemake(*files, "--", "stage_dataset", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with h5py.File(tmp_path / "out [1]" / "dataset.h5") as file:
        slots = json.loads(file.attrs["modalities"])
        assert slots["audio"]["extractor"] == "opensmile"
        assert [slots[m]["steps_per_second"] for m in ("audio", "vision")] == [100, 25]
        assert file.attrs["split"] == "given"
        assert file["train/id"].asstr()[:].tolist() == ["aqgy3_0001/00000", "aqgy3_0012/00000"]
        assert (file["train/audio"].shape[2], file["train/vision"].shape[2]) == (25, 177)
        assert (abs(file["train/vision_lengths"][:] - SECONDS * 25) <= 1).all()
        assert file["train/vision_valid"][0].sum() > 20
        assert np.isfinite(file["train/audio"][:]).all()


def test_v2_without_labels_has_features_and_a_report_and_no_training(tmp_path: Path) -> None:
    clip = face_clip(tmp_path / "face.mp4", seconds=SECONDS)
    rows, raw = unlabelled(V2_SHAPE), tmp_path / "CH-SIMS v2(u)"
    lay_out(raw, "meta.csv", sheet(rows, header=True, columns=CH_SIMS[:-1]), rows, [clip])
    processed = tmp_path / "processed"
    features = {"text": "none", "vision": "none"}
    own = {
        "raw": str(raw),
        "processed": str(processed),
        "features": features,
        "manifest": {"keep_columns": ["annotation"]},
    }
    (tmp_path / "own.json").write_text(json.dumps(own), "utf-8")
    done = snakemake("all", "--configfile", str(tmp_path / "own.json"), cwd=tmp_path)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "train: skipped, because no clip has a label" in told
    assert not (processed / "experiments").exists()
    page = (processed / "report.html").read_text("utf-8")
    assert "4 clips in one dataset:\n4 unlabelled." in page
    assert "Columns kept from the label sheet" in page
    assert "<bdi>annotation</bdi>" in page  # an empty column, as v2's is where nobody labelled
    assert "No model has been trained, because no clip has a label" in page
    with h5py.File(processed / "dataset.h5") as file:
        assert len(file["unlabelled/id"]) == 4
        assert file["unlabelled/audio_lengths"][:].min() > 0
