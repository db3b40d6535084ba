"""Running one command under the guard, with its output in a file."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.openface.runtimes import guard
from pipeline.openface.runtimes.base import Command

_POLL_SECONDS = 0.05
_STOP_SECONDS = 90.0
_LOG_PART = 64 * 1024


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    status : int
        Exit status; 128 + n for signal n.
    output : str
        The beginning and the end of its output and error output.
    stopped : bool
        Whether it was stopped from here.
    """

    status: int
    output: str
    stopped: bool


def run_guarded(command: Command, log: Path, scratch: Path, must_stop: Callable[[], bool]) -> Ended:
    """Run a command until it ends, `must_stop` says so, or an exception interrupts the wait.

    Whatever ends this process, SIGKILL included, ends the command (see `guard`).

    Parameters
    ----------
    command : Command
        What to run.
    log : Path
        File for its output.
    scratch : Path
        Folder that is removed if this process dies while the command runs.
    must_stop : callable
        Asked several times a second.
    """
    request = {
        "argv": command.argv,
        "stop": command.stop,
        "environment": command.environment,
        "scratch": str(scratch),
    }
    stopped = False
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=log.parent,  # podman leaves a file "oom" where it stands when memory runs out
            start_new_session=True,  # a Ctrl-C in the terminal reaches this process alone
        )
        try:
            while process.poll() is None and not stopped:
                stopped = must_stop()
                time.sleep(_POLL_SECONDS)
        finally:
            _end(process, command)
    return Ended(process.returncode, read_log(log), stopped)


def _end(process: subprocess.Popen[bytes], command: Command) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended by itself
        process.stdin.write(b"stop")
        process.stdin.flush()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode < 0 and command.stop:  # the guard itself was killed
        subprocess.run(command.stop, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def read_log(log: Path) -> str:
    """Return the beginning and the end of a log: models are loaded first, errors come last."""
    with log.open("rb") as stream:
        text = stream.read(_LOG_PART)
        end = max(_LOG_PART, log.stat().st_size - _LOG_PART)
        stream.seek(end)
        text += (b"\n" if end > _LOG_PART else b"") + stream.read()
    return text.decode("utf-8", "replace")
