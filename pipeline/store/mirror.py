"""Folders that stand for a place in S3: fetched before a build, stored while it runs.

The place in S3 is the truth: what it has gained or changed replaces the local file. A file that
a build has removed stays removed, although a kill may have kept the build from removing its object.
Records are stored after the files that they list, so that a build that is killed anywhere leaves a
place that the next one resumes from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.store.files import written_whole
from pipeline.store.s3 import JOURNAL, Bucket, Object
from pipeline.store.urls import Url, is_safe

_AT_ONCE = 8


@dataclass(frozen=True)
class _Known:
    """A file when it was last the same as its object."""

    name: str
    tag: str = ""
    """Empty: it has no object."""
    size: int = -1
    time: int = -1

    @classmethod
    def of(cls, line: str) -> _Known:
        """Read a line of a journal.

        Raises
        ------
        ValueError, TypeError
            If a kill cut it short, or it names no file of the folder.
        """
        known = cls(**json.loads(line))
        if not (
            isinstance(known.name, str)
            and is_safe(known.name)
            and isinstance(known.tag, str)
            and isinstance(known.size, int)
            and isinstance(known.time, int)
        ):
            raise ValueError(f"not a line of a journal: {line!r}")
        return known


class Mirror:
    """One folder and the place in S3 that it stands for.

    Parameters
    ----------
    url : Url
        The place.
    folder : Path
        The folder. A journal in it says which file is which object; several processes may append
        to it.
    """

    def __init__(self, url: Url, folder: Path) -> None:
        self.bucket = Bucket(url)
        self.folder = folder

    def fetch(self, *, exactly: bool) -> int:
        """Fetch the objects that are new, or have changed since they were fetched.

        Parameters
        ----------
        exactly : bool
            Also undo local changes and removals, and remove files whose objects are gone. Without
            it, files that were made here and are not stored yet stay, and what was removed here
            stays removed; but if no fetched file is left, all are fetched again.

        Returns
        -------
        int
            How many were fetched.

        Raises
        ------
        BuildError
            If S3 cannot be read, or a key leads out of the folder.
        """
        known = self._known()
        undo = exactly or not any(self._path(name).is_file() for name in known)
        objects = self.bucket.listed()
        due = [
            name
            for name, each in objects.items()
            if name not in known
            or known[name].tag != each.tag
            or (undo and self._differs(name, known[name]))
        ]
        self._all(lambda name: self._fetch(name, objects[name]), due)
        for name in known.keys() - objects.keys():
            if exactly:
                self._inside(name).unlink(missing_ok=True)
            self._note(_Known(name))  # stored again, if it is still here
        return len(due)

    def store(self, paths: Iterable[Path]) -> int:
        """Store the files that are new or have changed, and remove objects whose files are gone.

        Parameters
        ----------
        paths : iterable of Path
            Files of the folder. One that is not there was removed by the build, or never made.

        Returns
        -------
        int
            How many were stored or removed.

        Raises
        ------
        BuildError
            If S3 cannot be written.
        """
        known = self._known()
        names = dict.fromkeys(path.relative_to(self.folder).as_posix() for path in paths)
        due = [name for name in names if self._differs(name, known.get(name))]
        self._all(self._store, due)
        return len(due)

    @property
    def is_begun(self) -> bool:
        """Whether anything was ever fetched or stored."""
        return (self.folder / JOURNAL).is_file()

    def known_files(self) -> list[Path]:
        """Return the files that have an object, here or not."""
        return [self._path(name) for name in self._known()]

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _inside(self, name: str) -> Path:
        """Return the path of a file, which no link may lead out of the folder."""
        path = self._path(name)
        if not path.parent.resolve().is_relative_to(self.folder.resolve()):
            raise BuildError(
                f"{path} leads out of {self.folder} through a link",
                "remove the link; a mirror holds only what lies in S3",
            )
        return path

    def _differs(self, name: str, known: _Known | None) -> bool:
        try:
            status = self._path(name).stat()
        except FileNotFoundError:
            return known is not None
        return known is None or (known.size, known.time) != (status.st_size, status.st_mtime_ns)

    def _fetch(self, name: str, now: Object) -> None:
        path = self._inside(name)
        self.bucket.fetch(name, path, now)
        status = path.stat()
        self._note(_Known(name, now.tag, status.st_size, status.st_mtime_ns))

    def _store(self, name: str) -> None:
        """Store a file as it is now; one that changes meanwhile is stored again next time."""
        try:
            tag, status = self.bucket.store(name, self._inside(name))
        except FileNotFoundError:
            self.bucket.remove(name)
            self._note(_Known(name))
            return
        self._note(_Known(name, tag, status.st_size, status.st_mtime_ns))

    def _all(self, do: Callable[[str], None], names: Iterable[str]) -> None:
        """Transfer several at once; records, which list other files, after all others."""
        records = [name for name in names if name.startswith("records/")]
        others = [name for name in names if not name.startswith("records/")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for group in (others, records):
                list(pool.map(do, group))

    def _known(self) -> dict[str, _Known]:
        """Read the journal; the last line about a file counts."""
        found: dict[str, _Known] = {}
        try:
            lines = (self.folder / JOURNAL).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return found
        for line in lines:
            with suppress(ValueError, TypeError):
                each = _Known.of(line)
                found[each.name] = each
        return {name: each for name, each in found.items() if each.tag}

    def shorten_journal(self) -> None:
        """Write the journal anew, with one line per file; nobody else may be writing it."""
        known = self._known()
        if known:
            with written_whole(self.folder / JOURNAL) as temporary:
                temporary.write_bytes(b"".join(map(_line, known.values())))

    def _note(self, known: _Known) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = os.open(self.folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(journal, _line(known))
        finally:
            os.close(journal)


def _line(known: _Known) -> bytes:
    return json.dumps(asdict(known), ensure_ascii=False).encode() + b"\n"
