"""What was found out about media files, kept between builds in a small SQLite file.

Nothing but time is lost with it. A damaged file, or one of another version, is begun anew; where it
cannot be used at all, media files are read and probed by each build.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import digest as digest_of
from pipeline.store.files import sealed, unsealed
from pipeline.terminal import tell

_VERSION = 1
_TABLES = {
    # a file's state as words: its time of change may not fit into an integer of SQLite's
    "digests": "path text primary key, state text, digest text, seal text",
    "answers": "name text primary key, answer text",
}
_WRITES_AT_ONCE = 64
_SECONDS_AT_ONCE = 10.0
"""What a killed process may lose, at most: each commit waits for the disk."""

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)


class MediaCache:
    """Digests by path, size and time of change; answers of the probe by digest and version.

    Threads may share it.

    Parameters
    ----------
    path : Path
        The file; it is made if there is none.
    version : str
        Identifies the probe and its library.
    writes : bool
        Whether it may be made, or made anew; else a file that is not there knows nothing.
    """

    def __init__(self, path: Path, version: str, *, writes: bool) -> None:
        self.path, self.version, self.writes = path, version, writes
        self._lock = threading.Lock()
        self._waiting, self._since = 0, time.monotonic()
        if writes:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._opened()

    def digest(self, path: str, state: Sequence[int]) -> str | None:
        """Return the digest of a file of this size and time of change; None if not known."""
        words = json.dumps(list(state))
        rows = self._ask(
            "select digest, seal from digests where path = ? and state = ?", path, words
        )
        if rows and rows[0][1] == digest_of([path, words, rows[0][0]]):
            return str(rows[0][0])
        return None

    def answer(self, digest: str) -> dict[str, Any] | None:
        """Return what the probe said about a file with this digest; None if not known."""
        rows = self._ask("select answer from answers where name = ?", self._name(digest))
        try:
            found = unsealed(json.loads(rows[0][0])) if rows else {}
        except (ValueError, TypeError):
            return None
        return found.get("answer") if found.get("name") == self._name(digest) else None

    def note_digest(self, path: str, state: Sequence[int], digest: str) -> None:
        """Remember the digest of a file."""
        words = json.dumps(list(state))
        seal = digest_of([path, words, digest])
        self._write("insert or replace into digests values (?, ?, ?, ?)", path, words, digest, seal)

    def note_answer(self, digest: str, answer: dict[str, Any]) -> None:
        """Remember what the probe said about a file."""
        name = self._name(digest)
        text = json.dumps(sealed({"name": name, "answer": answer}))
        self._write("insert or replace into answers values (?, ?)", name, text)

    def note_use(self, path: str) -> None:
        """Note that a file belongs to the corpus."""
        self._ask("insert or ignore into used values (?)", path)

    def close(self, *, forget_others: bool = False) -> None:
        """Write what is waiting.

        Parameters
        ----------
        forget_others : bool
            Forget the files that were not used.
        """
        if forget_others:
            self._write("delete from digests where path not in (select path from used)")
            self._write(
                "delete from answers where name not in (select ? || digest from digests)",
                self._name(""),
            )
        with self._lock:
            self._change(self._connection.commit)
            self._connection.close()

    def _name(self, digest: str) -> str:
        return f"{self.version} {digest}"

    def _ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(question, values).fetchall()
            except sqlite3.DatabaseError:
                return []  # damaged: `_write` begins anew

    def _write(self, statement: str, *values: Any) -> None:
        with self._lock:
            self._change(lambda: self._connection.execute(statement, values))
            self._waiting += 1
            due = time.monotonic() > self._since + _SECONDS_AT_ONCE
            if due or self._waiting >= _WRITES_AT_ONCE:
                self._change(self._connection.commit)
                self._waiting, self._since = 0, time.monotonic()

    def _change(self, change: Any) -> None:
        """Write; a file that cannot be used any further is begun anew, or left alone."""
        try:
            change()
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DISK:
                raise BuildError(
                    f"cannot write {self.path}: {error}",
                    "free disk space or fix the folder's permissions, then run the same command "
                    "again",
                ) from error
            self._connection.close()
            if code in _BROKEN:
                self._remove()
                self._connection = self._opened()
            else:  # locked by another process, for example
                self._connection = self._forgetful(error)

    def _opened(self) -> sqlite3.Connection:
        """Open the file; a broken one is made anew, and one that cannot be used is not used."""
        mode = "rwc" if self.writes else "rw"  # a killed process' changes are taken back
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            return _connect(address, make=self.writes)
        except (sqlite3.DatabaseError, _OtherFileError) as error:
            other = isinstance(error, _OtherFileError)
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if not self.writes or not (other or code in _BROKEN):
                return self._forgetful(error)
        self._remove()
        try:
            return _connect(address, make=True)
        except sqlite3.DatabaseError as error:
            return self._forgetful(error)

    def _remove(self) -> None:
        """Remove the file, and what SQLite would take back in it."""
        for path in (self.path, self.path.with_name(f"{self.path.name}-journal")):
            path.unlink(missing_ok=True)

    def _forgetful(self, error: Exception) -> sqlite3.Connection:
        """Go on with a file without a name, which goes with the process."""
        if self.writes:
            tell(
                f"{self.path} cannot be used ({error}): the next build reads all media files again"
            )
        return _connect("", make=True)


class _OtherFileError(Exception):
    """A SQLite file that holds something else, or is of another version."""


def _connect(address: str, *, make: bool) -> sqlite3.Connection:
    """Open a file by its URI; without one, a file without a name that goes with the process.

    Its tables are made if it is empty and `make` is given.
    """
    connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    try:
        connection.executescript(
            "pragma trusted_schema = off; pragma temp_store = file; pragma cache_size = -2000;"
            "create temporary table used (path text primary key);"
        )
        made = connection.execute("select type, name from sqlite_master").fetchall()
        (version,) = connection.execute("pragma user_version").fetchone()
        own = {("table", name) for name in _TABLES}
        own |= {("index", f"sqlite_autoindex_{name}_1") for name in _TABLES}
        if not made and make:
            for name, columns in _TABLES.items():
                connection.execute(f"create table {name} ({columns})")
            connection.execute(f"pragma user_version = {_VERSION}")
            connection.commit()
        elif {*made} != own or version != _VERSION:
            raise _OtherFileError("it was made by another program or version")
    except (sqlite3.DatabaseError, _OtherFileError):
        connection.close()
        raise
    return connection
