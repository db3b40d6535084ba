"""What a process and its descendants take of the machine, sampled while they run."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Tree:
    """Sample a process tree: threads that run or could, and memory.

    Pages that processes share are counted once, and files in memory that they have open
    (``memfd``), whose pages belong to no process.

    Parameters
    ----------
    root : int
        Process id at its root.
    pause : float
        Least number of seconds between two samples.
    """

    def __init__(self, root: int, pause: float = 0.2) -> None:
        self.pause = pause
        self.root, self.runnable, self.peak_mb = root, [0], 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        pause = self.pause
        while not self._ended.wait(pause):
            running, total, began = 0, 0.0, time.thread_time()
            files: dict[int, int] = {}
            for process in _descendants(self.root):
                try:
                    tasks = list((process / "task").iterdir())
                    states = [(t / "stat").read_text().rsplit(")", 1)[1].split()[0] for t in tasks]
                    rollup = (process / "smaps_rollup").read_text()
                    files |= _files_in_memory(process)
                except OSError:
                    continue  # it ended
                running += states.count("R")
                memory = re.search(r"^Pss:\s+(\d+)", rollup, re.M)
                total += int(memory[1]) / 1024 if memory else 0.0
            self.runnable.append(running)
            self.peak_mb = max(self.peak_mb, total + sum(files.values()) / 1024**2)
            # the system walks all pages to count them: gigabytes are not counted all the time
            pause = max(self.pause, 50 * (time.thread_time() - began))


class Watched(NamedTuple):
    """A command that ended well: when it began, how long it took, its most memory, its stderr."""

    start: float
    seconds: float
    memory_gb: float
    errors: str


def watch(command: list[str], environment: dict[str, str]) -> Watched:
    """Run a command to its end; one that fails ends this program with what it said."""
    start = time.time()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    tree = Tree(process.pid)
    errors = process.communicate()[1]
    tree.stop()
    seconds = time.time() - start
    if process.returncode:
        raise SystemExit(errors)
    return Watched(start, seconds, tree.peak_mb * 1024**2 / 1e9, errors)


def _files_in_memory(process: Path) -> dict[int, int]:
    """Return the bytes of the nameless files in memory that a process has open, by inode."""
    found = {}
    for opened in (process / "fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            if str(opened.readlink()).startswith("/memfd:"):
                about = opened.stat()
                found[about.st_ino] = about.st_blocks * 512
    return found


def _descendants(root: int) -> Iterator[Path]:
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(process.name))
    waiting = [root]
    while waiting:
        found = waiting.pop()
        yield Path("/proc", str(found))
        waiting += children.get(found, [])
