"""Which feature files are as they were when their headers were last read.

A build looks at every feature file before it starts. Reading a header takes far longer than asking
the file system for a file's size, times and inode. A note of these is therefore kept for the files
of each record. As long as they are the same, so are the headers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.features import Store
from pipeline.store.files import digest, read_sealed, write_sealed
from pipeline.store.layout import Layout
from pipeline.store.records import Record

_YOUNG_NS = 2_000_000_000
"""A file that changed so recently may change once more without another time of change."""

Headers = Mapping[str, Mapping[str, Any] | None]
States = Mapping[str, Sequence[Sequence[int] | None]]


@dataclass(frozen=True)
class _Note:
    """What is noted of a record.

    Parameters
    ----------
    files : str
        Digest of the record's clips and keys, and of the states of their files.
    sources : list of str
        The other stages whose files these files show rows of.
    trimmed : list of str
        The clips whose features were reduced.
    """

    files: str
    sources: list[str]
    trimmed: list[str]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> _Note:
        """Return a note as it was stored; a value of another type is an error."""
        sources, trimmed = stored["sources"], stored["trimmed"]
        if not (isinstance(sources, list) and isinstance(trimmed, list)):
            raise TypeError("expected lists")
        return cls(str(stored["files"]), [*map(str, sources)], [*map(str, trimmed)])


class Seen:
    """The feature files of a stage, as far as they have not changed since they were noted.

    Parameters
    ----------
    store : Store
        The feature files. It knows those that turn out to be as their record says
        (`Store.brief`).
    stage : str
        The stage.
    """

    def __init__(self, store: Store, stage: str) -> None:
        self.store, self.stage = store, stage
        self._place = Layout(store.root).seen(stage)
        self._noted = self._read()
        self._now: dict[str, _Note] = {}

    def holds(self, job: str, record: Record) -> bool:
        """Tell whether all files that a job's record lists have the keys that it lists."""
        if self.is_as_noted(job, record):
            return True
        states, headers = self._looked_at(record)
        if any(header is None or header["key"] != record.clips[c] for c, header in headers.items()):
            return False
        trimmed = [clip for clip, header in headers.items() if header and "trimmed" in header]
        self.store.cache_headers(self.stage, record.clips, trimmed)
        if _are_settled(states):
            self._now[job] = _Note(_digest(record, states), sorted(_sources(headers)), trimmed)
        return True

    def is_as_noted(self, job: str, record: Record) -> bool:
        """Tell whether the files of a job's record are as they were when they were noted."""
        note = self._noted.get(job)
        if note is None or note.files != _digest(record, self._states(note.sources, record)):
            return False
        self.store.cache_headers(self.stage, record.clips, note.trimmed)
        self._now[job] = note
        return True

    def write(self) -> None:
        """Note, for the next time, the files of the records that hold now."""
        if self._now != self._noted:
            with suppress(BuildError):  # on a full disk, say: the headers are then read again
                write_sealed(self._place, {job: asdict(note) for job, note in self._now.items()})

    def _read(self) -> dict[str, _Note]:
        try:
            noted = read_sealed(self._place)
            return {job: _Note.of(note) for job, note in noted.items()}
        except (OSError, ValueError, TypeError, KeyError):  # none yet, or damaged
            return {}

    def _looked_at(self, record: Record) -> tuple[States, Headers]:
        """Return the states of a record's files, and their headers, which are read after these.

        Files that they show rows of count too: a header is valid only with these.
        """
        sources: set[str] = set()
        while True:
            states = self._states(sorted(sources), record)
            headers = {clip: self.store.header(self.stage, clip) for clip in record.clips}
            found = _sources(headers)
            if found <= sources:
                return states, headers
            sources = found

    def _states(self, sources: Iterable[str], record: Record) -> States:
        stages, state = (self.stage, *sources), self.store.state
        return {clip: [state(stage, clip) for stage in stages] for clip in record.clips}


def _sources(headers: Headers) -> set[str]:
    each = (header for header in headers.values() if header is not None)
    return {view["stage"] for header in each for view in header.get("views", {}).values()}


def _are_settled(states: States) -> bool:
    """Tell whether any further change of these files would show in their states."""
    latest = time.time_ns() - _YOUNG_NS
    each = [state for clip in states.values() for state in clip]
    return all(state is not None and state[2] < latest for state in each)


def _digest(record: Record, states: States) -> str:
    return digest([[clip, key, states[clip]] for clip, key in record.clips.items()])
