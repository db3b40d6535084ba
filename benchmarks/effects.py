"""Measure what each single departure of the published code does to a model's scores.

    python benchmarks/effects.py                     # every model: some fifty minutes
    python benchmarks/effects.py --models lf_dnn     # one of them
    python benchmarks/effects.py --docs              # and renew these rows in docs/models.md

Each model is trained as the preset `paper` says, with one setting of the recipe changed (or
two, where one means nothing without the other), and as `published` says, on a small planted
corpus. The slow models end after a few epochs, in each of their rows alike.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page import MODELS as PAGE
from page import measured_on, put_rows, today
from planted import write_planted
from train import SEEDS, SMALL, measure, settings_of

from pipeline.corpus import MODALITY_OF
from pipeline.train.registry import MODELS

SIZES = (600, 200, 200)
_SHARED = ("scaling: none", "text_end: last_step", "text_dropout: false", "pooling: padded",
           "decay: adam", "selection: weighted_batches")  # fmt: skip
_RANK = ("rank_output: direct", "rank_output: direct, rank_weights: frozen")
_TENSOR = ("tensor_output: squashed", "tensor_dropout: product")
_ALIGNED = ("scaling: none", "alignment: blocks", "alignment: interleaved")
DEPARTURES: dict[str, tuple[str, ...]] = {
    "lf_dnn": _SHARED,
    "mlf_dnn": (*_SHARED, "head_units: relu", "scored_on: M", "rounding: true"),
    "lmf": _RANK,
    "mlmf": _RANK,
    "tfn": _TENSOR,
    "mtfn": _TENSOR,
    "ef_lstm": (*_ALIGNED, "ef_norm: step"),
    "mfn": (*_ALIGNED, "mfn_dynamics: false"),
    "mult": (
        "scaling: none",
        "mult_mask: future",
        "mult_positions: false",
        "clipping: model",
        "last_group: dropped",
    ),
}
EPOCHS = {"tfn": 12, "mtfn": 6, "mfn": 20, "mult": 15}
"""Limits of the slow models; the others train until their valid loss no longer falls."""


def main() -> None:
    """Parse the command line, train every row, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(DEPARTURES), choices=list(DEPARTURES))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--rows", nargs="+", help="only these recipes, e.g. paper 'clipping: model'; all by default"
    )
    parser.add_argument("--docs", action="store_true", help="renew docs/models.md")
    options = parser.parse_args()
    lines = [
        "| model | recipe | Acc-2 | MAE | Corr | Acc-2 of T | of A | of V | epochs | measured |",
        "|" + "---|" * 10,
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory(prefix="chsims-effects-") as scratch:
        folder = Path(scratch)
        write_planted(folder / "dataset.h5", SIZES, steps=SMALL)
        for model in options.models:
            rows = {"`paper`": ("paper", ""), "`published`": ("published", "")}
            rows |= {f"`{change}`": ("paper", change) for change in DEPARTURES[model]}
            wanted = {f"`{row}`" for row in options.rows or ()} or {*rows}
            for name, (preset, change) in rows.items():
                if name not in wanted:
                    continue
                limit = EPOCHS.get(model, 200)
                settings = settings_of(folder, SEEDS[: options.seeds], preset, limit)
                changed = [f"train.recipe={{{change}}}"] if change else []
                row = measure(folder, model, os.cpu_count() or 1, settings + changed)
                unimodal = [row["unimodal"].get(task, "") for task in MODALITY_OF]
                cells = [MODELS[model].title, name, row["acc2"], row["mae"], row["corr"], *unimodal]
                lines.append(f"| {' | '.join(cells)} | {row['epochs']:.0f} | {today()} |")
                print(lines[-1], flush=True)
    if options.docs:
        where = f"Mean (deviation) of {options.seeds} seeds on the test part, in percent."
        put_rows(PAGE, "effects", lines[:2], lines[2:], f"{where} Last run: {measured_on()}")


if __name__ == "__main__":
    main()
