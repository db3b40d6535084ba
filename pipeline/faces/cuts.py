"""The crops of all faces of a clip, kept outside memory until the speaker is known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

_IN_MEMORY = 8 * 1024**2
"""Bytes that are kept in memory: all crops of an ordinary clip."""


class Cuts:
    """Crops by frame and face. Those of a long clip lie in a file that has no name.

    Parameters
    ----------
    folder : Path
        Where that file lies; the system removes it however the process ends.
    frames : int
        Frames of the clip.
    """

    def __init__(self, folder: Path, frames: int) -> None:
        # closed in __exit__
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115
        self._places: list[list[tuple[int, int]]] = [[] for _ in range(frames)]
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, frame: int, crops: Iterable[bytes]) -> None:
        """Keep the crops of a frame's faces, in their order.

        Raises
        ------
        OSError
            If the disk is full.
        """
        for crop in crops:
            self._file.write(crop)
            self._places[frame].append((self._end, len(crop)))
            self._end += len(crop)

    def chosen(self, faces: Sequence[int | None]) -> Iterator[bytes]:
        """Yield the crop of one face of each frame; a frame with None has none."""
        for places, face in zip(self._places, faces, strict=True):
            if face is not None:
                start, size = places[face]
                self._file.seek(start)
                yield self._file.read(size)
