"""Measure whether the scale of the columns changes what a model learns.

    python benchmarks/units.py --docs        # EF-LSTM, MFN, MULT; renews docs/models.md

The same planted corpus is written twice: with columns of mean 0 and deviation 1, and with the
means and deviations of OpenFace's, librosa's and BERT's columns (`columns.csv`), which differ
by 10^4. Each model is trained on both, as `paper` says and without its scaling. With the
scaling both corpora should give the same scores, but for rounding; the difference of predictions
is printed, too.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from effects import EPOCHS
from page import MODELS as PAGE
from page import measured_on, put_into_page
from planted import write_planted
from train import SEEDS, SMALL, measure, settings_of

from pipeline.train.registry import MODELS

RECIPES = {"`paper`": "", "`scaling: none`": "scaling: none"}


def predictions(folder: Path, model: str) -> np.ndarray:
    """Return the test predictions of all seeds that were trained in a folder."""
    values: list[float] = []
    root = folder / "experiments" / "table2" / model
    for path in sorted(root.glob("seed_*/predictions.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["part"] == "test"]
        values += [float(row["prediction"]) for row in rows]
    return np.array(values)


def main() -> None:
    """Parse the command line, train on both corpora, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["ef_lstm", "mfn", "mult"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs=3, default=(300, 100, 200))
    parser.add_argument("--docs", action="store_true", help="renew docs/models.md")
    options = parser.parse_args()
    lines = [
        "| model | recipe | Acc-2, plain columns | Acc-2, real scales | MAE, plain | MAE, real "
        "| largest difference of a prediction |",
        "|" + "---|" * 7,
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory(prefix="chsims-units-") as scratch:
        folders = [Path(scratch) / name for name in ("plain", "real")]
        for folder in folders:
            plain = folder.name == "plain"
            write_planted(folder / "dataset.h5", tuple(options.sizes), steps=SMALL, plain=plain)
        for model in options.models:
            for name, change in RECIPES.items():
                changed = [f"train.recipe={{{change}}}"] if change else []
                rows = []
                for folder in folders:
                    limit = EPOCHS.get(model, 200)
                    settings = settings_of(folder, SEEDS[: options.seeds], "paper", limit)
                    rows.append(measure(folder, model, os.cpu_count() or 1, settings + changed))
                apart = np.abs(np.subtract(*(predictions(folder, model) for folder in folders)))
                cells = [*(row["acc2"] for row in rows), *(row["mae"] for row in rows)]
                line = [MODELS[model].title, name, *cells, f"{apart.max():.1g}"]
                lines.append(f"| {' | '.join(line)} |")
                print(lines[-1], flush=True)
    if options.docs:
        where = f"Mean (deviation) of {options.seeds} seeds on the test part, in percent; "
        put_into_page(PAGE, "units", [*lines, "", f"{where}{measured_on()}"])


if __name__ == "__main__":
    main()
