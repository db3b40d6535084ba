"""The benchmarks: both sides do the same work, and results can be compared."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import compare, extract, recipe
from benchmarks.clips import sound_of
from pipeline.audio.extractor import AudioExtractor
from pipeline.audio.settings import AudioSettings
from pipeline.media.ffmpeg import ffmpeg_program
from tests.media import FACE, face_clip


@pytest.fixture
def result() -> dict[str, Any]:
    """A result of the shape extract.py writes."""
    runs = [{"seconds": s, "cpu": s, "peak_mb": 100.0, "clips": 2} for s in (3.0, 1.0, 2.0)]
    slow = [{**run, "seconds": 10 * run["seconds"]} for run in runs]
    sides = {"recipe": slow[:1], "recipe_one_thread": slow, "ours": runs}
    corpus = {"name": "demo", "clips": [{"shape": [30, 240, 320]}] * 2}
    row = extract._row(corpus, "faces", {("demo", "faces", s): r for s, r in sides.items()})
    return {"schema": 1, "rounds": 3, "results": [row]}


def test_the_speed_up_is_of_medians_against_the_faster_way_of_the_recipe(
    result: dict[str, Any],
) -> None:
    row = result["results"][0]
    assert row["ours"]["seconds"] == 2
    assert row["ours"]["per_second"] == 30
    assert row["ours"]["times_real_time"] == 1
    assert row["recipe"]["per_unit_ms"] == 500
    assert row["speed_up"] == 10
    assert "**10.0**" in extract.table(result)[-1]


def test_compare_points_out_what_became_slower(result: dict[str, Any], tmp_path: Path) -> None:
    slower = copy.deepcopy(result)
    slower["results"][0]["speed_up"] = 5.0
    assert "SLOWER" in compare.compare(result, slower)[-1]
    assert "faster" in compare.compare(slower, result)[-1]
    for name, content in (("old", result), ("new", slower)):
        (tmp_path / name).write_text(json.dumps(content), "utf-8")
    command = [sys.executable, compare.__file__, str(tmp_path / "old"), str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "-50%" in done.stdout


def test_the_recipes_sound_is_ours_where_the_file_has_the_same_rate(tmp_path: Path) -> None:
    theirs = recipe.audio(FACE, tmp_path / "sound.wav", ffmpeg_program())
    settings = AudioSettings(mfcc_htk=True)
    ours = AudioExtractor(settings).extract(sound_of(FACE)).arrays["audio"]
    assert ours.shape == theirs.shape
    voiced = (ours[:, 0] > 0) == (theirs[:, 0] > 0)  # the recipe's WAV has 16 bits, ours floats
    assert voiced.mean() > 0.97
    np.testing.assert_allclose(ours[:, 1:], theirs[:, 1:], atol=0.5)


def test_the_recipes_frames_survive_a_shell_and_any_name(tmp_path: Path) -> None:
    clip = face_clip(tmp_path / "a b;$(touch x).mp4", seconds=0.4)
    recipe.frames(clip, tmp_path / "png; x", ffmpeg_program())
    assert len(list((tmp_path / "png; x").glob("*.png"))) == pytest.approx(12, abs=2)
    assert not (tmp_path / "x").exists()
