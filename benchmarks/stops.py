"""Let builds stop themselves, through the command line, and measure how long they take to end.

    python benchmarks/stops.py                      # 30 stops, about ten minutes
    python benchmarks/stops.py --stops 200          # as many as the aim says
    python benchmarks/stops.py --json stops.json    # also write the figures, for reliability.py

The corpus is twelve clips of the demo. Each stop is a call of `chsims-build --stage ...` with 2, 4
or 8 workers, in which all workers meet the same fault at about the same time:

clip     ``on_bad_clip: stop``, and no clip has faces of the size that is searched for
runtime  the program that stands for OpenFace cannot start
disk     the disk is filled while faces are searched for (where a disk can be mounted)

The build must end with an error status and words that name the fault, not later than 10 seconds
after the first worker met it, and leave no process. The exit status is 1 if anything was otherwise.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice, product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.full_disk import SIZE_MB, fill, free
from benchmarks.kill import HANGS, PROGRAM, jobs, lay_out, processes

LIMIT = 10.0
"""Longest time from the fault to the end of the build, in seconds."""

WORKERS = (2, 4, 8)
KINDS = ("clip", "runtime", "disk")
_LEFT_SECONDS = 2.0
_SHARD = 4
"""Clips of a shard: a job has at most four workers, so that 8 workers are two jobs."""


@dataclass(frozen=True)
class Stop:
    """One stop: the fault, the workers, and the seconds from the fault to the end.

    `job` are those until the last process of the jobs has ended; Snakemake does the rest.
    """

    kind: str
    workers: int
    job: float
    seconds: float
    status: int


@dataclass
class Findings:
    """The stops of a run, and everything that must not be."""

    stops: list[Stop] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def prepare(folder: Path) -> Path:
    """Lay out the corpus, compute its faces, and write a program that cannot start."""
    lay_out(folder, clips=4)
    program = folder / "openface" / "FeatureExtraction"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n: > {program.parent}/fault.$$\nexit 127\n", "utf-8")
    program.chmod(0o755)
    values = json.loads((folder / "config.json").read_text("utf-8"))
    runtime = {"runtime": "native", "native_binary": str(program), "batch_clips": 1}
    values |= {"shard_size": _SHARD, "openface": runtime}
    (folder / "config.json").write_text(json.dumps(values), "utf-8")
    done = subprocess.run(_command("faces", 2), cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout.decode() + done.stderr.decode())
    return folder


def _command(stage: str, workers: int, *more: str) -> list[str]:
    options = ("--config", "config.json", "--cores", str(workers), "--stage", stage)
    return [PROGRAM, *options, *more]


def _of_a_clip(folder: Path, workers: int) -> tuple[list[str], Callable[[], Iterator[Path]]]:
    wrong = ("--set", "faces.min_face_size=300", "--set", "on_bad_clip=stop", "--force")
    faces = folder / "processed" / "faces"
    return _command("faces", workers, *wrong), lambda: faces.glob("*/*.failed.json")


def _of_a_runtime(folder: Path, workers: int) -> tuple[list[str], Callable[[], Iterator[Path]]]:
    return _command("openface", workers), lambda: (folder / "openface").glob("fault.*")


def _of_a_disk(folder: Path, workers: int) -> tuple[list[str], Callable[[], Iterator[Path]]]:
    return _command("faces", workers, "--force"), lambda: folder.glob("ballast_0")


FAULTS = {"clip": _of_a_clip, "runtime": _of_a_runtime, "disk": _of_a_disk}
WORDS = {"clip": "on_bad_clip", "runtime": "does not start", "disk": "no space left"}


def stop(folder: Path, kind: str, workers: int, findings: Findings, limit: float = LIMIT) -> Stop:
    """Run one call until it stops itself; note what is wrong with its end."""
    command, marks = FAULTS[kind](folder, workers)
    for mark in marks():
        mark.unlink()
    with tempfile.TemporaryFile() as said:  # not on the disk that is filled
        build = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        if kind == "disk":
            while build.poll() is None and "faces" not in jobs(folder).values():
                time.sleep(0.02)
            fill(folder)
        status, last_job = _ended(build, folder, findings)
        ended = time.time()
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    met = min((mark.stat().st_mtime for mark in marks()), default=ended)
    free(folder)
    taken = (round(max(moment - met, 0.0), 1) for moment in (last_job, ended))
    found = Stop(kind, workers, *taken, status)
    name = f"{kind}, {workers} workers"
    if status <= 0 or WORDS[kind] not in words.lower() or "Traceback" in words:
        findings.faults.append(f"{name}: status {status}, and it said: {words[-1500:]}")
    if found.seconds > limit:
        findings.faults.append(f"{name}: it took {found.seconds} s to end")
    deadline = time.monotonic() + _LEFT_SECONDS
    while (left := processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    findings.faults += [f"{name}: process {process.pid} was left" for process in left]
    findings.stops.append(found)
    return found


def _ended(build: subprocess.Popen[bytes], folder: Path, findings: Findings) -> tuple[int, float]:
    """Wait for the end; return the status, and when a job was last seen to run."""
    deadline, last = time.monotonic() + HANGS, 0.0
    while build.poll() is None:
        if jobs(folder):
            last = time.time()
        if time.monotonic() > deadline:
            findings.faults.append(f"a build hung for {HANGS:.0f} s")
            build.kill()
        time.sleep(0.1)
    return build.wait(), last


def campaign(
    folder: Path, kinds: tuple[str, ...], stops: int, tell: bool = True, limit: float = LIMIT
) -> Findings:
    """Stop as often as asked, each kind with each number of workers in turn."""
    findings = Findings()
    prepare(folder)
    for kind, workers in islice(cycle(product(kinds, WORKERS)), stops):
        found = stop(folder, kind, workers, findings, limit)
        if tell:
            times = f"{found.job:6.1f} s, {found.seconds:6.1f} s"
            print(f"{kind:8} {workers} workers {times} {found.status:4}", flush=True)
    return findings


def _on_a_disk(options: argparse.Namespace) -> Findings | None:
    """Run in a mount namespace, on a small disk; None if none can be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder).resolve() / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False).returncode:
            return None
        try:
            return campaign(disk / "build", KINDS, options.stops)
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False)


def main() -> None:
    """Run in a mount namespace where the system has one, else without full disks."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--stops", type=int, default=30)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    namespace = ["unshare", "--mount", "--map-root-user"]
    may_mount = shutil.which("unshare") and not options.inside
    if may_mount and subprocess.run([*namespace, "true"], check=False).returncode == 0:
        command = [*namespace, sys.executable, __file__, "--inside", *sys.argv[1:]]
        sys.exit(subprocess.run(command, check=False).returncode)
    findings = _on_a_disk(options) if options.inside else None
    if findings is None:
        print("full disks are left out: this system lets no one mount a disk")
        with tempfile.TemporaryDirectory() as folder:
            findings = campaign(Path(folder).resolve() / "build", KINDS[:2], options.stops)
    slowest = max(found.seconds for found in findings.stops)
    print(f"{len(findings.stops)} stops, slowest {slowest} s: {len(findings.faults)} faults")
    for fault in findings.faults:
        print(f"FAULT: {fault}")
    if options.json:
        options.json.write_text(json.dumps(asdict(findings), indent=1) + "\n", "utf-8")
    sys.exit(1 if findings.faults else 0)


if __name__ == "__main__":
    main()
