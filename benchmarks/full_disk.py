"""Fill the disk while a job of each stage runs, free it, and repeat the same command.

    python benchmarks/full_disk.py                        # every stage, about five minutes
    python benchmarks/full_disk.py --stages audio dataset # some
    python benchmarks/full_disk.py --json full.json       # also write the figures

The corpus is that of kill.py. It lies with its build, and with Snakemake's own folder, on a disk of
its own: a tmpfs in a mount namespace, which needs no root where the system has user namespaces.
When a job of the stage runs, the rest of that disk is filled. The build must end with an error
status and words that say so and name the folder, without a traceback. Once the disk has room again,
the same command must continue. At the end, every product must have the bytes of an undisturbed
build. The exit status is 1 if anything was otherwise, 3 if no disk can be mounted here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.kill import AIMS, Findings, close, finish, jobs, lay_out, products, start
from benchmarks.kill import undisturbed as built

STAGES = tuple(aim for aim in AIMS if aim not in ("build", "verdict"))
SIZE_MB = 256
"""Size of the disk: a build of the corpus takes some 60 MB."""

ROOM_MB = 100
"""Room for the build before the rest is filled at a stroke."""

NO_DISK = 3
_WORDS = re.compile(r"No space left on device|disk (?:quota|is full)|full disk", re.IGNORECASE)


def fill(folder: Path, leave_mb: int = 0) -> None:
    """Fill a disk with a file, but for some room."""
    stat = os.statvfs(folder)
    size = stat.f_bavail * stat.f_frsize - leave_mb * 2**20
    with (folder / f"ballast_{leave_mb}").open("wb", buffering=0) as ballast:
        try:
            while size > 0:
                size -= ballast.write(bytes(min(size, 2**20)))
            while not leave_mb:
                ballast.write(bytes(4096))
        except OSError:  # full
            pass


def fill_at(folder: Path, stage: str) -> tuple[int, str] | None:
    """Build, and fill the disk while a job of a stage runs; return the status and the words.

    None if the build ends without such a job: what an earlier command had finished.
    """
    fill(folder, ROOM_MB)
    log = folder.parent.parent / "build.log"
    log.write_bytes(b"")
    (folder / "build.log").unlink(missing_ok=True)
    (folder / "build.log").symlink_to(log)  # what is printed goes to the terminal, not to the disk
    build = start(folder)
    while stage not in jobs(folder).values():
        if build.poll() is not None:
            return None
        time.sleep(0.01)
    fill(folder)
    status = finish(build, Findings())
    return status, log.read_text("utf-8")


def free(folder: Path) -> None:
    """Remove what fills the disk."""
    for ballast in folder.glob("ballast_*"):
        ballast.unlink()


def faults_of(stage: str, folder: Path, status: int, words: str) -> list[str]:
    """Return what is wrong with the end of a build on a full disk."""
    found = []
    if status <= 0:
        found.append(f"{stage}: exit status {status} on a full disk")
    if "Traceback" in words:
        found.append(f"{stage}: a traceback: {words[-2000:]}")
    named = [line for line in words.splitlines() if _WORDS.search(line)]
    if not any("processed" in line or str(folder) in line for line in named):
        found.append(f"{stage}: no line says that the folder's disk is full: {words[-2000:]}")
    return found


def campaign(calm: Path, wild: Path, stages: tuple[str, ...]) -> dict[str, Any]:
    """Fill the disk at each stage; return the stages that were hit, their words and the faults."""
    findings, told = Findings(), {}
    built(calm, findings)
    good = products(calm)
    for stage in stages:
        for _ in range(2):  # if an earlier command had finished the stage, from the beginning
            outcome = fill_at(wild, stage)
            free(wild)
            if outcome is not None:
                break
            shutil.rmtree(wild / "processed")
        assert outcome is not None, f"no job of stage {stage} was met"
        status, words = outcome
        told[stage] = next((line for line in words.splitlines() if _WORDS.search(line)), "")
        print(f"{stage:9} {status:3}  {told[stage].strip()[:100]}", flush=True)
        findings.faults += faults_of(stage, wild, status, words)
    close(wild, good, findings)
    return {"stages": told, "products": findings.products, "faults": findings.faults}


def inside(options: argparse.Namespace) -> int:
    """Run the campaign in this mount namespace, on a disk of its own."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Path(folder).resolve() / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False).returncode:
            return NO_DISK
        try:
            calm = lay_out(disk.parent / "calm")
            found = campaign(calm, lay_out(disk / "wild"), tuple(options.stages))
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False)
    print(f"{len(found['stages'])} full disks: {len(found['faults'])} faults")
    for fault in found["faults"]:
        print(f"FAULT: {fault}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 1 if found["faults"] else 0


def main() -> None:
    """Enter a mount namespace, and run there."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        sys.exit(inside(options))
    namespace = ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        print("skipped: this system lets no one mount a disk (unshare --mount --map-root-user)")
        sys.exit(NO_DISK)
    command = [*namespace, sys.executable, __file__, "--inside", *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
