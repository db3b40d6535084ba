"""A file in memory, for what is made and read again within one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MemoryFile:
    """A file that lies in memory and goes with the last process that has it open.

    Parameters
    ----------
    descriptor : int
        Of the open file in the process that made it.
    """

    descriptor: int

    @property
    def path(self) -> Path:
        """The file's path, in this process and in others of the same user.

        It names this process: a number alone could be another file of the program that opens it.
        """
        return Path(f"/proc/{os.getpid()}/fd/{self.descriptor}")

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return os.fstat(self.descriptor).st_size


@contextmanager
def memory_file() -> Iterator[MemoryFile | None]:
    """Yield a new, empty file in memory; None where the system has none (macOS, no ``/proc``).

    Examples
    --------
    >>> with memory_file() as file:
    ...     written = file and file.path.write_bytes(b"picture")
    ...     file is None or file.path.read_bytes() == b"picture"
    True
    """
    descriptor = _created()
    if descriptor is None:
        yield None
        return
    try:
        yield MemoryFile(descriptor)
    finally:
        os.close(descriptor)


def _created() -> int | None:
    with suppress(AttributeError, OSError):  # systems other than Linux; one that forbids it
        descriptor = os.memfd_create("chsims")
        if os.access(MemoryFile(descriptor).path, os.R_OK | os.W_OK):
            return descriptor
        os.close(descriptor)
    return None
