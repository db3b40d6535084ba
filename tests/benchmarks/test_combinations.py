"""A combination of other extractors than the paper's, from the demo to the report."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import pytest

from benchmarks.combinations import COMBINATIONS, DEMO, build, check
from pipeline.config import Config, make_config
from pipeline.runner.plan import plan
from pipeline.stage import Build
from pipeline.stages import STAGES
from pipeline.store.shards import read_shard
from pipeline.vision.extractor import feature_names
from pipeline.vision.settings import VisionSettings

pytestmark = pytest.mark.long

NAME, CLIPS, MODELS = "openface_177", 6, ("mlf_dnn", "mfn")
"""Three slots: tokens, one row per clip, and groups of OpenFace's columns."""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("combinations")
    build(folder, NAME, MODELS, CLIPS, 1)
    return folder


def test_nothing_is_wrong_from_the_dataset_to_the_report(work: Path) -> None:
    assert list(check(work / NAME, COMBINATIONS[NAME], MODELS, CLIPS)) == []


def test_the_dataset_has_v2s_columns_and_one_row_of_functionals(work: Path) -> None:
    with h5py.File(work / NAME / "dataset.h5") as file:
        columns = ["pose", "landmarks_2d", "au_r", "au_c"]
        names = feature_names(VisionSettings.model_validate({"columns": columns}))
        assert file.attrs["vision_names"].count('"') == 2 * len(names) == 2 * 177
        assert all(f'"{name}"' in file.attrs["vision_names"] for name in names)
        assert file["train/audio"].shape[1:] == (1, 88)
        assert set(file["train/audio_lengths"][:]) == {1}


def test_other_columns_are_computed_without_openface(work: Path) -> None:
    def config(columns: list[str]) -> Config:
        return make_config(
            {
                "raw": str(work / f"raw_{CLIPS}"),
                "processed": str(work / NAME),
                "openface": {"runtime": "import", "import_folder": str(DEMO / "openface")},
                "vision": {"columns": columns},
            }
        )

    def states(columns: list[str], stage: str) -> set[str]:
        made = config(columns)
        clips = [clip for path in made.layout.numbered_shards for clip in read_shard(path)]
        assert len(clips) == CLIPS
        return {step.state for step in plan(Build.of(made), STAGES[stage], clips)}

    v2 = ["landmarks_2d", "pose", "au_r", "au_c"]
    assert states(v2, "vision") == states(v2, "openface") == {"done"}
    assert states(["pose"], "openface") == states(["pose"], "faces") == {"done"}
    assert states(["pose"], "vision") == {"stale"}


@pytest.mark.parametrize(
    ("changes", "models", "clips", "words"),
    [
        ({"widths": {"audio": 25}}, MODELS, CLIPS, "audio has 88 names"),
        ({"rates": {}}, MODELS, CLIPS, "steps per second are"),
        ({"words": ("CLIP",)}, MODELS, CLIPS, "does not say: CLIP"),
        ({}, ("mlf_dnn",), CLIPS, "Table 2 has"),
        ({}, MODELS, CLIPS + 1, "clips are missing"),
    ],
)
def test_the_check_finds_what_is_wrong(
    work: Path, changes: dict[str, object], models: tuple[str, ...], clips: int, words: str
) -> None:
    expected = dataclasses.replace(COMBINATIONS[NAME], **changes)
    found = list(check(work / NAME, expected, models, clips))
    assert len(found) == 1 and words in found[0]
