"""A folder of its own for each process's compiled functions.

librosa and our own code compile with numba and keep the result on disk. Numba does not lock
that cache: two processes that compile on a fresh machine at the same time can leave an index
that belongs to the other's code, and every later process then crashes with a segmentation
fault. So each process claims a numbered folder for as long as it lives; what was compiled there
serves the next process that claims it.
"""

from __future__ import annotations

import fcntl
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from pipeline.store.files import package_versions

_claimed: dict[int, int] = {}
"""The lock this process holds, by process: a forked child must claim its own."""


def claim_numba_cache() -> Path:
    """Point numba at a cache folder that no other living process uses.

    Functions that were decorated before keep the folder they had.

    Below ``NUMBA_CACHE_DIR``, or the user's cache folder; a temporary folder where that cannot
    be written.
    """
    if os.getpid() in _claimed:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    for folder in _folders():
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(
            folder / "lock", os.O_RDWR | os.O_CREAT, 0o666
        )  # held until the process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        _claimed[os.getpid()] = lock
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        if "numba" in sys.modules:  # it has read the environment already
            sys.modules["numba"].config.CACHE_DIR = str(folder)
        return folder
    raise AssertionError("count() does not end")


def _folders() -> Iterator[Path]:
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    version = package_versions(("numba",))["numba"]
    root = Path(base) if base else Path.home() / ".cache"
    name = f"numba-{version}-{platform.node() or 'host'}"
    # a child process finds its parent's claim in the environment: a neighbour of its own
    root = root.parent if root.parent.name == name else root / "chsims-build" / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        writable = os.access(root, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        root = Path(tempfile.gettempdir()) / f"chsims-build-numba-{version}-{os.getuid()}"
    for number in count():
        yield root / str(number)
