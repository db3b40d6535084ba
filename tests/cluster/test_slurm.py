"""profiles/slurm on a real Slurm: the local build's bytes, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, wait_for
from tests.conftest import ROOT, lay_out_demo

pytestmark = pytest.mark.long

CLIPS = 4  # of each of the demo's three videos
PROFILE = (
    f"--profile={ROOT / 'profiles' / 'slurm'}",
    "--slurm-init-seconds-before-status-checks=2",
    "--latency-wait=10",
    "--set-threads=audio=1",  # one clip after the other: a job can be hit in the middle
)


class Project:
    """A part of the demo corpus, and its builds: locally or through Slurm."""

    def __init__(self, folder: Path, epochs: int = 500) -> None:
        self.folder = folder
        raw = folder / "raw"
        lay_out_demo(raw, CLIPS)
        values = {
            "raw": str(raw),
            "text": {"model": "demo"},
            "features": {"vision": "none"},
            "train": {
                "models": ["lf_dnn"],
                "experiments": ["table2"],
                "seeds": [1, 12],
                "max_epochs": epochs,
                "patience": epochs,
                "checkpoint_seconds": 0,
            },
        }
        (folder / "config.yaml").write_text(json.dumps(values), "utf-8")

    def command(self, processed: str, *options: str) -> list[str]:
        """Return the command of a build into a folder."""
        own = [sys.executable, "-m", "pipeline.commands.cli", "--config", "config.yaml"]
        return [*own, "--set", f"processed={processed}", *options]

    def build_near(self) -> None:
        """Build locally, to compare with."""
        command = self.command("near", "--cores", "2", "--stage", "train")
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def files(self, processed: str) -> dict[str, bytes]:
        """Return every feature file, the dataset, and all that training wrote."""
        return files_below(self.folder / processed)

    def audio(self) -> dict[Path, bytes]:
        """Return the audio features that jobs of Slurm have stored."""
        return {p: p.read_bytes() for p in self.folder.glob("far/audio/*/*.safetensors")}

    def checkpoints(self) -> list[Path]:
        """Return the files from which a training in hand would go on."""
        return list(self.folder.glob("far/experiments/*/*/checkpoint_*"))


def files_below(root: Path) -> dict[str, bytes]:
    """Return every feature file of a build, its dataset, and all that training wrote."""
    found = [*root.glob("*/video_*/*.safetensors"), root / "dataset.h5"]
    found += [p for p in (root / "experiments").rglob("*") if p.is_file()]
    found += (root / "results").glob("*.json")
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(found)}


@pytest.fixture(scope="module")
def project(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The corpus, built locally into ``near``."""
    project = Project(tmp_path_factory.mktemp("cluster"))
    project.build_near()
    return project


@contextmanager
def building(slurm: Slurm, project: Project, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a build into ``far`` through Slurm; it ends with the block."""
    profile = [f"--snakemake={option}" for option in PROFILE]
    build = subprocess.Popen(
        project.command("far", *profile, *options),
        cwd=project.folder,
        env=slurm.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield build
    finally:
        build.kill()
        build.wait()


def until(build: subprocess.Popen[str], condition: Callable[[], object], what: str) -> None:
    """Wait until something is so while a build runs; fail with its words if it ends before."""

    def met() -> object:
        if build.poll() is not None:
            raise AssertionError(f"the build ended before {what}:\n{build.communicate()[0]}")
        return condition()

    wait_for(met, what)


def test_a_build_through_slurm_survives_its_cluster_and_gives_the_local_bytes(
    slurm: Slurm, project: Project
) -> None:
    """The node dies in the middle of a job; later a training is cancelled in a seed's middle."""
    with building(slurm, project, "--stage", "train") as build:
        until(build, lambda: len(project.audio()) >= 2, "audio features are stored")
        slurm.crash_node()
        stored = project.audio()
        build.send_signal(signal.SIGINT)
        words, _ = build.communicate(timeout=300)
    assert build.returncode == 130, words
    assert "No SLURM account given" not in words
    slurm.start_node()
    with building(slurm, project, "--stage", "train") as build:
        until(build, project.checkpoints, "a training is stored in a seed's middle")
        first = slurm.of_rule("train")[-1]
        slurm.ask("scancel", first["JobId"])
        until(build, lambda: len(slurm.of_rule("train")) > 1, "it is retried")
        again = slurm.of_rule("train")[-1]
        words, _ = build.communicate(timeout=900)
    assert build.returncode == 0, words
    assert f"SLURM-job '{first['JobId']}' failed, SLURM status is: 'CANCELLED'" in words
    assert megabytes(again) == 2 * megabytes(first)
    assert minutes(again) == 2 * minutes(first)
    log = (project.folder / "far" / "logs" / "train" / "table2_lf_dnn.log").read_text("utf-8")
    assert "goes on after epoch" in log
    audio = project.audio()
    assert {path: audio[path] for path in stored} == stored
    assert project.files("far") == project.files("near")


def megabytes(job: dict[str, str]) -> float:
    """Return the memory that a job asked for."""
    asked = job["MinMemoryNode"]
    return float(asked[:-1]) * {"M": 1, "G": 1024}[asked[-1]]


def minutes(job: dict[str, str]) -> int:
    """Return the time limit that a job asked for."""
    hours, minutes, _ = job["TimeLimit"].split(":")
    return 60 * int(hours) + int(minutes)


def test_a_training_asks_slurm_for_a_gpu_only_where_the_settings_name_one(
    slurm: Slurm, project: Project
) -> None:
    """The planning machine has no GPU, and need not have one."""
    assert "TresPerJob" not in slurm.of_rule("train")[-1]
    known = len(slurm.of_rule("train"))
    options = ("--stage", "train", "--force", "--set", "train.device=cuda")
    with building(slurm, project, *options) as build:
        until(build, lambda: len(slurm.of_rule("train")) > known, "the job is submitted")
        assert slurm.of_rule("train")[-1]["TresPerJob"] == "gres:gpu:1"
        build.send_signal(signal.SIGINT)
        build.communicate(timeout=300)


@pytest.mark.skipif(
    "CHSIMS_TIME_LIMIT" not in os.environ,
    reason="takes five minutes: Slurm counts limits in minutes (CHSIMS_TIME_LIMIT=1 runs it)",
)
def test_a_training_that_is_longer_than_its_limit_goes_on_to_the_same_bytes(
    slurm: Slurm, tmp_path: Path
) -> None:
    """Each job may take a minute; Slurm ends it, and the next one goes on where it stopped."""
    project, known = Project(tmp_path, epochs=8000), len(slurm.of_rule("train"))
    project.build_near()
    limit = "--snakemake=--set-resources=train:runtime=1"
    with building(slurm, project, "--stage", "train", limit) as build:
        words, _ = build.communicate(timeout=900)
    assert build.returncode == 0, words
    states = [job["JobState"] for job in slurm.of_rule("train")[known:]]
    assert states[-1] == "COMPLETED"
    assert set(states[:-1]) == {"TIMEOUT"}
    assert project.files("far") == project.files("near")
