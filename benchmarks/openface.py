"""Compare one OpenFace call per clip, as in the recipe, with batches.

    python benchmarks/openface.py          # prints
    python benchmarks/openface.py --docs   # and renews the table in docs/performance.md

This project's machines have no OpenFace, so the test suite's emulator takes its place in each
available runtime. It takes one second to "load its models" (OpenFace: 0.3 to 1.7). The other costs
of a call are real: starting a container, the guard, reading the CSVs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from page import PERFORMANCE, put_into_page

from pipeline.openface.run import CropInputs, RunOpenFace
from pipeline.openface.settings import OpenFaceSettings
from tests.openface.emulated import face_images
from tests.openface.harness import HARNESSES, Harness

ROOT = Path(__file__).resolve().parents[1]
CLIPS = 16
WAYS = {"one call per clip": (1, 1), "one batch": (CLIPS, 1), "batches on two cores": (CLIPS, 2)}
"""Clips that the stage hands over at once, and cores."""


def measure(settings: OpenFaceSettings, clips: int, threads: int, work: Path) -> float:
    """Return the seconds that all clips take."""
    inputs = [CropInputs(f"v/{i}", face_images(3, i), work) for i in range(CLIPS)]
    extractor = RunOpenFace(settings, threads)
    started = time.perf_counter()
    for first in range(0, CLIPS, clips):
        results = extractor.extract_batch(inputs[first : first + clips])
        if bad := [r for r in results if isinstance(r, Exception)]:
            raise SystemExit(f"the emulator failed: {bad[0]}")
    return time.perf_counter() - started


def medians(harness: Harness, rounds: int, work: Path) -> list[float]:
    """Return the seconds of each way, measured in turn; the runtime is left as it was."""
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    harness.start()
    try:
        settings = harness.settings({"EMULATOR_LOAD": "1"})
        for _ in range(rounds):
            for way, (clips, threads) in WAYS.items():
                taken[way].append(measure(settings, clips, threads, work))
    finally:
        harness.stop()
    return [median(seconds) for seconds in taken.values()]


def rows(rounds: int) -> list[str]:
    """Return one line of the table for each runtime of this machine."""
    lines = []
    for name, kind in HARNESSES.items():
        with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
            harness = kind(Path(folder))
            if absent := harness.absent():
                print(f"{name}: not measured: {absent}", file=sys.stderr)
                continue
            harness.use(patch)
            each, *others = medians(harness, rounds, Path(folder) / "work")
            batches = (f"{seconds:.1f} ({each / seconds:.1f})" for seconds in others)
            lines.append(f"| {name} | {each:.1f} | {' | '.join(batches)} |")
    return lines


def main() -> None:
    """Measure, print, and renew docs/performance.md if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs", action="store_true", help="renew docs/performance.md")
    options = parser.parse_args()
    first, *others = WAYS
    heads = [f"{first}, s", *(f"{way}, s (times as fast)" for way in others)]
    lines = [f"| runtime | {' | '.join(heads)} |", "|---|---|---|---|", *rows(options.rounds)]
    print("\n".join(lines))
    if options.docs:
        put_into_page(PERFORMANCE, "openface", lines)


if __name__ == "__main__":
    main()
