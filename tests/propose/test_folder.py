"""Ids that keep their meaning, and what is never overwritten."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.annotate.database import Database
from pipeline.errors import BuildError
from pipeline.propose.folder import Folder
from pipeline.store.files import read_sealed
from tests.conftest import ROOT
from tests.demofilm import Scene, make_film
from tests.propose.conftest import Proposed, propose
from tests.propose.test_command import candidates, contents

ROWS = [("video_0001", "0001", "你好。"), ("video_0001", "0002", "")]


def test_a_number_is_given_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "raw")
    film = folder.record("a" * 64, "film.mp4")
    assert [film.clip_id(part) for part in ("0-50", "60-90", "0-50")] == ["0001", "0002", "0001"]
    folder.save()
    again = Folder(tmp_path / "raw").record("a" * 64, "renamed.mp4")
    assert [again.clip_id(part) for part in ("70-90", "60-90")] == ["0003", "0002"]
    assert again.video_id == "video_0001"


def test_films_of_one_name_are_two_films(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "raw")
    (tmp_path / "raw" / "video_0002").mkdir(parents=True)  # somebody else's
    names = [folder.record(digest * 64, "film.mp4").video_id for digest in "abab"]
    assert names == ["video_0001", "video_0003", "video_0001", "video_0003"]


def test_new_films_never_get_an_id_that_is_given(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "raw")
    folder.record("a" * 64, "a.mp4")
    (tmp_path / "raw" / "video_0002").mkdir(parents=True)  # somebody else's
    names = [folder.record(digest * 64, "film.mp4").video_id for digest in "bcd"]
    assert names == ["video_0003", "video_0004", "video_0005"]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "label.csv").write_text("")
    with pytest.raises(BuildError, match=r"holds label\.csv, which chsims-build propose did not"):
        Folder(tmp_path)


def test_two_commands_do_not_work_on_one_folder(tmp_path: Path) -> None:
    with (
        Folder(tmp_path / "raw").locked(),
        pytest.raises(BuildError, match="another chsims-build propose"),
        Folder(tmp_path / "raw").locked(),
    ):
        pass


def test_edited_transcripts_are_kept(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_sheet(ROWS)
    sheet = tmp_path / "transcripts.csv"
    # as a spreadsheet saves it: another encoding, numbers, a further column
    text = (
        "video_id,clip_id,text,speaker\nvideo_0001,1,你好，他说。,王先生\nvideo_0001,2,再见吧。,\n"
    )
    sheet.write_bytes(text.encode("gb18030"))
    again = Folder(tmp_path)
    again.write_sheet([*ROWS, ("video_0002", "0001", "新的。")])
    expected = (
        "video_id,clip_id,text,speaker\nvideo_0001,0001,你好，他说。,王先生\n"
        "video_0001,0002,再见吧。,\nvideo_0002,0001,新的。,\n"
    )
    assert sheet.read_text("utf-8") == expected
    Folder(tmp_path).write_sheet(ROWS)
    assert sheet.read_text("utf-8") == expected  # and from then on


def test_a_sheet_without_its_columns_stops_the_command(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_sheet(ROWS)
    (tmp_path / "transcripts.csv").write_text("clip;text\n1;a\n")
    with pytest.raises(BuildError, match="no column video_id"):
        Folder(tmp_path).write_sheet(ROWS)


def test_an_edited_sheet_is_read_in_the_encoding_that_is_set(tmp_path: Path) -> None:
    Folder(tmp_path).write_sheet(ROWS)
    sheet = tmp_path / "transcripts.csv"
    sheet.write_bytes("video_id,clip_id,text\nvideo_0001,1,好\n".encode("gb18030"))
    with pytest.raises(BuildError, match="cannot be recognised with certainty"):
        Folder(tmp_path).check_sheet()
    folder = Folder(tmp_path, "gb18030")
    folder.check_sheet()
    folder.write_sheet(ROWS)
    assert "video_0001,0001,好\n" in sheet.read_text("utf-8")


def test_a_sheet_that_cannot_be_read_stops_the_command_before_the_films(tmp_path: Path) -> None:
    Folder(tmp_path / "raw").write_sheet(ROWS)
    (tmp_path / "raw" / "transcripts.csv").write_text("clip;text\n1;a\n")
    (tmp_path / "film.mp4").touch()
    said = propose(tmp_path / "film.mp4", "--to", tmp_path / "raw", status=2)
    assert "no column video_id" in said
    assert "left out" not in said


def test_clips_that_are_annotated_are_neither_changed_nor_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    film = folder.record("a" * 64, "film.mp4")
    film.files = {"0001.mp4": "old", "0002.mp4": "key"}
    folder.check_kept(film, {})  # nobody works on them
    Database(tmp_path / ".annotate").close()
    folder.check_kept(film, {"0001.mp4": "old", "0002.mp4": "key", "0003.mp4": "new"})
    for wanted in ({"0001.mp4": "new", "0002.mp4": "key"}, {"0001.mp4": "old"}):
        with pytest.raises(BuildError, match="annotators work on them") as error:
            folder.check_kept(film, wanted)
        assert "--to FOLDER" in error.value.remedy


def test_a_killed_command_continues_and_gives_the_same_bytes(
    proposed: Proposed, tmp_path: Path
) -> None:
    to = tmp_path / "raw"
    command = [sys.executable, "-m", "pipeline.commands.cli", "propose", str(proposed.film)]
    process = subprocess.Popen(
        [*command, "--to", str(to), "--cores", "1"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 300
    while not list((to / ".propose").glob("cuts/*/*.json")):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (record,) = read_sealed(to / ".propose" / "films.json")["films"]
    lying = {path.name for path in to.glob("video_0001/[0-9]*")}
    assert lying
    assert lying <= set(record["files"])  # with other settings they are removed
    done = [p for p in (to / ".propose").rglob("*") if p.suffix in (".safetensors", ".json")]
    kept = {p: p.stat().st_mtime_ns for p in done if p.name != "films.json"}
    assert {p.parent.parent.name for p in kept} == {"index", "speech", "shots", "faces", "cuts"}
    propose(proposed.film, "--to", to)
    assert contents(to) == contents(proposed.folder)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept  # nothing was made again


def test_films_that_come_later_leave_all_clips_as_they_are(
    proposed: Proposed, tmp_path: Path
) -> None:
    to = tmp_path / "raw"
    second = tmp_path / "film.mp4"  # of the same name as the first
    make_film(second, [Scene("pause", seconds=0.6), Scene("clip", "video_0003/0005")])
    first = tmp_path / "first" / "renamed.mp4"
    first.parent.mkdir()
    first.write_bytes(proposed.film.read_bytes())
    subtitles = proposed.film.with_suffix(".zh.srt").read_bytes()
    first.with_suffix(".zh.srt").write_bytes(subtitles)
    shutil.copytree(proposed.folder, to)
    before = {name: data for name, data in contents(to).items() if name.endswith(".mp4")}
    assert before.keys() == {f"video_0001/{n:04d}.mp4" for n in range(1, 5)}
    Database(to / ".annotate").close()  # annotators have begun
    said = propose(second, first, "--to", to)
    after = contents(to)
    assert {name: after[name] for name in before} == before
    assert {row["video_id"]: row["film"] for row in candidates(to)} == {
        "video_0001": "renamed.mp4",
        "video_0002": "film.mp4",
    }
    assert (to / "video_0002" / "0001.mp4").is_file()
    assert "5 of 7 segments taken" in said
    said = propose(first, "--to", to, "--set", "propose.pad=0", status=2)
    assert "4 clips of renamed.mp4 would be changed or removed" in said
    assert contents(to) == after
