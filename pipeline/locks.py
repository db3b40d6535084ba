"""Who is at work on a build: one build at a time, and no lock outlives the build that took it."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.config import Config
from pipeline.errors import BuildError

_SNAKEMAKE_LOCKS = Path(".snakemake") / "locks"

_OWN = {
    *("manifest.parquet", "manifest_quarantine.json", "shards", "records", "settings", "logs"),
    *("dataset.h5", "quarantine.csv", "experiments", "results", "report", "report.html"),
}
"""What lies in a build's own folder and can stand in a lock."""

_held: list[IO[str]] = []
"""Open for as long as this process lives: the system lets go of the lock when it ends."""


def claim_build(config: Config) -> bool:
    """Take the build's lock where nobody has it, and then remove the locks of dead builds.

    Snakemake's own lock is a file: after a kill or a power cut it stays, and keeps the next
    build from going on. This lock is the system's (``flock``), which ends with its process.
    Whoever gets it knows that no other build lives, so that Snakemake's locks on the same
    files are left-overs. Where a build lives nothing is removed, and Snakemake refuses.

    Returns
    -------
    bool
        False where another build lives; what it works on must then be left alone.

    Raises
    ------
    BuildError
        If nothing can be written into the build's folder.
    """
    path = config.processed / "logs" / "build.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        raise BuildError(
            f"cannot write into {config.processed}: {error.strerror}",
            "fix the folder's permissions, or build elsewhere: --set processed=FOLDER",
        ) from error
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another build has it, or this file system knows no locks
        stream.close()
        return False
    stream.truncate(0)
    stream.write(f"{os.getpid()} on {socket.gethostname()} since {time.asctime()}\n")
    stream.flush()
    _held.append(stream)
    for lock in _SNAKEMAKE_LOCKS.glob("*.lock"):
        _remove_left_over(lock, config.processed)
    return True


def _remove_left_over(lock: Path, processed: Path) -> None:
    """Remove one of Snakemake's locks if it is on this build's files."""
    with suppress(OSError):
        files = lock.read_text("utf-8", errors="replace").splitlines()
        if any(_is_of(Path(file), processed) for file in files):
            lock.unlink()


def _is_of(file: Path, processed: Path) -> bool:
    """Tell whether a file is of this build, not of one in a folder below (processed/demo)."""
    return file.is_relative_to(processed) and file.relative_to(processed).parts[0] in _OWN
