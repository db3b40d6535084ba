"""chsims-build propose as its users call it."""

from __future__ import annotations

import csv
from pathlib import Path

from pipeline.annotate.clips import read_clips
from pipeline.config import make_config
from tests.propose.conftest import CLIPS, Proposed, propose


def candidates(folder: Path) -> list[dict[str, str]]:
    """Return the lines of candidates.csv."""
    with (folder / "candidates.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files that people see, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not str(path.relative_to(folder)).startswith(".")
    }


def test_every_scene_with_a_face_and_its_voice_becomes_a_clip(proposed: Proposed) -> None:
    scenes = [each for each in proposed.placed if each.scene.kind == "clip"]
    taken = [each for each in candidates(proposed.folder) if each["verdict"] == "taken"]
    assert [each["transcript"] for each in taken] == [scene.text for scene in scenes]
    for each, scene in zip(taken, scenes, strict=True):
        assert scene.begin - 1e-3 <= float(each["begin"]) < float(each["end"]) <= scene.end + 1e-3
        assert float(each["seconds"]) > scene.end - scene.begin - 0.5
    assert len(taken) == len(CLIPS)


def test_what_is_left_has_a_reason(proposed: Proposed) -> None:
    left = [each for each in candidates(proposed.folder) if each["verdict"] != "taken"]
    assert [each["verdict"] for each in left] == ["several faces", "no face"]
    assert all(each["clip_id"] == "" for each in left)


def test_annotators_and_a_build_take_the_folder_as_it_is(
    proposed: Proposed, tmp_path: Path
) -> None:
    clips, left_out = read_clips(make_config({"raw": str(proposed.folder)}), tmp_path)
    assert left_out == []
    texts = [each.text for each in proposed.placed if each.scene.kind == "clip"]
    assert [clip.text for clip in clips] == texts
    assert [clip.name for clip in clips] == [f"video_0001/{n:04d}" for n in range(1, 5)]


def test_the_same_film_gives_the_same_bytes(proposed: Proposed, tmp_path: Path) -> None:
    propose(proposed.film, "--to", tmp_path / "again", "--cores", "1")
    assert contents(tmp_path / "again") == contents(proposed.folder)
