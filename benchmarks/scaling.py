"""How extraction grows with clips and cores, how busy it is, what a job costs before its work.

    python benchmarks/scaling.py           # a few minutes
    python benchmarks/scaling.py --docs    # and the tables of docs/performance.md

Builds of the demo's features (OpenFace left out) with Snakemake, in folders of their own:
seconds and peak memory for 10, 20 and 30 clips on all cores and for 30 on one core; threads that
can run at one moment, sampled from /proc five times a second over the whole process tree, which
must not exceed the cores by more than the scheduler itself. Then `chsims-build --help`, `status` of
2,281 clips, and for each stage the seconds from the start of its job to its first clip.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("stage_faces", "stage_audio", "stage_text")


class Tree:
    """Sample a process tree: threads that run or could, and memory (shared pages counted once).

    Parameters
    ----------
    root : int
        Process id at its root.
    """

    def __init__(self, root: int) -> None:
        self.root, self.runnable, self.peak_mb = root, [0], 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(0.2):
            running, total = 0, 0.0
            for process in _descendants(self.root):
                try:
                    tasks = list((process / "task").iterdir())
                    states = [(t / "stat").read_text().rsplit(")", 1)[1].split()[0] for t in tasks]
                    rollup = (process / "smaps_rollup").read_text()
                except OSError:
                    continue  # it ended
                running += states.count("R")
                memory = re.search(r"^Pss:\s+(\d+)", rollup, re.M)
                total += int(memory[1]) / 1024 if memory else 0.0
            self.runnable.append(running)
            self.peak_mb = max(self.peak_mb, total)


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


def build(folder: Path, raw: Path, cores: int) -> dict[str, Any]:
    """Build the features of `raw` in a fresh folder; return the figures."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        config = {"raw": str(raw), "processed": f"{scratch}/processed", "text": {"model": "demo"},
                  "openface": {"runtime": "import"}}  # fmt: skip
        Path(scratch, "config.json").write_text(json.dumps(config), "utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
                   "--directory", scratch, "--configfile", f"{scratch}/config.json",
                   "--cores", str(cores), *TARGETS]  # fmt: skip
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tree = Tree(process.pid)
        output = process.communicate()[0]
        seconds = time.perf_counter() - started
        tree.stop()
        if process.returncode:
            raise SystemExit(output.decode())
        busy = [n for n in tree.runnable if n]
        return {
            "clips": sum(1 for _ in raw.glob("*/*")),
            "cores": cores,
            "seconds": seconds,
            "peak_mb": tree.peak_mb,
            "runnable": median(busy),
            "runnable_most": sorted(tree.runnable)[int(0.99 * len(tree.runnable))],
        }


def seconds_of(*command: str, folder: Path, times: int = 3) -> float:
    """Return the median wall time of a command."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True, cwd=folder)
        taken.append(time.perf_counter() - started)
    return median(taken)


_FIRST_CLIP = """
import sys, time
started = time.perf_counter()
from pipeline.threads import bound_threads
bound_threads()
from pipeline.config import make_config
from pipeline.stages import STAGES
config = make_config({"text": {"model": "demo"}})
STAGES[sys.argv[1]].make(config, 1)
print(time.perf_counter() - started)
"""


def to_first_clip(stage: str, folder: Path) -> float:
    """Return seconds from a job's start until its extractor is ready, imports included."""
    return seconds_of(sys.executable, "-c", _FIRST_CLIP, stage, folder=folder)


def status_of(folder: Path, clips: int) -> float:
    """Return seconds that `chsims-build status` takes of a corpus whose manifest is there."""
    raw = corpus(folder, clips)
    processed = folder / f"processed_{clips}"
    program = str(Path(sys.executable).with_name("chsims-build"))
    settings = (
        "--set",
        f"raw={raw}",
        "--set",
        f"processed={processed}",
        "--set",
        "text.model=demo",
    )
    subprocess.run([program, "--stage", "manifest", *settings], check=True, capture_output=True)
    return seconds_of(program, "status", *settings, folder=ROOT)


def main() -> None:
    """Measure, print, and renew docs/performance.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", type=int, nargs="+", default=[10, 20, 30, 60])
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    program = str(Path(sys.executable).with_name("chsims-build"))
    lines = ["| clips | cores | s | peak MB | threads that can run, median / 99th percentile |",
             "|---|---|---|---|---|"]  # fmt: skip
    starts = ["| what | s |", "|---|---|"]
    with tempfile.TemporaryDirectory(prefix="chsims-benchmark-") as scratch:
        folder = Path(scratch)
        raws = [corpus(folder, clips) for clips in options.clips]
        for raw, used in [*((raw, cores) for raw in raws), (raws[min(2, len(raws) - 1)], 1)]:
            row = build(folder, raw, used)
            lines.append(
                f"| {row['clips']} | {row['cores']} | {row['seconds']:.1f} | {row['peak_mb']:.0f} "
                f"| {row['runnable']:.0f} / {row['runnable_most']} |"
            )
            print(lines[-1], flush=True)
        starts.append(
            f"| `chsims-build --help` | {seconds_of(program, '--help', folder=ROOT):.2f} |"
        )
        starts.append(f"| `chsims-build status`, 2,281 clips | {status_of(folder, 2281):.2f} |")
        for stage in ("frames", "faces", "audio", "text"):
            starts.append(
                f"| a {stage} job, to its first clip | {to_first_clip(stage, ROOT):.2f} |"
            )
        print("\n".join(starts))
    if options.docs:
        from extract import PAGE, put_into_page

        put_into_page(PAGE, "scaling", [*lines, "", *starts])


if __name__ == "__main__":
    main()
