"""What is remembered of media files: nothing is lost with it but time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.errors import BuildError
from pipeline.manifest.cache import MediaCache

STATE = [10, 20]


def _filled(path: Path) -> MediaCache:
    cache = MediaCache(path, "1", writes=True)
    for name in ("a", "b"):
        cache.note_digest(name, STATE, f"digest {name}")
        cache.note_answer(f"digest {name}", {"file": name})
    return cache


def test_what_was_found_out_is_known_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    _filled(path).close()
    cache = MediaCache(path, "1", writes=False)
    assert cache.digest("a", STATE) == "digest a"
    assert cache.digest("a", [10, 21]) is None
    assert cache.answer("digest a") == {"file": "a"}
    assert MediaCache(path, "2", writes=False).answer("digest a") is None


def test_files_that_were_not_used_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = _filled(path)
    cache.note_use("a")
    cache.close(forget_others=True)
    cache = MediaCache(path, "1", writes=True)
    assert (cache.digest("a", STATE), cache.digest("b", STATE)) == ("digest a", None)
    assert (cache.answer("digest a"), cache.answer("digest b")) == ({"file": "a"}, None)


def test_a_killed_process_loses_little(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = MediaCache(path, "1", writes=True)
    for number in range(200):
        cache.note_answer(str(number), {})
    with sqlite3.connect(path) as other:  # as it would be if this process ended here
        (found,) = other.execute("select count(*) from answers").fetchone()
    assert 100 < found < 200


def test_looking_makes_no_file(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path / "processed" / "cache.sqlite", "1", writes=False)
    assert cache.digest("a", STATE) is None
    assert list(tmp_path.iterdir()) == []


def _other_version() -> bytes:
    with sqlite3.connect(":memory:") as other:
        other.executescript("create table digests (path, size, time, digest, more)")
        return other.serialize()


def _endless() -> bytes:
    """A view that never ends, where a table is expected."""
    with sqlite3.connect(":memory:") as other:
        other.executescript(
            "create table answers (name text primary key, answer text); pragma user_version = 1;"
            "create view digests as with recursive n(path) as "
            "(select 1 union all select path + 1 from n) select path from n"
        )
        return other.serialize()


@pytest.mark.parametrize(
    "content", [b"", b"5", b"SQLite format 3\x00" + bytes(4000), _other_version(), _endless()]
)
def test_a_damaged_file_is_begun_anew_by_a_build_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(content)
    assert MediaCache(path, "1", writes=False).digest("a", STATE) is None
    assert path.read_bytes() == content
    _filled(path).close()
    assert MediaCache(path, "1", writes=False).digest("a", STATE) == "digest a"


@pytest.mark.parametrize("part", range(1, 5))
def test_changed_bytes_are_never_an_answer(tmp_path: Path, part: int) -> None:
    path = tmp_path / "cache.sqlite"
    _filled(path).close()
    data = bytearray(path.read_bytes())
    for place in range(len(data) * (part - 1) // 4, len(data) * part // 4):
        data[place] ^= 0x55
    path.write_bytes(data)
    cache = MediaCache(path, "1", writes=True)
    assert cache.answer("digest a") in (None, {"file": "a"})
    cache.note_answer("digest a", {"file": "a"})
    cache.close()


def test_a_digest_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    _filled(path).close()
    with sqlite3.connect(path) as other:
        other.execute("update digests set digest = 'digest b' where path = 'a'")
        other.execute("update answers set name = '1 digest c' where name = '1 digest b'")
    cache = MediaCache(path, "1", writes=False)
    assert cache.digest("a", STATE) is None
    assert cache.digest("b", STATE) == "digest b"
    assert cache.answer("digest c") is None


def test_any_time_of_change_is_remembered(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path / "cache.sqlite", "1", writes=True)
    cache.note_digest("a", [1, 10**19], "digest")
    assert cache.digest("a", [1, 10**19]) == "digest"


def test_a_file_that_another_process_holds_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cache.sqlite"
    _filled(path).close()
    cache = MediaCache(path, "1", writes=True)
    cache._connection.execute("pragma busy_timeout = 10")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("begin exclusive")
        cache.note_digest("c", STATE, "digest c")
        cache.note_digest("d", STATE, "digest d")
        assert cache.digest("d", STATE) == "digest d"
        cache.close()
    assert "cannot be used (database is locked)" in capsys.readouterr().err
    assert MediaCache(path, "1", writes=False).digest("a", STATE) == "digest a"


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    cache = MediaCache(path, "1", writes=True)
    cache._connection.execute("pragma max_page_count = 6")
    with pytest.raises(BuildError, match=r"cannot write .*cache\.sqlite: .*full"):
        for number in range(300):
            cache.note_answer(str(number), {"words": "x" * 200})
