"""Scratch folders: each belongs to a living process; the next build removes those of dead ones."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DYING_SECONDS = 3.0
"""How long `sweep` waits for owners to end: a killed process keeps its locks for a moment."""

_OWNER = ".owner"
_POLL_SECONDS = 0.05


@contextmanager
def scratch_folder(work: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder below `work`, and remove it at the end.

    A process that is killed cannot remove its folder. Therefore a file in the folder names the
    process, which holds the file's lock while it lives (see `sweep`).

    Parameters
    ----------
    work : Path
        Parent folder; created if it is missing.
    prefix : str
        First part of the folder's name.

    Raises
    ------
    OSError
        If the folder cannot be created.
    """
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=work.resolve()))
    try:
        with (folder / _OWNER).open("w", encoding="utf-8") as owner:
            with suppress(OSError):  # a file system without locks: the process number decides
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            owner.write(f"{os.getpid()} {socket.gethostname()}")
            owner.flush()
            yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except BaseException:  # a signal in the middle of it: the files go all the same
            shutil.rmtree(folder, ignore_errors=True)
            raise


def sweep(work: Path, patience: float = DYING_SECONDS) -> list[Path]:
    """Remove what dead processes left in a folder of scratch folders.

    Only the process that has claimed the build may call this: no job may be starting.

    Parameters
    ----------
    work : Path
        The folder; it need not exist.
    patience : float
        How many seconds to wait for owners that are still there, before their folders are kept.

    Returns
    -------
    list of Path
        What belongs to no living process, but could not be removed.
    """
    try:
        entries = sorted(work.iterdir())
    except OSError:
        return []
    deadline = time.monotonic() + patience
    while (owned := set(filter(_is_owned, entries))) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    dead = [entry for entry in entries if entry not in owned]
    for entry in dead:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with suppress(OSError):
                entry.unlink()
    return [entry for entry in dead if os.path.lexists(entry)]


def _is_owned(entry: Path) -> bool:
    try:
        owner = (entry / _OWNER).open("r", encoding="utf-8", errors="replace")
    except OSError:
        return False
    with owner:
        try:
            fcntl.flock(owner, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return _may_live(owner.read())
    return False


def _may_live(owner: str) -> bool:
    """Tell whether a process may be alive, from its number and machine."""
    number, _, machine = owner.partition(" ")
    if machine != socket.gethostname() or not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
