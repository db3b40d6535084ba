"""A file that never gives more than it has, and leaves large content where it is."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from pipeline.adopt.stored import RefusedError, Span

_KEPT_IN_FILE = 16_384
"""Bytes from which on binary content stays in the file."""

_LONGEST_LINE = 65_536
"""Bytes of an argument that ends with its line, as in pickles of protocol 0."""


class BoundedFile:
    """An open file for `pickletools`.

    Parameters
    ----------
    path : Path
        Where it lies.
    stream : binary file
        At its beginning.

    Raises
    ------
    RefusedError
        From every method that is asked for more bytes than are left.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self.stream = path, stream
        self.size = path.stat().st_size

    def read(self, count: int) -> bytes:
        """Read `count` bytes, all of them."""
        self._check(count)
        return self.stream.read(count)

    def readline(self) -> bytes:
        """Read a line of bounded length."""
        line = self.stream.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            raise RefusedError(
                f"a line of more than {_LONGEST_LINE:,} bytes at byte {self.tell():,}; pickles of "
                "protocol 0 are too slow for features"
            )
        return line

    def tell(self) -> int:
        """Return the position."""
        return self.stream.tell()

    def binary(self, count: int) -> bytes | Span:
        """Read binary content, or leave it in the file and remember where it is."""
        self._check(count)
        if count < _KEPT_IN_FILE:
            return self.stream.read(count)
        start = self.tell()
        self.stream.seek(count, 1)
        return Span(self.path, start, count)

    def _check(self, count: int) -> None:
        left = self.size - self.tell()
        if not 0 <= count <= left:
            raise RefusedError(
                f"byte {self.tell():,} announces {count:,} bytes, and {left:,} are left: the file "
                "is cut off or forged"
            )
