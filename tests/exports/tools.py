"""Other people's tools, each in a folder of its own next to our packages."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

TOOLS = {
    "datasets": ("datasets==5.2.0", "dill==0.4.1", "xxhash==4.1.0", "multiprocess==0.70.19"),
    "webdataset": ("webdataset==1.0.2", "braceexpand==0.1.7"),
}
"""What is fetched; everything else that a tool imports is installed for us already."""


def fetched(tool: str) -> Path:
    """Return a folder with a tool, fetched once; skip the test where that is not possible."""
    folder = ROOT / ".tools" / tool
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f".{tool}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".whole").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                _fetch(tool, folder)
            except subprocess.CalledProcessError as error:
                said = (error.stderr or error.stdout or b"").decode(errors="replace").strip()
                pytest.skip(f"{tool} cannot be fetched from the package registry: {said[-300:]}")
            (folder / ".whole").touch()
    return folder


def _fetch(tool: str, folder: Path) -> None:
    if tool == "MMSA":
        fetch_published(folder)
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input"]
    command = [*pip, "--disable-pip-version-check", "--target", str(folder), *TOOLS[tool]]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def fetch_published(folder: Path) -> None:
    """Fetch MMSA as the benchmark does, with its patches."""
    path = ROOT / "benchmarks" / "published.py"
    spec = importlib.util.spec_from_file_location("published", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.fetch(folder)


def run_with(tool: Path, script: str, *arguments: str) -> str:
    """Run a script in a fresh process that sees a tool and our packages, but not our code."""
    environment = {**os.environ, "PYTHONPATH": str(tool), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=tool,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
