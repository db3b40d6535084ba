"""Files that another machine has written, and that a shared file system shows late."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

_FIRST, _LONGEST = 0.05, 1.0
"""Seconds between two looks: the first, and at most."""


def wait_for(look: Callable[[], Found], folder: Path, patience: float) -> Found:
    """Look until something is found, or patience ends.

    Parameters
    ----------
    look : callable
        What it returns counts as found if it is true.
    folder : Path
        Where the file is expected. Its list is read again before each look, since a network file
        system also remembers which files were not there.
    patience : float
        Seconds until the last look; 0 looks once.

    Returns
    -------
    object
        What the last look returned.
    """
    deadline, pause = time.monotonic() + patience, _FIRST
    while not (found := look()) and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST)
        for seen in (folder.parent, folder):
            with suppress(OSError):
                os.listdir(seen)  # noqa: PTH208 - read for its effect
    return found
