"""No two living processes write one numba cache: its index would tear, and librosa would crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import BuildError
from pipeline.runner import numba_cache

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


def test_the_cache_is_closed_to_other_users(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # a folder that all users share
    process = claim(tmp_path)
    root = Path(told(process)).parent
    process.communicate("\n")
    assert root.stat().st_mode & 0o777 == 0o700
    assert root.name.endswith(f"-{os.getuid()}")
    root.chmod(0o777)  # made by an earlier version
    again = claim(tmp_path)
    assert Path(told(again)).parent == root
    again.communicate("\n")
    assert root.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("planted", ["link", "file", "folder of another user"])
def test_a_temporary_folder_that_someone_else_laid_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setattr(numba_cache, "_claimed", {})
    monkeypatch.setattr(numba_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    version = numba_cache.package_versions(("numba",))["numba"]
    theirs = tmp_path / f"chsims-build-numba-{version}-{os.getuid()}"
    if planted == "link":
        (tmp_path / "elsewhere").mkdir()
        theirs.symlink_to(tmp_path / "elsewhere")
    elif planted == "file":
        theirs.write_text("")
    elif os.getuid() == 0:
        theirs.mkdir()
        os.chown(theirs, 65534, 65534)
    else:
        pytest.skip("only root can give a folder to another user")
    with pytest.raises(BuildError, match="only this user can write") as caught:
        numba_cache.claim_numba_cache()
    assert "NUMBA_CACHE_DIR" in caught.value.remedy
