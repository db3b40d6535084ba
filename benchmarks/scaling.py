"""Measure how extraction scales with clips and cores, and what a job costs before it works.

    python benchmarks/scaling.py           # a few minutes
    python benchmarks/scaling.py --docs    # and the tables of docs/performance.md
    python benchmarks/scaling.py --threads # only: one thread per job against four, in turn
    python benchmarks/scaling.py --quick   # only: ten clips on one core and on two

Builds the demo's features (except OpenFace's) with Snakemake in temporary folders: seconds and
peak memory for growing numbers of clips, all in one shard, on all cores; the second of these also
on one core, and the last also in shards of the usual size. The share of the cores' time that is
used, and the number of threads that can run at a moment, are sampled over the whole process tree.
Beyond 30 clips the same ones repeat, so none is longer. Then it times `chsims-build --help`,
`status` of 2,281 clips, and for each stage the seconds from the start of a job to its first clip.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from extract import features_command
from page import PERFORMANCE, measured_on, put_into_page
from tree import Tree

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = str(Path(sys.executable).with_name("chsims-build"))


def corpus(folder: Path, clips: int) -> Path:
    """Make a raw folder of the demo's first clips; clips beyond 30 repeat them."""
    demo = ROOT / "raw" / "demo"
    with (demo / "label.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    raw = folder / f"raw_{clips}"
    raw.mkdir()
    with (raw / "label.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for number in range(clips):
            row = dict(rows[number % len(rows)])
            source = next((demo / row["video_id"]).glob(f"{row['clip_id']}.*"))
            if number >= len(rows):
                row["clip_id"] = f"{row['clip_id']}_{number // len(rows)}"
            target = raw / row["video_id"] / f"{row['clip_id']}{source.suffix}"
            target.parent.mkdir(exist_ok=True)
            os.link(source, target)
            writer.writerow(row)
    return raw


def build(
    folder: Path, raw: Path, cores: int, shard_size: int, options: Sequence[str] = ()
) -> dict[str, Any]:
    """Build the features of `raw` in a fresh folder; return the figures."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = features_command(
            Path(scratch), raw, "demo", cores, options, shard_size=shard_size
        )
        before = _cpu_of_children()
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tree = Tree(process.pid)
        output = process.communicate()[0]
        seconds = time.perf_counter() - started
        used = _cpu_of_children() - before
        tree.stop()
        if process.returncode:
            raise SystemExit(output.decode())
        busy = [n for n in tree.runnable if n]
        return {
            "clips": sum(1 for _ in raw.glob("*/*")),
            "cores": cores,
            "shard_size": shard_size,
            "seconds": seconds,
            "used": 100 * used / (seconds * cores),
            "peak_mb": tree.peak_mb,
            "runnable": median(busy),
            "runnable_most": sorted(tree.runnable)[int(0.99 * len(tree.runnable))],
        }


_HEADER = (
    "| clips | shard size | cores | s | cores' time used, % | peak MB "
    "| runnable threads, median / 99th percentile |",
    "|" + "---|" * 7,
)


def _line_of(row: dict[str, Any]) -> str:
    return (
        f"| {row['clips']} | {row['shard_size']} | {row['cores']} | {row['seconds']:.1f} "
        f"| {row['used']:.0f} | {row['peak_mb']:.0f} "
        f"| {row['runnable']:.0f} / {row['runnable_most']} |"
    )


def threads_of_jobs(folder: Path, raw: Path, cores: int) -> None:
    """Compare jobs of one thread with jobs of four where jobs are many; print the ratio."""
    sides = {"one": (), "four": ("--set-threads", "faces=4", "vision=2")}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for name in ("one", "four", "four", "one", "one", "four"):
        row = build(folder, raw, cores, 8, sides[name])
        taken[name].append(row["seconds"])
        print(f"{name:>4}: {row['seconds']:.1f} s, {row['used']:.0f} % used", flush=True)
    ratio = median(taken["four"]) / median(taken["one"])
    print(f"one thread a job is {ratio:.2f} times as fast as four; {measured_on()}")


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds_of(*command: str, folder: Path, times: int = 3) -> float:
    """Return the median wall time of a command."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True, cwd=folder)
        taken.append(time.perf_counter() - started)
    return median(taken)


_FIRST_CLIP = """
import sys
from pipeline.runner.threads import bound_threads
bound_threads()
from pipeline.config import make_config
from pipeline.runner.pool import preload
from pipeline.stages import STAGES
config = make_config({"text": {"model": "demo"}})
stage = STAGES[sys.argv[1]]
preload(stage.extractor(stage.settings(config)))
stage.make(config, 1)
"""


def to_first_clip(stage: str, folder: Path) -> float:
    """Return seconds from a job's start until its extractor is ready, imports included."""
    return seconds_of(sys.executable, "-c", _FIRST_CLIP, stage, folder=folder)


def status_of(folder: Path, clips: int) -> float:
    """Return seconds that `chsims-build status` takes of a corpus whose manifest is there."""
    raw = corpus(folder, clips)
    processed = folder / f"processed_{clips}"
    values = (f"raw={raw}", f"processed={processed}", "text.model=demo")
    settings = [word for value in values for word in ("--set", value)]
    subprocess.run([PROGRAM, "--stage", "manifest", *settings], check=True, capture_output=True)
    return seconds_of(PROGRAM, "status", *settings, folder=ROOT)


def main() -> None:
    """Measure, print, and renew docs/performance.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[10, 30, 60, 120])
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="only ten clips, one core and two")
    parser.add_argument("--threads", action="store_true", help="only compare threads a job")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    if options.threads or options.quick:
        with tempfile.TemporaryDirectory(prefix="chsims-benchmark-") as scratch:
            folder = Path(scratch)
            if options.threads:
                threads_of_jobs(folder, corpus(folder, options.clips[-1]), cores)
            else:
                raw = corpus(folder, 10)
                rows = [build(folder, raw, used, 5) for used in (1, 2)]
                print("\n".join([*_HEADER, *map(_line_of, rows), "", measured_on()]))
        return
    lines = [*_HEADER]
    starts = ["| what | s |", "|---|---|"]
    with tempfile.TemporaryDirectory(prefix="chsims-benchmark-") as scratch:
        folder = Path(scratch)
        raws = [corpus(folder, clips) for clips in options.clips]
        grown = [(raw, cores, 1000) for raw in raws]
        for raw, used, size in [
            *grown,
            (raws[min(1, len(raws) - 1)], 1, 1000),
            (raws[-1], cores, 32),
        ]:
            lines.append(_line_of(build(folder, raw, used, size)))
            print(lines[-1], flush=True)
        taken = {
            "`chsims-build --help`": seconds_of(PROGRAM, "--help", folder=ROOT),
            "`chsims-build status`, 2,281 clips": status_of(folder, 2281),
        }
        for stage in ("faces", "audio", "text"):
            taken[f"{stage} job, until its first clip"] = to_first_clip(stage, ROOT)
        starts += [f"| {name} | {seconds:.2f} |" for name, seconds in taken.items()]
        print("\n".join(starts))
    if options.docs:
        put_into_page(PERFORMANCE, "scaling", [*lines, "", *starts, "", measured_on()])


if __name__ == "__main__":
    main()
