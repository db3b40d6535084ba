"""What was found out about media files, kept between builds in a small SQLite file.

Nothing but time is lost with it: one that is damaged, or that cannot be used where it lies, is
begun anew.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import sealed, unsealed

_TABLES = """
create table if not exists digests (path text primary key, size integer, time integer, digest text);
create table if not exists answers (digest text, version text, answer text,
                                    primary key (digest, version));
"""
_WRITES_AT_ONCE = 64
"""Answers that a killed process may lose: each commit waits for the disk."""


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
        self._waiting = 0
        if writes:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = self._opened()

    def _opened(self) -> sqlite3.Connection:
        """Open the file; a damaged one is made anew, and one that cannot be used is not used."""
        mode = "rwc" if self.writes else "rw"  # a killed process' changes are taken back
        for _ in range(2):
            try:
                return _connect(f"{self.path.absolute().as_uri()}?mode={mode}", make=self.writes)
            except sqlite3.OperationalError:  # not there, or a folder without locks or permissions
                break
            except sqlite3.DatabaseError:
                if not self.writes:
                    break
                self.path.unlink(missing_ok=True)
        return _connect("", make=True)

    def digest(self, path: str, state: Sequence[int]) -> str | None:
        """Return the digest of a file of this size and time of change; None if not known."""
        rows = self._ask(
            "select digest from digests where path = ? and size = ? and time = ?", path, *state
        )
        return str(rows[0][0]) if rows else None

    def answer(self, digest: str) -> dict[str, Any] | None:
        """Return what the probe said about a file with this digest; None if not known."""
        rows = self._ask(
            "select answer from answers where digest = ? and version = ?", digest, self.version
        )
        try:
            return unsealed(json.loads(rows[0][0])) if rows else None
        except (ValueError, TypeError):
            return None

    def note_digest(self, path: str, state: Sequence[int], digest: str) -> None:
        """Remember the digest of a file."""
        self._write("insert or replace into digests values (?, ?, ?, ?)", path, *state, digest)

    def note_answer(self, digest: str, answer: dict[str, Any]) -> None:
        """Remember what the probe said about a file."""
        text = json.dumps(sealed(answer), ensure_ascii=True)
        self._write("insert or replace into answers values (?, ?, ?)", digest, self.version, text)

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
                "delete from answers where version != ? or digest not in "
                "(select digest from digests)",
                self.version,
            )
        with self._lock:
            self._commit()
            self._connection.close()

    def _ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(question, values).fetchall()
            except sqlite3.DatabaseError:
                return []  # damaged: `_write` begins anew

    def _write(self, statement: str, *values: Any) -> None:
        with self._lock:
            try:
                self._connection.execute(statement, values)
                self._waiting += 1
                if self._waiting >= _WRITES_AT_ONCE:
                    self._commit()
            except sqlite3.OperationalError as error:
                raise self._unwritable(error) from error
            except sqlite3.DatabaseError:
                self._connection.close()
                self.path.unlink(missing_ok=True)
                self._connection = self._opened()

    def _commit(self) -> None:
        try:
            self._connection.commit()
            self._waiting = 0
        except sqlite3.DatabaseError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: sqlite3.DatabaseError) -> BuildError:
        return BuildError(
            f"cannot write {self.path}: {error}",
            "free disk space or fix the folder's permissions, then run the same command again",
        )


def _connect(address: str, *, make: bool) -> sqlite3.Connection:
    """Open a file by its URI; without one, a file without a name that goes with the process.

    Its tables are made if they are not there and `make` is given.
    """
    connection = sqlite3.connect(address, uri=True, check_same_thread=False)
    try:
        connection.executescript(
            f"pragma temp_store = file; pragma cache_size = -2000; {_TABLES if make else ''}"
            "create temporary table used (path text primary key);"
        )
        connection.execute("select * from digests, answers limit 1").fetchall()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
