"""A separate folder of compiled functions for each process.

librosa and our own code compile functions with numba and cache them on disk. Numba does not lock
that cache: if two processes compile at the same time on a fresh machine, the index of one can end
up with the code of the other, and every later process crashes with a segmentation fault. Therefore
each process claims a numbered folder while it lives. The next process that claims the folder
reuses what was compiled there.

The cache is pickled: whoever writes into it runs code in every process that reads it. Therefore it
is this user's alone: its folder is named after the user, belongs to the user, and no one else may
enter it.
"""

from __future__ import annotations

import fcntl
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.store.files import package_versions

_claimed: dict[int, int] = {}
"""The lock that each process holds: a forked child must claim its own."""


def claim_numba_cache() -> Path:
    """Point numba at a cache folder that no other living process uses.

    Functions that were decorated before this call keep their folder.

    Returns
    -------
    Path
        A folder below ``NUMBA_CACHE_DIR`` or the user's cache folder, or a temporary folder if
        that is read-only.

    Raises
    ------
    BuildError
        If only the temporary folder is left, and it belongs to someone else.
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
    name = f"numba-{version}-{platform.node() or 'host'}-{os.getuid()}"
    # a child process finds its parent's folder in the environment and claims one next to it
    root = root.parent if root.parent.name == name else root / "chsims-build" / name
    if not _is_private(root):
        root = Path(tempfile.gettempdir()) / f"chsims-build-numba-{version}-{os.getuid()}"
        if not _is_private(root):
            raise BuildError(
                f"{root} is not a folder that only this user can write; compiled functions are "
                "read from there, so someone else could run code in this build",
                "remove it, or name a folder of your own: export NUMBA_CACHE_DIR=FOLDER",
            )
    for number in count():
        yield root / str(number)


def _is_private(folder: Path) -> bool:
    """Make a folder, or close an own one to others; tell whether it is this user's alone."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()  # a link could lead to a folder of someone else
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        folder.chmod(0o700)
        return os.access(folder, os.W_OK)
    except OSError:
        return False
