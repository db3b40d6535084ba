"""Kill builds at random moments, resume them, and compare what comes out byte for byte.

    python benchmarks/kill.py                     # 25 kills over all stages, about ten minutes
    python benchmarks/kill.py --kills 3 --seed 7  # three kills
    python benchmarks/kill.py --json kills.json   # also write the figures, for reliability.py

The corpus is six clips of the demo in shards of two. It is built once undisturbed. Then the same
corpus is built in another folder, where each kill waits for a job of one stage and, after a random
part of that job's usual time, sends SIGKILL: to every process of the build, or to one of them (the
command, Snakemake, a job, a worker, ffmpeg). Then the same command is repeated. When every stage
had its kill, a last command runs undisturbed, and every product must have the same bytes as in the
first folder; of the report, the table of what the jobs took is left out. The exit status is 1 if a
product differs, a build hangs, or a process outlives its build.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.dataset.provenance import git_revision
from pipeline.store.layout import Layout

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = str(Path(sys.executable).with_name("chsims-build"))
AIMS = (
    *("build", "manifest", "text", "audio", "faces", "openface", "vision"),
    *("dataset", "train", "results", "report", "verdict"),
)
"""What a kill waits for; ``build`` is Snakemake before it starts a job."""

SETTINGS = {
    "raw": "raw",
    "processed": "processed",
    "shard_size": 2,
    "openface": {"runtime": "import", "import_folder": "raw/openface"},
    "text": {"model": "demo"},
    "train": {
        "models": ["ef_lstm", "mlf_dnn"],
        "experiments": ["table2"],
        "seeds": [1, 2],
        "max_epochs": 3,
    },
}
HANGS = 600.0
"""Seconds after which a build counts as hanging."""

LINGERS = 30.0
"""Seconds after a build within which all of its processes must have ended."""

MEASURED = re.compile(rb"Summed over the jobs in logs/runs\.jsonl.*?</table>", re.DOTALL)
"""The report's table of what the jobs took; after a kill, its jobs are others and more."""


@dataclass(frozen=True)
class Kill:
    """One kill: what it waited for, whom it met, and how the build ended."""

    aim: str
    running: tuple[str, ...]
    victim: str
    delay: float
    status: int


@dataclass
class Findings:
    """The kills of a run, and everything that must not be."""

    kills: list[Kill] = field(default_factory=list)
    products: int = 0
    comparisons: int = 0
    faults: list[str] = field(default_factory=list)


def lay_out(folder: Path, clips: int = 2, settings: Mapping[str, object] = SETTINGS) -> Path:
    """Make a folder with the first clips of each demo video, and a config file."""
    demo, raw = ROOT / "raw" / "demo", folder / "raw"
    with (demo / "label.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if int(row["clip_id"]) <= clips]
    shutil.copytree(demo / "openface", raw / "openface")
    with (raw / "label.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        place = Path(row["video_id"], f"{row['clip_id']}.mp4")
        (raw / place).parent.mkdir(exist_ok=True)
        shutil.copy2(demo / place, raw / place)
    (folder / "config.json").write_text(json.dumps(dict(settings)), "utf-8")
    return folder


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a build in a folder; what it prints goes to ``build.log``."""
    with (folder / "build.log").open("ab") as log:
        return subprocess.Popen(
            [PROGRAM, "--config", "config.json", "--cores", "2"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def processes(folder: Path) -> list[psutil.Process]:
    """Return every living process that works in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def jobs(folder: Path) -> dict[int, str]:
    """Return the stage of each running job by process id, as their locks say."""
    logs, found = folder / "processed" / "logs", {}
    for lock in logs.rglob("*.lock"):
        with suppress(OSError, psutil.Error):
            owner = re.match(r"process (\d+) ", lock.read_text("utf-8"))
            if owner and psutil.Process(int(owner[1])).cwd() == str(folder):
                found[int(owner[1])] = lock.relative_to(logs).with_suffix("").parts[0]
    return found


def finish(build: subprocess.Popen[bytes], findings: Findings) -> int:
    """Wait for the end of a build; one that hangs is a fault, and is killed."""
    try:
        return build.wait(HANGS)
    except subprocess.TimeoutExpired:
        findings.faults.append(f"a build hung for {HANGS:.0f} s")
        build.kill()
        return build.wait()


def undisturbed(folder: Path, findings: Findings) -> dict[str, float]:
    """Build to the end; return the mean seconds of a job of each stage."""
    build, seen = start(folder), defaultdict(list)
    while build.poll() is None:
        for process, stage in jobs(folder).items():
            seen[process, stage].append(time.monotonic())
        time.sleep(0.05)
    if finish(build, findings):
        raise SystemExit((folder / "build.log").read_text("utf-8"))
    spans = defaultdict(list)
    for (_, stage), moments in seen.items():
        spans[stage].append(moments[-1] - moments[0])
    return {stage: mean(seconds) for stage, seconds in spans.items()}


def strike(
    folder: Path, aim: str, seconds: float, whole: bool, chance: random.Random, findings: Findings
) -> Kill | None:
    """Build until a job of a stage runs, and kill; None if the build ends without such a job."""
    build = start(folder)
    while aim not in jobs(folder).values():
        if build.poll() is not None:
            return None
        time.sleep(0.02)
    delay = chance.uniform(0, seconds)
    time.sleep(delay)
    running = tuple(sorted(set(jobs(folder).values()) - {"build"}))
    alive = sorted(processes(folder), key=lambda process: process.pid)
    if not alive:  # it ended within the delay
        return None
    chosen = alive if whole else [chance.choice(alive)]
    victim = f"all {len(alive)} processes" if whole else _called(chosen[0])
    for process in chosen:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    return Kill(aim, running, victim, round(delay, 2), finish(build, findings))


def _called(process: psutil.Process) -> str:
    """Return what a process of a build is, in words."""
    with suppress(psutil.Error):
        words = " ".join(process.cmdline())
        if PROGRAM in words:
            return "chsims-build"
        if "pipeline.commands.console" in words:
            return "Snakemake"
        if script := re.search(r"scripts/\w+\.(\w+)\.py", words):
            parent = process.parent()
            worker = parent is not None and parent.cmdline() == process.cmdline()
            return f"a worker of a {script[1]} job" if worker else f"a {script[1]} job"
        return process.name()
    return "a process that just ended"


def products(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every product of a build, without logs, caches and measured times."""
    layout = Layout(folder / "processed")
    found = {}
    for path in sorted(layout.root.rglob("*")):
        if not path.is_file() or path.is_relative_to(layout.logs):
            continue
        if path in (layout.manifest_cache, layout.made("report")):
            continue  # the report's record has the digest of the page with its measured times
        if path.name == ".snakemake_timestamp":
            continue
        data = path.read_bytes()
        name = path.relative_to(layout.root).as_posix()
        found[name] = MEASURED.sub(b"", data) if path == layout.report else data
    return found


def differences(good: dict[str, bytes], found: dict[str, bytes]) -> Iterator[str]:
    """Yield what differs between two builds' products."""
    for name in sorted(good.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in good:
            yield f"{name} was left over"
        elif good[name] != found[name]:
            yield f"{name} differs"


def close(folder: Path, good: dict[str, bytes], findings: Findings) -> None:
    """Resume a last time, undisturbed; compare; remove what was built."""
    status = finish(start(folder), findings)
    if status:
        words = (folder / "build.log").read_text("utf-8")[-2000:]
        findings.faults.append(f"the last command ended with status {status}: {words}")
    deadline = time.monotonic() + LINGERS
    while (left := processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.5)
    findings.faults += [f"{_called(process)} outlived its build" for process in left]
    found = products(folder)
    findings.products, findings.comparisons = len(found), findings.comparisons + 1
    round_ = f"comparison {findings.comparisons}"
    findings.faults += [f"{round_}: {words}" for words in differences(good, found)]
    shutil.rmtree(folder / "processed")
    shutil.rmtree(folder / ".snakemake")


def campaign(
    folder: Path,
    kills: int,
    seed: int,
    aims: tuple[str, ...] = AIMS,
    tell: bool = True,
    settings: Mapping[str, object] = SETTINGS,
) -> Findings:
    """Kill as often as asked, stage by stage, and compare after each round of all stages."""
    revision = git_revision()
    findings, chance = Findings(), random.Random(seed)  # noqa: S311 - moments, not secrets
    calm, wild = (lay_out(folder / name, settings=settings) for name in ("calm", "wild"))
    usual = undisturbed(calm, findings)
    good = products(calm)
    while len(findings.kills) < kills:
        number = len(findings.kills)
        aim, whole = aims[number % len(aims)], (number + number // len(aims)) % 2 == 0
        # Snakemake plans for some seconds before the first job, all of which are its own
        seconds = 5.0 if aim == "build" else usual.get(aim, 1.0)
        kill = strike(wild, aim, seconds, whole, chance, findings)
        if kill is None:  # the stage was done before an earlier kill
            close(wild, good, findings)
            continue
        findings.kills.append(kill)
        if tell:
            print(_row(number + 1, kill), flush=True)
        if (number + 1) % len(aims) == 0 or number + 1 == kills:
            close(wild, good, findings)
    if git_revision() != revision:  # the dataset and the report name it
        findings.faults.append("the code changed during the run: repeat it")
    return findings


def _row(number: int, kill: Kill) -> str:
    running = ", ".join(kill.running) or "-"
    when = f"{number:4} {kill.aim:9} {kill.delay:6.2f} s"
    return f"{when}  {running:22} {kill.victim:28} {kill.status:4}"


def main() -> None:
    """Run the campaign, print its table, and end with status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    options = parser.parse_args()
    print(f"{'kill':>4} {'aim':9} {'after':>8}  {'running':22} {'killed':28} {'exit':>4}")
    with tempfile.TemporaryDirectory() as folder:
        findings = campaign(Path(folder).resolve(), options.kills, options.seed)
    print(
        f"{len(findings.kills)} kills (seed {options.seed}), {findings.comparisons} comparisons of "
        f"{findings.products} products: {len(findings.faults)} faults"
    )
    for fault in findings.faults:
        print(f"FAULT: {fault}")
    if options.json:
        figures = {"seed": options.seed, **asdict(findings)}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    sys.exit(1 if findings.faults else 0)


if __name__ == "__main__":
    main()
