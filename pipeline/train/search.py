"""Choosing hyper-parameters by valid Acc-2, in a form that the next run can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.store.files import written_whole
from pipeline.train.hyper import overlay


def choose(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return for each model the grid point with the best valid Acc-2 on M.

    The test part is not looked at. Between equals the lower valid MAE decides, then the
    order of the grid.

    Parameters
    ----------
    rows : list of dict
        The rows of ``results/search.json``.
    """
    best: dict[str, dict[str, Any]] = {}
    for row in (row for row in rows if row["main"]):
        held = best.get(row["model"])
        if held is None or _rank(row) > _rank(held):
            best[row["model"]] = row
    return {
        model: {
            "variant": row["variant"],
            "choice": row["choice"],
            "valid_acc2": row["valid"]["mean"]["acc2"],
        }
        for model, row in best.items()
    }


def _rank(row: dict[str, Any]) -> tuple[float, float]:
    return row["valid"]["mean"]["acc2"], -row["valid"]["mean"]["mae"]


def write_choice(path: Path, value: dict[str, Any]) -> None:
    """Write the chosen values as a config file: ``chsims-build --config FILE``."""
    hyper = {model: overlay({}, found["choice"]) for model, found in value["chosen"].items()}
    text = (
        "# found by grid search on the valid part (Acc-2), under the configuration of that run;\n"
        "# name this file after that run's own config files, if it had any:\n"
        f"#   chsims-build --config ... --config {path.name}\n"
        + yaml.safe_dump({"train": {"hyper": hyper}}, sort_keys=True)
    )
    with written_whole(path) as temporary:
        temporary.write_text(text, "utf-8")
