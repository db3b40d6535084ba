"""Who is at work on a build: one build at a time, and no lock outlives the process that took it."""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.store.layout import Layout

_SNAKEMAKE_LOCKS = Path(".snakemake") / "locks"

_JOBS_END_SECONDS = 20
"""So long a job may take to end after the build that it was of."""

_held: list[IO[str]] = []
"""Open for as long as this process lives: the system lets go of the locks however it ends."""


@atexit.register
def let_go() -> None:
    """Let go of all locks that this process holds."""
    while _held:
        _held.pop().close()


def claim_build(config: Config) -> bool:
    """Take the build's lock where nobody has it, and then remove the locks of dead builds.

    Snakemake's own lock is a file: after a kill or a power cut it stays, and keeps the next
    build from going on. This lock is the system's (``flock``), which ends with its process.
    Whoever gets it knows that no other build lives, so that Snakemake's locks on the same
    files are left-overs. Where a build lives nothing is removed, and Snakemake refuses. Jobs
    that a killed build has left behind are waited for: those on this machine end by themselves.

    Returns
    -------
    bool
        False where another build lives; what it works on must then be left alone.

    Raises
    ------
    BuildError
        If nothing can be written into the build's folder, or a job of an earlier build goes on.
    """
    path = config.layout.build_lock
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
    except BlockingIOError:  # another build has it
        stream.close()
        return False
    except OSError:  # this file system knows no locks: Snakemake's files have to serve
        stream.close()
        return not _snakemakes_locks(config.layout)
    _sign(stream)
    _held.append(stream)
    _wait_for_jobs(config.layout)
    for lock in _snakemakes_locks(config.layout):
        with suppress(OSError):
            lock.unlink()
    return True


def claim_job(log: Path) -> None:
    """Hold a job's lock, a file beside its log, for as long as the job and its workers live.

    The workers of a job that was killed may need a moment to end; they are waited for. The log
    itself cannot be the lock: Snakemake removes it before a job starts.

    Raises
    ------
    BuildError
        If the same job is at work in another process.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = log.with_suffix(".lock").open("a", encoding="utf-8")
    deadline = time.monotonic() + _JOBS_END_SECONDS
    while not _taken(stream, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise _still_at_work(Path(stream.name))
        time.sleep(0.2)
    _sign(stream)
    _held.append(stream)


def _taken(stream: IO[Any], kind: int) -> bool:
    """Take a file's lock unless another process has it; where there are no locks, nobody has."""
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _sign(stream: IO[str]) -> None:
    """Let a file begin with the process that holds it."""
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {socket.gethostname()} since {time.asctime()}\n")
    stream.flush()


def _wait_for_jobs(layout: Layout) -> None:
    """Wait until no job of an earlier build is at work."""
    deadline = time.monotonic() + _JOBS_END_SECONDS
    while held := [
        lock
        for lock in sorted(layout.logs.rglob("*.lock"))
        if lock != layout.build_lock and _is_held(lock)
    ]:
        if time.monotonic() > deadline:
            raise _still_at_work(held[0])
        time.sleep(0.2)


def _is_held(lock: Path) -> bool:
    with suppress(OSError), lock.open("rb") as stream:
        return not _taken(stream, fcntl.LOCK_SH)
    return False


def _still_at_work(lock: Path) -> BuildError:
    who = lock.read_text("utf-8", errors="replace")[:200].strip() or "a process"
    log = lock.with_suffix(".log")
    return BuildError(
        f"a job of an earlier build is still at work: {who} (its log: {log})",
        "wait until it has ended, or end it; then run the same command again",
    )


def _snakemakes_locks(layout: Layout) -> list[Path]:
    """Return those of Snakemake's locks that are on this build's files."""
    found = []
    for lock in _SNAKEMAKE_LOCKS.glob("*.lock"):
        with suppress(OSError):
            files = lock.read_text("utf-8", errors="replace").splitlines()
            if any(layout.holds(Path(file)) for file in files):
                found.append(lock)
    return found
