"""The file below a new HDF5 file, so that a full disk is an error and not a crash."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class DiskFile(io.FileIO):
    """A file that remembers its first failed write instead of raising it.

    HDF5 cannot close a file that it cannot write to: it keeps trying, and the process ends in
    a segmentation fault. Here its writes always seem to succeed; `check` raises what happened.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or remember why that was not possible."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while self.failure is None and len(rest):
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.failure = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Set the file's size, or remember why that was not possible."""
        try:
            if self.failure is None:
                return super().truncate(size)
        except OSError as error:
            self.failure = error
        return size or 0

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self.failure is not None:
            raise self.failure


@contextmanager
def new_hdf5(path: Path, libver: tuple[str, str]) -> Iterator[tuple[h5py.File, DiskFile]]:
    """Open a new HDF5 file; whoever writes much calls the disk file's `check` now and then.

    Raises
    ------
    OSError
        When the block ends, if anything could not be written.
    """
    with DiskFile(path, "w+") as disk:
        try:
            with h5py.File(disk, "w", libver=libver) as file:
                yield file, disk
        finally:
            disk.check()  # what else went wrong came of it
