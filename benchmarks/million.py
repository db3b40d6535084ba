"""Work out hours, disk, files and money for a corpus of any size, from a build that is there.

    python benchmarks/million.py processed/demo --config config/demo.yaml
    python benchmarks/million.py processed/demo --config config/demo.yaml --docs
    python benchmarks/million.py processed --clips 50000 --cores 64 --core-hour 0.03

The build gives the figures of a clip: CPU seconds of each stage, from the jobs of its
``logs/runs.jsonl`` that computed several clips (the start of a job is then spread over them), and
the bytes and files that the stage keeps. They are scaled by the number of clips and by their
length. Prices are arguments: those that are set are examples, not offers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from page import DOCS, measured_on, put_into_page

from pipeline.config import Config, make_config, read_values
from pipeline.manifest.build import read_manifest
from pipeline.stages import STAGES, wanted

PAGE = DOCS / "scale.md"
LEAST = 8
"""Jobs that computed fewer clips say more about their start than about a clip."""


@dataclass(frozen=True)
class Each:
    """What a clip costs in one stage: core seconds, bytes on the disk, files."""

    seconds: float
    bytes: float
    files: float


@dataclass(frozen=True)
class Prices:
    """Prices in one currency: of a core for an hour, and of a terabyte for a month."""

    core_hour: float
    terabyte_month: float


def seconds_of(runs: Path) -> dict[str, float]:
    """Return the CPU seconds of a clip in each stage, from the cost log of a build."""
    clips: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for line in runs.read_text("utf-8").splitlines():
        run = json.loads(line)
        if run["computed"] >= LEAST and "cpu" in run:
            clips[run["stage"]] += run["computed"]
            seconds[run["stage"]] += run["cpu"]
    return {stage: seconds[stage] / clips[stage] for stage in clips}


def disk_of(folder: Path, clips: int) -> tuple[float, float]:
    """Return the bytes on the disk and the files of a clip below a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks * 512 for path in paths) / clips, len(paths) / clips


def measured(config: Config) -> tuple[dict[str, Each], float, int]:
    """Return what a clip costs in each stage of a build, its mean length, and the clips."""
    manifest = read_manifest(config.processed)
    clips = len(manifest)
    seconds = seconds_of(config.layout.runs)
    found = {}
    for name in wanted(config):
        held = (0.0, 0.0) if STAGES[name].transient else disk_of(config.processed / name, clips)
        if name not in seconds:
            raise SystemExit(
                f"{config.layout.runs} has no job of {name} with its CPU time and {LEAST} clips; "
                f"build anew: chsims-build --stage {name} --force"
            )
        found[name] = Each(seconds[name], *held)
    return found, float(manifest["duration"].mean()), clips


def table(
    each: Mapping[str, Each], cores: int, clips: int, length: float, prices: Prices
) -> list[str]:
    """Return the table: a row per stage, their sum, and what it costs.

    Parameters
    ----------
    each : mapping of str to Each
        What a clip costs in each stage.
    cores : int
        Cores that work at the same time.
    clips : int
        Clips of the corpus.
    length : float
        Length of its clips, relative to those that were measured.
    prices : Prices
        What cores and disk cost.
    """
    lines = [
        f"| stage | CPU s per clip | core hours | hours on {cores} cores | TB | million files |",
        "|---|---|---|---|---|---|",
    ]
    total = [0.0, 0.0, 0.0, 0.0]
    for name, cost in each.items():
        seconds = cost.seconds * length
        row = [seconds, seconds * clips / 3600, cost.bytes * length * clips / 1e12]
        row.append(cost.files * clips / 1e6)
        total = [a + b for a, b in zip(total, row, strict=True)]
        lines.append(_row(name, row, cores))
    lines.append(_row("all", total, cores))
    lines += [
        "",
        f"At {prices.core_hour:g} per core hour: {total[1] * prices.core_hour:,.0f}. "
        f"At {prices.terabyte_month:g} per terabyte and month: "
        f"{total[2] * prices.terabyte_month:,.0f} a month.",
    ]
    return lines


def _row(name: str, row: Sequence[float], cores: int) -> str:
    seconds, hours, disk, files = row
    time = f"{seconds:.3f} | {hours:,.0f} | {hours / cores:,.1f}"
    return f"| {name} | {time} | {disk:.2f} | {files:.1f} |"


def main() -> None:
    """Parse the command line, work it out, print, and renew docs/scale.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("processed", type=Path, help="the folder of a finished build")
    parser.add_argument("--config", type=Path, help="its config file")
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, help="mean length of a clip, if another")
    parser.add_argument("--cores", type=int, default=256)
    parser.add_argument("--core-hour", type=float, default=0.04)
    parser.add_argument("--terabyte-month", type=float, default=20.0)
    parser.add_argument("--docs", action="store_true", help="renew docs/scale.md")
    options = parser.parse_args()
    files = (options.config,) if options.config else ()
    config = make_config({**read_values(files, ()), "processed": str(options.processed)})
    each, mean, measured_clips = measured(config)
    seconds = options.seconds or mean
    prices = Prices(options.core_hour, options.terabyte_month)
    lines = [
        f"{options.clips:,} clips of {seconds:.2f} s, from a build of {measured_clips} clips of "
        f"{mean:.2f} s ({options.processed}):",
        "",
        *table(each, options.cores, options.clips, seconds / mean, prices),
        "",
        measured_on(),
    ]
    print("\n".join(lines))
    if options.docs:
        put_into_page(PAGE, "million", lines)


if __name__ == "__main__":
    main()
