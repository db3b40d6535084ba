"""Headers are read again if, and only if, a feature file may have changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.store.features import Features, Store
from pipeline.store.layout import Layout
from pipeline.store.records import Record
from pipeline.store.seen import Seen
from pipeline.store.views import View

CLIPS = {"v/a": "key a", "v/b": "key b"}
RECORD = Record(CLIPS, ())


class Counting(Store):
    """A store that counts the headers that are read."""

    read_headers = 0

    def _own_header(self, stage: str, clip: str) -> dict[str, Any] | None:
        self.read_headers += 1
        return super()._own_header(stage, clip)


def write(folder: Path, clip: str, key: str, value: int = 5) -> Path:
    """Write a clip's file; return its path."""
    store = Store(folder)
    store.write("audio", clip, key, Features({"audio": np.full((2, 3), value, np.float32)}))
    return store.path("audio", clip)


@pytest.fixture(autouse=True)
def young(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as settled at once; one test waits for nothing either."""
    monkeypatch.setattr("pipeline.store.seen._YOUNG_NS", -1_000_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips' files, which were looked at and noted."""
    for clip, key in CLIPS.items():
        write(tmp_path, clip, key)
    assert looked_at(tmp_path) == (True, 2)
    return tmp_path


def looked_at(folder: Path, stage: str = "audio", record: Record = RECORD) -> tuple[bool, int]:
    """Return what a new process finds of a record, and the number of headers that it reads."""
    store = Counting(folder)
    seen = Seen(store, stage)
    holds = seen.holds("0000", record)
    seen.write()
    return holds, store.read_headers


def test_headers_are_read_once(folder: Path) -> None:
    assert looked_at(folder) == (True, 0)
    store = Counting(folder)
    assert Seen(store, "audio").is_as_noted("0000", RECORD)
    assert store.cached_header("audio", "v/a") == {"key": "key a"}
    assert store.read_headers == 0


def test_without_a_note_nothing_is_known_or_written(tmp_path: Path) -> None:
    for clip, key in CLIPS.items():
        write(tmp_path, clip, key)
    store = Counting(tmp_path)
    assert not Seen(store, "audio").is_as_noted("0000", RECORD)
    assert Seen(store, "audio").holds("0000", RECORD)
    assert not Layout(tmp_path).logs.exists()


def test_a_file_replaced_by_one_of_equal_size_and_time_is_noticed(folder: Path) -> None:
    path = Store(folder).path("audio", "v/a")
    before = path.stat()
    write(folder, "v/a", "key c")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert looked_at(folder) == (False, 2)


def test_a_file_changed_in_place_is_noticed_whatever_its_time_says(folder: Path) -> None:
    path = Store(folder).path("audio", "v/a")
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(b"\xff" * 8)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        *(before.st_ino, before.st_size, before.st_mtime_ns),
    )
    assert looked_at(folder) == (False, 2)


@pytest.mark.parametrize("damage", ["lost", "cut", "touched"])
def test_a_changed_file_is_read_again(folder: Path, damage: str) -> None:
    path = Store(folder).path("audio", "v/b")
    if damage == "lost":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        os.utime(path, (1, 1))
    assert looked_at(folder) == (damage == "touched", 2)


def test_a_note_that_came_with_a_copy_of_the_folder_says_nothing(folder: Path) -> None:
    copy = shutil.copytree(folder, folder.with_name("copy"))
    assert looked_at(copy) == (True, 2)


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"[]", b"\xff", b'{"0000": 1}', b'{"0000": {"files": 1}}'),
        b'{"0000": {"files": "x", "sources": 5, "trimmed": []}}',
    ],
)
def test_a_damaged_note_is_ignored_and_written_anew(folder: Path, damage: bytes) -> None:
    Layout(folder).seen("audio").write_bytes(damage)
    assert looked_at(folder) == (True, 2)
    assert looked_at(folder) == (True, 0)


def test_a_record_of_other_keys_is_not_the_one_that_was_noted(folder: Path) -> None:
    assert looked_at(folder, record=Record({**CLIPS, "v/a": "new"}, ())) == (False, 2)


def test_a_file_that_has_just_changed_is_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may change once more within the same tick of the clock."""
    monkeypatch.setattr("pipeline.store.seen._YOUNG_NS", 3_600_000_000_000)
    for clip, key in CLIPS.items():
        write(tmp_path, clip, key)
    assert looked_at(tmp_path) == (True, 2)
    assert looked_at(tmp_path) == (True, 2)


def test_packed_files_are_known_by_their_pack(folder: Path) -> None:
    assert Store(folder).pack("audio", "0000", list(CLIPS))
    assert looked_at(folder) == (True, 2)
    assert looked_at(folder) == (True, 0)
    (pack,) = Layout(folder).packs("audio").glob("*.zip")
    pack.write_bytes(pack.read_bytes())  # the same bytes: only its times tell
    assert looked_at(folder) == (True, 2)
    write(folder, "v/a", "key c")
    assert looked_at(folder) == (False, 2)


def test_a_file_counts_as_changed_if_one_changed_whose_rows_it_shows(tmp_path: Path) -> None:
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_table = Features({"table": table})
    rows = View("openface", "table", np.arange(3, dtype=np.int32), ((0, 4),))
    store, record = Store(tmp_path), Record({"v/a": "k"}, ())
    store.write("openface", "v/a", "k", write_table)
    store.write("vision", "v/a", "k", Features({"vision": table}, views={"vision": rows}))
    assert looked_at(tmp_path, "vision", record)[0]
    assert looked_at(tmp_path, "vision", record) == (True, 0)
    store.write("openface", "v/a", "k", Features({"table": table + 1}))
    assert not looked_at(tmp_path, "vision", record)[0]


def test_a_reduced_file_is_known_as_one(tmp_path: Path) -> None:
    reduced = Features({"box": np.zeros((1, 4), np.float32)}, trimmed={"thumbnails": 6})
    Store(tmp_path).write("faces", "v/a", "k", reduced)
    record = Record({"v/a": "k"}, ())
    looked_at(tmp_path, "faces", record)
    store = Store(tmp_path)
    assert Seen(store, "faces").is_as_noted("0000", record)
    assert "trimmed" in (store.cached_header("faces", "v/a") or {})


def test_what_is_written_or_discarded_is_no_longer_known(folder: Path) -> None:
    store = Store(folder)
    assert Seen(store, "audio").is_as_noted("0000", RECORD)
    store.write("audio", "v/a", "other", Features({"audio": np.zeros((1, 3), np.float32)}))
    store.discard("audio", "v/b")
    assert (store.cached_header("audio", "v/a") or {})["key"] == "other"
    assert store.cached_header("audio", "v/b") is None


def test_a_stage_is_listed_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_failure("audio", "v/a", "k", "no sound", "add some")
    write(tmp_path, "v/b", "k")
    write(tmp_path, "v/c", "k")
    store.pack("audio", "0000", ["v/c"])
    store.list_once("audio")
    Store(tmp_path).write_failure("audio", "v/d", "k", "no sound", "add some")
    assert (store.failure("audio", "v/a") or {})["reason"] == "no sound"
    assert store.failure("audio", "v/d") is None  # it was not there when they were listed
    assert [
        clip for clip in ("v/a", "v/b", "v/c", "v/d") if store.cached_header("audio", clip)
    ] == [
        *("v/b", "v/c"),
    ]
    store.write_failure("audio", "v/e", "k", "no sound", "add some")
    assert store.failure("audio", "v/e") is not None
