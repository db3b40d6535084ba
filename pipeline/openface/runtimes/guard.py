"""Run a command, and stop it for certain when the caller is gone, however it went.

Started as a program of its own: ``python guard.py JSON``, with the read end of a pipe as its
standard input. A container is no child of the process that asked for it, and a process that is
killed cannot clean up after itself; but its end of the pipe closes. This file imports nothing
of the package, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time

_POLL_SECONDS = 0.05
_STOP_SECONDS = 60


def main(request: str) -> int:
    """Run ``{"argv", "stop", "environment", "scratch"}``; return the status, 128 + n for signal n.

    The command is stopped when the pipe closes. If nothing was written into it before, or the
    caller has died since, the scratch folder that it can no longer remove is removed as well.
    """
    wanted = json.loads(request)
    caller = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        child = subprocess.Popen(
            wanted["argv"],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **wanted["environment"]},
            start_new_session=True,
            restore_signals=True,
            preexec_fn=_default_signals,
        )
    except OSError as error:
        print(f"{wanted['argv'][0]}: {error.strerror}", file=sys.stderr)
        return 126 if isinstance(error, PermissionError) else 127
    while child.poll() is None:
        if _pipe_is_ready():
            orderly = bool(os.read(sys.stdin.fileno(), 1))
            _stop(child, wanted["stop"])
            if not orderly or os.getppid() != caller:
                shutil.rmtree(wanted["scratch"], ignore_errors=True)
    status = child.wait()
    return 128 - status if status < 0 else status


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _pipe_is_ready() -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], _POLL_SECONDS)
    return bool(ready)


def _stop(child: subprocess.Popen[bytes], stop: list[str]) -> None:
    # the whole session first, so that a client cannot create the container afterwards
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if not stop:
        return
    for pause in (0, 1):
        time.sleep(pause)
        subprocess.run(
            stop,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_STOP_SECONDS,
            check=False,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
