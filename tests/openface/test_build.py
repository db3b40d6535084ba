"""Imported CSVs through a build: three layouts, one wrong CSV, and the field's cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.belongs import CROP
from pipeline.config import make_config
from pipeline.manifest.build import build_manifest
from pipeline.openface.columns import FEATURE_NAMES
from pipeline.runner.run import run_stage
from pipeline.store.features import Store
from tests.conftest import SHARED
from tests.corpora import Corpus
from tests.media import face_clip
from tests.openface.csvs import DEMO, changed, read

FIELD = SHARED / "field"
SECONDS = 1.4


def csv_of_the_clip() -> str:
    """Return the CSV of the crops of `face_clip`: the first rows of its demo clip's CSV."""
    lines = read(DEMO / "video_0001" / "0001.csv.gz").splitlines()
    return "\n".join(lines[: 1 + round(SECONDS * 30)]) + "\n"


def build(raw: Path, csvs: Path, processed: Path) -> Store:
    """Run every stage up to vision, as a job does."""
    openface = {"runtime": "import", "import_folder": str(csvs)}
    config = make_config({"raw": str(raw), "processed": str(processed), "openface": openface})
    build_manifest(config, progress=False)
    shards = sorted((processed / "shards").glob("*.json"))
    for stage in ("frames", "faces", "openface", "vision"):
        run_stage(config, stage, shards, processed / f"{stage}.json", threads=1)
    return Store(processed)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Four clips of one face whose CSVs lie in three layouts; the last one's is mirrored."""
    corpus = Corpus(tmp_path_factory.mktemp("import"))
    right = csv_of_the_clip()
    wrong = changed(right, "x", lambda value: CROP - value)
    names = {"a/1": "a/1.csv", "a/2": "a/2/2.csv", "b_b/1": "b_b_1.csv", "b_b/2": "b_b_2.csv"}
    for number, (clip, name) in enumerate(names.items()):
        face_clip(corpus.add(clip), "-crf", str(20 + number), seconds=SECONDS)
        path = corpus.folder / "of" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wrong if clip == "b_b/2" else right, "utf-8")
    corpus.write_sheet()
    return build(corpus.raw, corpus.folder / "of", corpus.processed)


def test_csvs_of_three_layouts_become_features(store: Store) -> None:
    for clip in ("a/1", "a/2", "b_b/1"):
        features = store.read("vision", clip)
        assert features.arrays["valid"].all()
        assert len(features.arrays["vision"]) == pytest.approx(42, abs=1)


def test_a_csv_of_a_mirrored_picture_is_in_quarantine_with_that_reason(store: Store) -> None:
    failure = store.failure("openface", "b_b/2")
    assert failure is not None
    assert "b_b_2.csv is of a mirrored picture" in failure["reason"]
    assert "openface.import_check" in failure["remedy"]


def field_case(name: str, folder: Path) -> Store:
    if not (FIELD / name).is_dir():
        pytest.skip(f"{FIELD / name} is not here: it is no part of the project")
    csvs = FIELD / name / "of"
    return build(FIELD / name / "raw", csvs, folder)


def test_field_rows_of_a_variable_rate_are_at_their_own_times(tmp_path: Path) -> None:
    features = field_case("vfr_import", tmp_path).read("vision", "video_0001/0001")
    valid = features.arrays["valid"] == 1
    frames = np.arange(len(valid))[valid] / 30
    told = features.arrays["vision"][valid, FEATURE_NAMES.index("pose_Tx")] / 100
    assert valid.sum() >= 119
    assert np.abs(told - frames).max() < 0.06


def test_field_rows_without_numbers_are_masked(tmp_path: Path) -> None:
    store = field_case("nan_rows", tmp_path)
    features = store.read("vision", "video_0001/0001")
    assert 0.9 < features.arrays["valid"].mean() < 0.96
    assert np.isfinite(features.arrays["vision"]).all()
    notes = store.read("openface", "video_0001/0001").info["notes"]
    assert [note for note in notes if "3 rows of success 0 hold no numbers" in note]
    assert not features.info["notes"]


def test_a_field_csv_in_one_flat_folder_is_found(tmp_path: Path) -> None:
    store = field_case("flat_csv_name", tmp_path)
    assert store.read("vision", "video_0001/0001").arrays["valid"].all()
    (note,) = store.read("openface", "video_0001/0001").info["notes"]
    assert "52 rows are the video's 52 pictures (25 a second)" in note
