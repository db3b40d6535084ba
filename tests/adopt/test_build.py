"""An adopted folder builds: models, tables and the report, and never a stage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.adopt.run import adopt
from pipeline.config import Config, load_config, make_config
from pipeline.dataset.writer import build_dataset
from pipeline.errors import BuildError
from pipeline.exports.run import export
from pipeline.train.run import train_model
from pipeline.workflow.start import start
from tests.adopt import files
from tests.dataset.features import balanced, build_folder

TRAINING = ("train.models=[lf_dnn]", "train.seeds=[1]", "train.max_epochs=2")
SMALL = {"models": ["lf_dnn"], "seeds": [1], "max_epochs": 2}


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run chsims-build on an adopted folder, in its parent."""
    command = [sys.executable, "-m", "pipeline.commands.cli", "--config"]
    settings = [word for setting in TRAINING for word in ("--set", setting)]
    return subprocess.run(
        [*command, str(folder / "config.yaml"), *settings, *arguments],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was adopted, trained and reported on, far from any clip."""
    root = tmp_path_factory.mktemp("adopted")
    adopt(files.write(root / "features <b>.pkl", files.published()), root / "sims")
    done = build(root / "sims")
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "sims"


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "sims")
    text = (built / "config.yaml").read_text("utf-8")
    moved = text.replace(str(built), str(tmp_path / "sims"))
    (tmp_path / "sims/config.yaml").write_text(moved, "utf-8")
    return tmp_path / "sims"


def config_of(folder: Path) -> Config:
    return load_config((folder / "config.yaml",), TRAINING)


def test_models_tables_and_report_are_made_and_nothing_else(built: Path) -> None:
    table = json.loads((built / "results/table2.json").read_text("utf-8"))
    assert [row["variant"] for row in table["rows"]] == ["lf_dnn"]
    assert not any((built / stage).exists() for stage in ("frames", "audio", "text", "shards"))
    logs = {path.name for path in (built / "logs").iterdir()}
    assert "manifest.log" not in logs and "dataset.log" not in logs


def test_the_report_says_what_was_adopted_and_claims_no_extraction(built: Path) -> None:
    page = (built / "report.html").read_text("utf-8")
    record = json.loads((built / "adopted.json").read_text("utf-8"))
    assert record["digest"] in page and "features &lt;b&gt;.pkl" in page
    assert "features <b>.pkl" not in page.partition('<script type="application/json"')[0]
    methods = page.partition('id="methods-text"')[2].partition("</blockquote>")[0]
    assert "were not extracted for this work but taken from the file" in methods
    for claim in ("Features were extracted", "OpenFace", "librosa", "BERT", "MTCNN", "resampled"):
        assert claim not in methods
    assert "in the adopted file" in page


def test_a_second_build_has_nothing_to_do(folder: Path) -> None:
    done = build(folder)
    assert done.returncode == 0
    assert "nothing to be done" in done.stdout + done.stderr
    status = build(folder, "status")
    assert "adopted" in status.stdout and "38" in status.stdout
    assert "from an earlier build" not in status.stdout
    assert build(folder, "verify").returncode == 0


def test_a_damaged_dataset_is_named_with_the_command_that_renews_it(folder: Path) -> None:
    with h5py.File(folder / "dataset.h5", "a") as file:
        file["train/labels/M"][0] = 0.4
    verified = build(folder, "verify")
    assert verified.returncode == 1
    assert f"chsims-build adopt FILE --to {folder}" in verified.stdout
    done = build(folder)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "is not whole" in said and "chsims-build adopt " in said


def test_stages_cannot_be_built_there(folder: Path) -> None:
    done = build(folder, "--stage", "audio")
    assert done.returncode == 2 and "there is no stage audio" in done.stderr
    with pytest.raises(BuildError, match="would overwrite"):
        start({"processed": str(folder)}, main=True, dry_run=True, say=print)
    empty = {"processed": str(folder.parent / "no"), "features": dict.fromkeys(
        ("text", "audio", "vision"), "adopted")}  # fmt: skip
    with pytest.raises(BuildError, match="holds no adopted dataset"):
        start(empty, main=True, dry_run=True, say=print)
    with pytest.raises(BuildError, match="cannot be combined"):
        make_config({"features": {"text": "adopted"}})


def test_a_changed_file_is_noticed(folder: Path) -> None:
    record = json.loads((folder / "adopted.json").read_text("utf-8"))
    said: list[str] = []
    values = config_of(folder).model_dump(mode="json")
    start(values, main=True, dry_run=True, say=said.append)
    assert not said
    path = Path(record["file"])
    kept = path.read_bytes()
    path.write_bytes(kept + b" ")
    try:
        start(values, main=True, dry_run=True, say=said.append)
    finally:
        path.write_bytes(kept)
    assert "has changed since it was adopted" in said[0]


def test_models_score_the_same_on_a_dataset_and_on_its_adopted_export(tmp_path: Path) -> None:
    """The pickle has no place for the mask of vision, so the dataset is compared without."""
    own = build_folder(tmp_path / "own", balanced(40), train=SMALL)
    build_dataset(own, progress=False)
    with h5py.File(own.layout.dataset, "a") as file:
        for part in ("train", "valid", "test"):
            del file[part]["vision_valid"]
    own.layout.made("dataset").unlink()  # it was changed on purpose
    path = export(own, "mmsa", tmp_path / "own.pkl").path
    other = config_of(adopt(path, tmp_path / "other").processed)
    with h5py.File(own.layout.dataset) as one, h5py.File(other.layout.dataset) as two:
        for part in ("train", "valid", "test"):
            for name in ("text", "audio", "vision", "labels/M", "labels/T", "labels/A"):
                np.testing.assert_array_equal(one[part][name][:], two[part][name][:])
            assert (one[part]["id"][:] == two[part]["id"][:]).all()
            for name in ("text_lengths", "audio_lengths", "vision_lengths"):
                assert (one[part][name][:] == two[part][name][:]).all()
    scores = []
    for config in (own, other):
        train_model(config, "table2", "lf_dnn")
        seed = config.layout.experiment("table2") / "lf_dnn" / "seed_1"
        scores.append(
            (
                json.loads((seed / "metrics.json").read_text("utf-8"))["test"],
                (seed / "predictions.csv").read_text("utf-8"),
            )
        )
    assert scores[0] == scores[1]
