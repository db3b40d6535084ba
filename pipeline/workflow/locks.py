"""Locks: one build at a time, and no lock outlives the process that holds it."""

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
"""How long a job may take to end after its build."""

_held: list[IO[str]] = []
"""Open while this process lives: the system releases the locks however the process ends."""


@atexit.register
def let_go() -> None:
    """Release all locks that this process holds."""
    while _held:
        _held.pop().close()


def claim_build(config: Config) -> bool:
    """Acquire the build's lock if it is free, and then remove the locks of dead builds.

    Snakemake's own lock is a file: after a kill or a power cut it stays and blocks the next
    build. This lock belongs to the operating system (``flock``) and ends with its process. A
    process that acquires it knows that no other build is running, so Snakemake's locks on the
    same files are stale. While another build is running, nothing is removed, and Snakemake
    refuses to start. Jobs left behind by a killed build are waited for; those on this machine end
    by themselves.

    Returns
    -------
    bool
        False if another build is running; its files must then be left alone.

    Raises
    ------
    BuildError
        If the build's folder is not writable, or a job of an earlier build is still running.
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
    except BlockingIOError:  # another build holds it
        stream.close()
        return False
    except OSError:  # this file system has no locks: Snakemake's lock files decide
        stream.close()
        return not _snakemakes_locks(config.layout)
    _sign(stream)
    _held.append(stream)
    _wait_for_jobs(config.layout)
    for lock in _snakemakes_locks(config.layout):
        with suppress(OSError):
            lock.unlink()
    return True


def is_building(config: Config) -> bool:
    """Tell whether a build holds the folder's lock."""
    return _is_held(config.layout.build_lock)


def claim_job(log: Path) -> None:
    """Hold a job's lock, a file next to its log, while the job and its workers live.

    The workers of a killed job may need a moment to end; they are waited for. The log itself
    cannot be the lock: Snakemake deletes it before a job starts.

    Raises
    ------
    BuildError
        If the same job is still running in another process.
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
    """Acquire a file's lock unless another process holds it; without locks, none does."""
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _sign(stream: IO[str]) -> None:
    """Write into a lock file which process holds it."""
    stream.truncate(0)
    stream.write(f"process {os.getpid()} on {socket.gethostname()} since {time.asctime()}\n")
    stream.flush()


def _wait_for_jobs(layout: Layout) -> None:
    """Wait until no job of an earlier build is running."""
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
        f"a job of an earlier build is still running: {who} (its log: {log})",
        "wait until it has ended, or end it; then repeat the command",
    )


def _snakemakes_locks(layout: Layout) -> list[Path]:
    """Return Snakemake's locks on this build's files."""
    found = []
    for lock in _SNAKEMAKE_LOCKS.glob("*.lock"):
        with suppress(OSError):
            files = lock.read_text("utf-8", errors="replace").splitlines()
            if any(layout.holds(Path(file)) for file in files):
                found.append(lock)
    return found
