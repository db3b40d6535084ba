"""The annotation's SQLite database: its tables, and transactions that survive a power cut."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BuildError

FILE = "votes.sqlite"
_VERSION = 1

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE clips (
  id INTEGER PRIMARY KEY,
  video_id TEXT NOT NULL,
  clip_id TEXT NOT NULL,
  media TEXT NOT NULL,
  digest TEXT NOT NULL,
  video INTEGER NOT NULL,
  audio INTEGER NOT NULL,
  text TEXT NOT NULL,
  original TEXT NOT NULL,
  speaker TEXT, gender TEXT, age TEXT, english TEXT, mode TEXT,
  decided TEXT,
  UNIQUE (video_id, clip_id)
) STRICT;
CREATE TABLE annotators (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  token TEXT NOT NULL UNIQUE,
  closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE tasks (
  annotator INTEGER NOT NULL REFERENCES annotators,
  phase TEXT NOT NULL CHECK (phase IN ('T', 'A', 'V', 'M')),
  clip INTEGER NOT NULL REFERENCES clips,
  place INTEGER NOT NULL,
  ticket TEXT NOT NULL UNIQUE,
  PRIMARY KEY (annotator, phase, clip),
  UNIQUE (annotator, phase, place)
) STRICT;
CREATE TABLE answers (
  annotator INTEGER NOT NULL,
  phase TEXT NOT NULL,
  clip INTEGER NOT NULL,
  vote INTEGER CHECK (vote IN (-1, 0, 1)),
  at TEXT NOT NULL,
  PRIMARY KEY (annotator, phase, clip),
  FOREIGN KEY (annotator, phase, clip) REFERENCES tasks
) STRICT;
CREATE TABLE remarks (
  annotator INTEGER NOT NULL REFERENCES annotators,
  clip INTEGER NOT NULL REFERENCES clips,
  text TEXT,
  gender TEXT CHECK (gender IN ('female', 'male')),
  age INTEGER CHECK (age BETWEEN 0 AND 120),
  at TEXT NOT NULL,
  PRIMARY KEY (annotator, clip)
) STRICT;
CREATE TABLE written (path TEXT, digest TEXT, PRIMARY KEY (path, digest)) STRICT;
"""
# answers.vote is NULL where the annotator cannot judge; annotators.closed counts closed phases;
# clips.original is the transcript as it was read, clips.text as the annotators see it


class Database:
    """One connection, shared by the threads of a process.

    Parameters
    ----------
    folder : Path
        The folder of the annotation. It is made, closed to other users, if it does not exist.

    Raises
    ------
    BuildError
        If the database cannot be opened, is damaged, or a later version of this program wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.touch(mode=0o600)  # it holds the tokens; SQLite's own files copy its mode
            self._connection = sqlite3.connect(
                self.path, check_same_thread=False, isolation_level=None, timeout=30
            )
            self._connection.row_factory = sqlite3.Row
            # an acknowledged vote is on the disk: FULL flushes the log at every commit
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._lay_out()
        except (OSError, sqlite3.Error) as error:
            raise BuildError(
                f"{self.path} cannot be opened as an annotation database ({error})",
                "check the folder's permissions and the disk, or put it elsewhere: --store FOLDER",
            ) from error

    def _lay_out(self) -> None:
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise BuildError(
                    f"{self.path} was written by a later version of chsims-build (layout "
                    f"{version}; this version knows {_VERSION})",
                    "install that version, or start a new round: --store FOLDER",
                )
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection; what the block does is committed as one, or not at all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk ends it at COMMIT
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for queries that see one state of the database."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
