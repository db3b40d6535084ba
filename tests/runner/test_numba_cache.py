"""No two living processes write one numba cache: its index would tear, and librosa would crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMPORT = "from pipeline.runner.numba_cache import claim_numba_cache as c"
CLAIM = f"{IMPORT}; print(c(), flush=True); input()"


def claim(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM],
        env={"NUMBA_CACHE_DIR": str(folder), "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_each_process_has_its_own_folder_and_leaves_it_to_the_next(tmp_path: Path) -> None:
    processes = [claim(tmp_path) for _ in range(3)]
    folders = [told(process) for process in processes]
    assert len(set(folders)) == 3
    processes[0].kill()
    processes[0].wait()
    following = claim(tmp_path)
    assert told(following) == folders[0]
    for process in (*processes, following):
        process.communicate("\n")


def test_forked_and_started_children_claim_neighbours(tmp_path: Path) -> None:
    code = (
        f"import os, subprocess, sys; {IMPORT}\n"
        "print(c(), flush=True)\n"
        "if os.fork() == 0:\n    print(c(), flush=True); os._exit(0)\n"
        "os.wait()\n"
        "child = 'from pipeline.runner.numba_cache import claim_numba_cache as c; print(c())'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"NUMBA_CACHE_DIR": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    own, forked, started = map(Path, done.stdout.split())
    assert own.name == "0"
    assert forked.parent == started.parent == own.parent
    assert own not in (forked, started)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    process = claim(blocked)
    folder = told(process)
    process.communicate("\n")
    assert folder
    assert not folder.startswith(str(blocked))
