"""Packs: the feature files of a job in one uncompressed zip file.

An entry is a feature file as it would lie in the build's folder, ``VIDEO/CLIP.safetensors``. Being
uncompressed, it is read in place, without its neighbours.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, BinaryIO

from pipeline.store.files import written_whole
from pipeline.store.layout import Layout

SUFFIX = ".safetensors"
_LOCAL = struct.Struct("<4s22xHH")
"""Of an entry's local header: its mark, and the lengths of its name and of what follows that."""
_MARK = b"PK\x03\x04"
_PIECE = 1024 * 1024
_TIME = (1980, 1, 1, 0, 0, 0)
_Signature = tuple[int, int, int]

Source = AbstractContextManager[tuple[BinaryIO, int]]
"""An open feature file, at its first byte, and its size in bytes."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Where a feature file lies in a pack."""

    pack: Path
    header: int
    size: int


@dataclass
class _Index:
    """What the packs of a stage hold, as far as they have been read."""

    changed: int = -1
    entries: dict[str, Packed] = field(default_factory=dict)
    read: dict[Path, _Signature] = field(default_factory=dict)
    lists: dict[Path, dict[str, Packed]] = field(default_factory=dict)
    faults: dict[Path, str] = field(default_factory=dict)


class Packs:
    """The packs below one build's folder; their lists of entries are read once, until they change.

    Parameters
    ----------
    root : Path
        The build's folder.
    """

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self._indices: dict[str, _Index] = {}

    def clips(self, stage: str) -> Iterable[str]:
        """Return the clips whose feature files are packed."""
        return self._index(stage).entries.keys()

    def find(self, stage: str, clip: str) -> Packed | None:
        """Return where a clip's feature file is packed; None if it is not."""
        return self._index(stage).entries.get(clip)

    def in_pack(self, stage: str, pack: Path) -> list[str]:
        """Return the clips whose feature files a pack holds."""
        return [clip for clip, place in self._index(stage).entries.items() if place.pack == pack]

    def newest(self, stage: str, clips: Iterable[str]) -> int:
        """Return when the last of the packs was written that hold one of these clips, in ns."""
        entries, read = self._index(stage).entries, self._index(stage).read
        return max((read[entries[clip].pack][2] for clip in clips if clip in entries), default=0)

    def faults(self, stage: str) -> Mapping[Path, str]:
        """Return the packs that cannot be read, with the reason."""
        return self._index(stage).faults

    def look_again(self, stage: str) -> None:
        """Read the folder's list, without which a network file system shows a new pack late."""
        folder = self.layout.packs(stage)
        for seen in (folder.parent, folder):
            with suppress(OSError):
                os.listdir(seen)  # noqa: PTH208 - read for its effect

    @contextmanager
    def opened(self, stage: str, clip: str) -> Iterator[tuple[BinaryIO, int]]:
        """Open a packed feature file, at its first byte; yield it and its size in bytes.

        Raises
        ------
        FileNotFoundError
            If it is in no pack.
        ValueError
            If the pack is damaged.
        """
        for _ in range(3):  # a pack may be replaced between the look into its list and this
            place = self.find(stage, clip)
            if place is None:
                raise FileNotFoundError(f"{clip} is in no pack of {stage}")
            try:
                stream = place.pack.open("rb")
            except FileNotFoundError:
                self._indices.pop(stage, None)
                continue
            with stream:
                if _signature(os.fstat(stream.fileno())) == self._index(stage).read.get(place.pack):
                    stream.seek(_start(stream, place.header))
                    yield stream, place.size
                    return
            self._indices.pop(stage, None)
        raise FileNotFoundError(f"{clip}: the packs of {stage} are being written")

    def _index(self, stage: str) -> _Index:
        """Return what the packs hold, after reading those that are new or have changed."""
        folder = self.layout.packs(stage)
        try:
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - asked for every clip
        except FileNotFoundError:
            changed = -1
        known = self._indices.get(stage, _Index())
        if known.changed == changed:
            return self._indices.setdefault(stage, known)
        now = _Index(changed)
        # a clip that moved to another shard may be in two packs: the one written last counts
        for path in sorted(folder.glob("*.zip"), key=_age) if changed != -1 else ():
            try:
                now.read[path] = _signature(path.stat())
                if now.read[path] == known.read.get(path) and path in known.lists:
                    now.lists[path] = known.lists[path]
                else:
                    now.lists[path] = dict(_listed(path))
                now.entries |= now.lists[path]
            except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
                now.faults[path] = str(error)
        self._indices[stage] = now
        return now


@lru_cache(maxsize=64)
def packs_of(root: Path) -> Packs:
    """Return the packs below a build's folder, the same object whoever asks."""
    return Packs(root)


def _age(path: Path) -> tuple[int, str]:
    """Return when a pack was written; a file that is gone by now counts as old."""
    try:
        return path.stat().st_mtime_ns, path.name
    except FileNotFoundError:
        return -1, path.name


def _signature(status: os.stat_result) -> _Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _listed(path: Path) -> Iterator[tuple[str, Packed]]:
    """Read a pack's list of entries."""
    with zipfile.ZipFile(path) as pack:
        for entry in pack.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its entry {entry.filename!r} is compressed")
            if entry.filename.endswith(SUFFIX):
                place = Packed(path, entry.header_offset, entry.file_size)
                yield entry.filename.removesuffix(SUFFIX), place


def _start(stream: BinaryIO, header: int) -> int:
    """Return where an entry's content starts."""
    stream.seek(header)
    data = stream.read(_LOCAL.size)
    if len(data) != _LOCAL.size:
        raise ValueError("the pack ends too early")
    mark, name, more = _LOCAL.unpack(data)
    if mark != _MARK:
        raise ValueError("the pack has no entry where its list says")
    return header + _LOCAL.size + int(name) + int(more)


def write_pack(path: Path, sources: Mapping[str, Callable[[], Source]], after: int = 0) -> None:
    """Write feature files into one file, atomically, one after another.

    Parameters
    ----------
    path : Path
        The pack; one that is there is replaced.
    sources : mapping of str to callable
        For each clip, what opens its feature file.
    after : int
        The file's time becomes later than this one, in ns, whatever the clock says.

    Raises
    ------
    BuildError
        If the file cannot be written, or a feature file cannot be read.
    """
    with written_whole(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as pack:
            for clip, opened in sorted(sources.items()):
                with opened() as (stream, size):
                    entry = zipfile.ZipInfo(clip + SUFFIX, _TIME)
                    entry.file_size = size  # tells whether its header needs 64 bits
                    entry.external_attr = 0o644 << 16
                    with pack.open(entry, "w") as target:
                        _copy(stream, target, size)
        if temporary.stat().st_mtime_ns <= after:
            os.utime(temporary, ns=(after + 1, after + 1))


def _copy(source: BinaryIO, target: IO[bytes], size: int) -> None:
    """Copy so many bytes, a piece at a time."""
    while size:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise OSError("a feature file ends too early")
        target.write(piece)
        size -= len(piece)
