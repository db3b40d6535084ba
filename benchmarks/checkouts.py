"""Train by this checkout and by another one in turn, in one run, and compare time and scores.

    git worktree add /tmp/before 21ae2f4
    python benchmarks/checkouts.py /tmp/before --epochs 4 --rounds 2   # the paper's shape
    python benchmarks/checkouts.py /tmp/before --small                 # to convergence, scored

Each model is trained with five seeds, first by the other checkout, then by this one, as often as
`--rounds` says; the figures are the least of each side's rounds. Both read the same dataset file.
The columns: seconds per epoch of a seed, seconds for all seeds, Acc-2 and MAE over seeds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from page import measured_on
from planted import write_planted
from train import SEEDS, SMALL, measure, settings_of

from pipeline.train.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ("epoch", "seconds")


def in_turn(
    folder: Path, model: str, other: Path, rounds: int, epochs: int, preset: str
) -> list[dict[str, Any]]:
    """Return the figures of the other checkout and of this one."""
    best: list[dict[str, Any]] = [{}, {}]
    assignments = settings_of(folder, SEEDS, preset, epochs)
    for _ in range(rounds):
        for side, checkout in enumerate((other, ROOT)):
            shutil.rmtree(folder / "experiments", ignore_errors=True)
            found = measure(folder, model, os.cpu_count() or 1, assignments, checkout)
            least = {name: min(found[name], best[side].get(name, found[name])) for name in FIGURES}
            best[side] = {**found, **least}
    return best


def main() -> None:
    """Parse the command line, make the corpus, train in turn, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("other", type=Path, help="another checkout of this repository")
    parser.add_argument("--models", nargs="+", default=["lf_dnn", "mlf_dnn", "mlmf"])
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--small", action="store_true", help="a corpus of 1,000 short clips")
    options = parser.parse_args()
    print(
        "| model | s per epoch before | now | ratio | 5 seeds, s, before | now | ratio "
        "| Acc-2, MAE before | now |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="chsims-checkouts-") as scratch:
        folder = Path(scratch)
        sizes, steps = ((600, 200, 200), SMALL) if options.small else ((1368, 456, 457), None)
        write_planted(folder / "dataset.h5", sizes, steps=steps)
        for model in options.models:
            before, now = in_turn(
                folder, model, options.other, options.rounds, options.epochs, options.preset
            )
            cells = [
                MODELS[model].title,
                *(f"{side['epoch']:.2f}" for side in (before, now)),
                f"{now['epoch'] / before['epoch']:.2f}",
                *(f"{side['seconds']:.0f}" for side in (before, now)),
                f"{now['seconds'] / before['seconds']:.2f}",
                *(f"{side['acc2']}, MAE {side['mae']}" for side in (before, now)),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
    print(measured_on())


if __name__ == "__main__":
    main()
