"""What the processes that this one forks have in common: none outlives it."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG


def end_with_parent() -> None:
    """Have the system end this process when its parent dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def end_children() -> None:
    """Ask every process that was forked here to end now."""
    for child in multiprocessing.active_children():
        child.terminate()
