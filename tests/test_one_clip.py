"""One clip from Python: the same features as a build's, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chsims
import pipeline
from pipeline.errors import BuildError
from tests.conftest import DEMO, ROOT

CLIP = "video_0001/0003"
QUICK = {"features": {"vision": "none"}, "text": {"model": "demo"}}


def test_the_features_are_those_of_the_build(demo_build: Path) -> None:
    parts = (chsims.open_dataset(demo_build / "dataset.h5", p) for p in ("train", "valid", "test"))
    built, data = next((c, part) for part in parts for c in part if c["id"] == CLIP)
    found = chsims.extract(
        DEMO / f"{CLIP}.mp4",
        text=built["raw_text"],
        config=ROOT / "config" / "demo.yaml",
        openface_csv=DEMO / "openface" / f"{CLIP}.csv.gz",
    )
    for modality, steps in built["lengths"].items():
        np.testing.assert_array_equal(found.features[modality], built[modality][:steps].numpy())
        assert found.names[modality] == data.names[modality]
    np.testing.assert_array_equal(found.valid["vision"], built["vision_valid"][:steps].numpy())
    assert found.times["text"] is None
    np.testing.assert_allclose(found.times["vision"][:3], [0, 1 / 30, 2 / 30])
    assert found.quality["face_share"] == 1.0
    assert found.quality["duration"] == pytest.approx(steps / 30, abs=0.1)


def test_settings_may_be_given_as_values_and_nothing_is_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sound = {"features": {"text": "none", "vision": "none"}}
    found = chsims.extract(str(DEMO / f"{CLIP}.mp4"), config=sound)
    assert list(found.features) == ["audio"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"config": QUICK}, "needs the clip's transcript"),
        ({"text": "好", "config": {"audio": {"fo": 1}}}, "did you mean audio.f0"),
        ({"text": "好", "config": "nowhere.yaml"}, "cannot read the config file nowhere.yaml"),
        ({"text": "好", "config": {"openface": {"runtime": "import"}}}, "has no CSV yet"),
        (
            {"text": "好", "config": ROOT / "config" / "demo.yaml", "openface_csv": "no.csv"},
            "no.csv is not a file",
        ),
    ],
)
def test_what_is_missing_is_named(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        chsims.extract(DEMO / f"{CLIP}.mp4", **arguments)


def test_a_file_that_is_no_clip_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    for name, words in (("notes.mp4", "notes.mp4"), ("lost.mp4", "lost.mp4 is not a file")):
        with pytest.raises(BuildError, match=words):
            chsims.extract(tmp_path / name, text="好", config=QUICK)


def test_both_names_give_the_same_functions_and_no_others() -> None:
    assert chsims.__all__ == pipeline.__all__
    for name in chsims.__all__:
        assert getattr(chsims, name) is getattr(pipeline, name)
    with pytest.raises(AttributeError, match="no attribute 'extrakt'"):
        _ = chsims.extrakt
