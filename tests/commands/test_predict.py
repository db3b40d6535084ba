"""Whole folders and sheets are predicted as a build is made: resumed, and with a quarantine."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from pipeline.commands.predict import features_of, for_model, trained_folder
from pipeline.config import load_config
from pipeline.store.features import Store
from pipeline.train.load import Predictor
from tests.commands.test_cli import chsims
from tests.conftest import DEMO

CLIPS = ("video_0002/0009", "video_0003/0002")
SHEET = "video_id,clip_id,text,mode\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two demo clips and a broken one, with their sheet; nobody has labelled them."""
    texts = {}
    with (DEMO / "label.csv").open(encoding="utf-8-sig", newline="") as stream:
        for line in csv.DictReader(stream):
            texts[f"{line['video_id']}/{line['clip_id']}"] = line["text"]
    lines = [SHEET]
    for clip in CLIPS:
        target = tmp_path / "my clips (1)" / f"{clip}.mp4"
        target.parent.mkdir(parents=True)
        shutil.copyfile(DEMO / f"{clip}.mp4", target)
        lines.append(f"{clip.replace('/', ',')},{texts[clip]},test\n")
    target.with_name("0099.mp4").write_text("not a video")
    lines.append(f"{target.parent.name},0099,没有问题,test\n")
    (target.parents[1] / "label.csv").write_text("".join(lines), "utf-8")
    return target.parents[1]


def test_a_folder_is_predicted_as_the_datasets_own_clips(demo_build: Path, folder: Path) -> None:
    output = folder.parent / "out.csv"
    processed = folder.parent / "processed"
    processed.mkdir()
    for name in ("experiments", "dataset.h5"):
        (processed / name).symlink_to(demo_build / name)
    command = (
        *("predict", folder, "--config", "config/demo.yaml", "--set", f"processed={processed}"),
        *("--output", output, "--parts"),
    )
    status, told = chsims(*command)
    assert status == 0, told
    assert "in quarantine: 1, e.g. video_0003/0099" in told
    with output.open(encoding="utf-8", newline="") as stream:
        rows = {row.pop("clip"): row for row in csv.DictReader(stream)}
    assert list(rows) == list(CLIPS)
    config = load_config((Path("config/demo.yaml"),))
    trained = trained_folder(config.layout.experiment("table2"), "mlf_dnn")
    predictor = Predictor(trained, "cpu")
    for clip, row in rows.items():
        found = predictor.predict(*features_of(config, Store(demo_build), clip))
        for task, (mean, spread) in found.items():
            assert float(row[task]) == pytest.approx(mean, abs=1e-5)
            assert float(row[f"{task}_std"]) == pytest.approx(spread, abs=1e-5)
        assert row["part"] == "test"
    status, told = chsims(*command)
    assert status == 0, told
    assert "computed" not in told  # nothing has changed
    (folder / "label.csv").unlink()
    status, told = chsims(*command)
    assert status == 2
    assert "mlf_dnn reads transcripts" in told


def test_a_models_slots_are_those_it_was_trained_on(demo_build: Path) -> None:
    config = load_config((Path("config/demo.yaml"),), ("features.vision=none",))
    trained = trained_folder(config.layout.experiment("table2"), "mlf_dnn")
    assert for_model(config, trained).features.vision == "openface"


@pytest.mark.parametrize("option", [("--text", "好"), ("--openface-csv", DEMO / "label.csv")])
def test_options_of_one_clip_are_refused_for_a_folder(
    option: tuple[str, str | Path], tmp_path: Path
) -> None:
    status, told = chsims("predict", tmp_path, *option)
    assert status == 2
    assert "for a single clip" in told
