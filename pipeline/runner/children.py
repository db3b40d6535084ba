"""Ending child processes: no process of a build outlives its parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_PARENT_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG

_BUILDER = "CHSIMS_BUILDER"
"""Environment variable that names the process that runs the build."""


def end_with_parent() -> None:
    """Let the system end this forked process when its parent dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it died before the call above
        os._exit(1)


def end_children() -> None:
    """Terminate every process that was forked here."""
    for child in multiprocessing.active_children():
        child.terminate()


def note_builder() -> None:
    """Record, for the jobs started from here, that this process runs the build."""
    os.environ[_BUILDER] = f"{_machine()} {os.getpid()}"


def end_with_builder() -> None:
    """End this job (SIGTERM) when the process that runs the build dies.

    That process need not be the job's parent: Snakemake may start a shell between them. Jobs on
    other machines are left to the cluster.
    """
    machine, _, number = os.environ.get(_BUILDER, "").rpartition(" ")
    if number and machine == _machine():
        at_the_end_of(int(number), lambda: os.kill(os.getpid(), signal.SIGTERM))


def at_the_end_of(process: int, call: Callable[[], None]) -> None:
    """Call a function, in a thread, once a process on this machine has ended (Linux)."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        call()
        return
    except OSError:  # the kernel is older than Linux 5.3
        return

    def wait() -> None:
        select.select([descriptor], [], [])
        call()

    threading.Thread(target=wait, daemon=True).start()


def _machine() -> str:
    """Return an identifier of this machine and of the container's process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
