"""What all tests share: real media, the demo build, bounded threads."""

from __future__ import annotations

from pipeline.runner.numba_cache import claim_numba_cache
from pipeline.runner.threads import bound_threads

bound_threads()  # before numpy and torch are imported: test processes share the cores
claim_numba_cache()

import csv
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
DEMO = ROOT / "raw" / "demo"
EMULATOR = ROOT / "tests" / "openface" / "emulator" / "FeatureExtraction"


def snakemake(
    *arguments: str, cwd: Path = ROOT, cores: int = 2
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake as a user would, on this checkout's Snakefile."""
    options = ["--snakefile", str(ROOT / "Snakefile"), "--cores", str(cores), "--rerun-incomplete"]
    if "PYTHONPATH" not in os.environ:
        return warm.snakemake([*options, *arguments], cwd, seconds=900)
    return subprocess.run(  # it may name a module that Python imports when it starts
        [sys.executable, "-m", "snakemake", *options, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def lay_out_demo(raw: Path, clips: int) -> None:
    """Copy the first clips of each of the demo's videos, and their lines of the sheet."""
    raw.mkdir(parents=True)
    with (DEMO / "label.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if int(row["clip_id"]) <= clips]
    with (raw / "label.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        media = raw / row["video_id"] / f"{row['clip_id']}.mp4"
        media.parent.mkdir(exist_ok=True)
        shutil.copyfile(DEMO / row["video_id"] / media.name, media)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests are marked as long."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def real_media() -> Path:
    """Other people's clips, which lie beside the project only where it is developed."""
    folder = SHARED / "real"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: it is no part of the project")
    return folder


@pytest.fixture(scope="session")
def demo_build() -> Path:
    """The demo corpus, built; `make test` builds it before the tests begin."""
    with (ROOT / ".demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = snakemake("all", "--configfile", "config/demo.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "processed" / "demo"


@pytest.fixture
def demo_copy(demo_build: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with the demo's raw and processed files, free to be changed."""
    shutil.copytree(DEMO, tmp_path / "raw" / "demo")
    shutil.copytree(demo_build, tmp_path / "processed" / "demo")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    yield tmp_path
