"""chsims-build propose as its users call it."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.annotate.clips import read_clips
from pipeline.commands.cli import main
from pipeline.config import make_config
from tests.media import FACE, ffmpeg, no_face
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


def test_films_that_cannot_be_used_are_named_and_the_others_proposed(
    proposed: Proposed, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    ffmpeg("-i", FACE, "-an", "-c", "copy", films / "silent.mp4")
    ffmpeg("-i", FACE, "-vn", "-c", "copy", films / "blind.mp4")
    ffmpeg("-i", FACE, "-t", "0.6", films / "short.mp4")
    no_face(films / "tone.mp4")
    (films / "empty.mp4").write_bytes(b"")
    (films / "words.mp4").write_text("not a film")
    (films / "good <b>& 'x'.mp4").write_bytes(proposed.film.read_bytes())
    (films / "good again.mp4").write_bytes(proposed.film.read_bytes())
    said = propose(films, "--to", tmp_path / "raw", status=1)
    for name, words in (
        ("silent.mp4", "has no audio stream; expected a film with picture and sound"),
        ("blind.mp4", "has no video stream; expected a film with picture and sound"),
        ("short.mp4", "shorter than a clip (propose.shortest: 1 s)"),
        ("tone.mp4", "no speech was found in its 1 s of sound"),
        ("empty.mp4", "it is empty"),
        ("words.mp4", "cannot be opened as media"),
    ):
        (line,) = [line for line in said.splitlines() if f"{name}: " in line]
        assert line.startswith("left out: ")
        assert words in line
    assert "is the same film as" in said
    assert {row["video_id"] for row in candidates(tmp_path / "raw")} == {"video_0001"}


def test_a_dry_run_cuts_nothing_and_changes_no_clip(proposed: Proposed, tmp_path: Path) -> None:
    to = tmp_path / "raw"
    shutil.copytree(proposed.folder, to)
    before = contents(to)
    said = propose(proposed.film, "--to", to, "--dry-run", "--set", "propose.min_face=140")
    found = {int(line["face_pixels"]): line["verdict"] for line in dry_run(to)}
    assert all((verdict == "taken") <= (pixels >= 140) for pixels, verdict in found.items())
    assert "small face" in found.values()
    assert "taken" in found.values()
    assert "dry-run.html" in said
    after = contents(to)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"dry-run.html", "dry-run.csv"}


def test_lossless_clips_take_the_place_of_the_others(proposed: Proposed, tmp_path: Path) -> None:
    to = tmp_path / "raw"
    shutil.copytree(proposed.folder, to)
    propose(proposed.film, "--to", to, "--lossless")
    names = [path.name for path in sorted((to / "video_0001").iterdir())]
    assert names == [f"{n:04d}.mkv" for n in range(1, 5)]
    clips, left_out = read_clips(make_config({"raw": str(to)}), tmp_path)
    assert (len(clips), left_out) == (4, [])
    assert (to / "transcripts.csv").read_bytes() == (
        proposed.folder / "transcripts.csv"
    ).read_bytes()


def dry_run(folder: Path) -> list[dict[str, str]]:
    """Return the lines of dry-run.csv."""
    with (folder / "dry-run.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_without_films_that_can_be_used_the_command_fails(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for film, words in (
        ("nothing.mp4", "does not exist"),
        ("empty", "holds no film"),
    ):
        assert words in propose(tmp_path / film, "--to", tmp_path / "raw", status=2)


def test_without_the_extra_the_command_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pysubs2", None)
    done = CliRunner().invoke(main, ["propose", str(tmp_path), "--to", str(tmp_path / "raw")])
    assert done.exit_code == 2
    assert "needs pysubs2 (for subtitles)" in done.output
    assert "pip install 'chsims-build[film]'" in done.output
