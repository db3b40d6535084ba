"""Scores of trained models and the paper's, confusion matrices and learning curves."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import LABELS
from pipeline.store.files import read_json
from pipeline.store.layout import Layout
from pipeline.store.made import damaged
from pipeline.train.experiments import Trainable, left_out
from pipeline.train.metrics import METRICS
from pipeline.train.metrics import TITLES as METRIC_TITLES
from pipeline.train.paper_tables import PAPER_RESULTS
from pipeline.train.registry import MODELS

Score = tuple[float, float | None]
"""Mean and standard deviation over seeds, in per cent; None of one seed, or where the paper
prints none."""

_SMALLER_IS_BETTER = {"mae"}
_NOT_COMPARABLE = {"f1"}
"""The paper's F1 weighs and names the classes by the predictions (docs/models.md)."""
_TABLES = ("table2", "table4", "table5")
_CAPTIONS = {
    "table2": ("Table 2", "Model", "Models on the test part; * marks those with unimodal labels."),
    "table4": ("Table 4", "Task", "Unimodal tasks, each trained on its own label and on M."),
    "table5": ("Table 5", "Tasks", "MLF-DNN with different auxiliary tasks."),
}


@dataclass(frozen=True)
class Results:
    """What training left behind, as far as it got.

    Parameters
    ----------
    tables : dict of str to dict
        The files ``results/EXPERIMENT.json``.
    curves : dict of str to dict
        Losses by model, by ``train`` or ``valid``, by seed, by epoch.
    """

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)

    def rows(self, experiment: str) -> dict[str, dict[str, Any]]:
        """Return the main task's row of each variant."""
        found = self.tables.get(experiment, {}).get("rows", [])
        return {row["variant"]: row for row in found if row["main"]}

    @property
    def trained(self) -> list[str]:
        """Models of Table 2 with results, in the paper's order."""
        return [name for name in MODELS if name in self.rows("table2")]

    @property
    def confusions(self) -> dict[str, NDArray[np.int64]]:
        """Counts [true, predicted] of the five classes on the test part, summed over seeds."""
        return {
            name: np.array(row["test"]["confusion"]["5"])
            for name, row in self.rows("table2").items()
        }

    @property
    def comparisons(self) -> list[tuple[str, str, list[dict[str, Any]]]]:
        """Paired tests of multi-task models against their single-task kin, by pair."""
        pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self.tables.get("table2", {}).get("comparisons", []):
            pairs.setdefault((MODELS[row["first"]].title, MODELS[row["second"]].title), []).append(
                row
            )
        return [(first, second, rows) for (first, second), rows in pairs.items()]

    @property
    def warnings(self) -> list[str]:
        """What the metrics had to settle by convention, by model."""
        rows = self.rows("table2").items()
        return [
            f"{MODELS[name].title}: {text}"
            for name, row in rows
            for text in row["test"]["warnings"]
        ]


@dataclass(frozen=True)
class Cell:
    """One metric: our score, the paper's, and what to think of the difference."""

    ours: Score | None
    paper: Score | None
    verdict: str
    """``better``, ``worse``, ``within`` the seeds' spread, or nothing."""
    interval: tuple[float, float] | None = None
    """95 % bootstrap interval of our score over clips, where there is one."""

    @property
    def difference(self) -> float | None:
        """Ours less the paper's; None without one of them."""
        if self.ours is None or self.paper is None:
            return None
        return self.ours[0] - self.paper[0]


@dataclass(frozen=True)
class Table:
    """A table of the paper with our scores; without seeds, none of it has been trained."""

    name: str
    head: str
    caption: str
    metrics: list[str]
    rows: list[tuple[str, list[Cell]]]
    preset: str = ""
    seeds: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    """What is missing, and why, e.g. ``A, label M: the dataset has no audio features``."""

    @property
    def intervals(self) -> bool:
        """Tell whether any score has a bootstrap interval."""
        return any(cell.interval for _, cells in self.rows for cell in cells)


def compare(metric: str, ours: Score | None, paper: Score | None) -> Cell:
    """Compare a score with the paper's.

    A difference of at most two standard deviations (ours and the paper's, pooled) is within
    the spread of the seeds. The paper's F1 is another statistic, so there is no verdict on it.
    """
    if ours is None or paper is None or metric in _NOT_COMPARABLE:
        return Cell(ours, paper, "")
    spread = ((ours[1] or 0.0) ** 2 + (paper[1] or 0.0) ** 2) ** 0.5
    difference = ours[0] - paper[0]
    if abs(difference) <= max(2 * spread, 0.005):
        return Cell(ours, paper, "within")
    better = (difference < 0) == (metric in _SMALLER_IS_BETTER)
    return Cell(ours, paper, "better" if better else "worse")


def read_results(layout: Layout) -> Results:
    """Read what training wrote into a build's folder; a file that cannot be read is left out."""
    tables = {}
    for name in (*_TABLES, "figure4"):
        table = _whole_table(layout, name)
        if table is not None:
            tables[name] = table
    results = Results(tables=tables)
    folder = layout.experiment("table2")
    for model, row in results.rows("table2").items():
        seeds = [item["seed"] for item in row["seeds"]]
        results.curves[model] = _curves([folder / model / f"seed_{s}" / "curve.csv" for s in seeds])
    return results


def _whole_table(layout: Layout, name: str) -> dict[str, Any] | None:
    """Read a results file; None if there is none, or it is damaged."""
    try:
        if layout.made_results(name).is_file() and any(damaged(layout, f"results_{name}")):
            return None
        value = read_json(layout.result(name))
        shaped = all({"variant", "main", "test"} <= row.keys() for row in value.get("rows", []))
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return value if shaped else None


def _curves(paths: list[Path]) -> dict[str, list[list[float]]]:
    curves: dict[str, list[list[float]]] = {}
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream))
            for kind in ("train", "valid"):
                curves.setdefault(kind, []).append([float(r[f"{kind}_loss"]) for r in rows])
        except (OSError, ValueError, KeyError, csv.Error):
            continue  # the seed is being written, or was damaged: its curve is left out
    return curves


def result_tables(results: Results, slots: Collection[str]) -> list[Table]:
    """Return Table 2 with the paper's scores, and Tables 4 and 5 where they were trained.

    Parameters
    ----------
    results : Results
        What training left behind.
    slots : collection of str
        The modalities of the dataset; tasks about others are left out.
    """
    shown = ["table2", *(name for name in _TABLES[1:] if results.rows(name))]
    return [_table(results, name, slots) for name in shown]


def _left_out(
    experiment: str, rows: Mapping[str, Mapping[str, Any]], trainable: Trainable
) -> Iterator[tuple[str, str]]:
    """Yield each variant, or task of a variant, that the dataset cannot fill."""
    for absent in left_out(experiment, trainable):
        yield _title(experiment, absent["variant"]), absent["reason"]
    if experiment != "table2":
        return
    if len(trainable.modalities) == 1:
        (only,) = trainable.modalities
        yield "all models", f"they fuse modalities, and the dataset has {only} features only"
    for variant, row in rows.items():
        for task in MODELS[variant].tasks:
            if task not in row.get("tasks", MODELS[variant].tasks):
                reason = trainable.gap(task, task) or "it was not trained"
                yield f"task {task} of {MODELS[variant].title}", reason


def _by_reason(missing: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Say each reason once, after all that it explains."""
    titles: dict[str, list[str]] = {}
    for title, reason in missing:
        titles.setdefault(reason, []).append(title)
    return tuple(f"{'; '.join(found)}: {reason}" for reason, found in titles.items())


def _table(results: Results, experiment: str, slots: Collection[str]) -> Table:
    ours = results.rows(experiment)
    trained_on = results.tables.get(experiment, {}).get("labels", LABELS)
    trainable = Trainable(tuple(slots), tuple(trained_on))
    absent = {row["variant"] for row in left_out(experiment, trainable)}
    paper = {v: s for v, s in PAPER_RESULTS[experiment].items() if v not in absent}
    seeds = tuple(results.tables.get(experiment, {}).get("seeds", ()) if ours else ())
    metrics = [m for m in METRICS if experiment == "table2" or m not in ("acc3", "acc5")]
    rows = []
    for variant in dict.fromkeys([*paper, *ours]):
        # a model that learned less than the paper's of its name is not compared with it
        is_same = bool(ours.get(variant, {}).get("paper", True))
        printed = paper.get(variant, {}) if is_same else {}
        intervals = ours.get(variant, {}).get("interval", {})
        cells = [
            replace(
                compare(m, _our_score(ours.get(variant), m), _paper_score(printed, m)),
                interval=tuple(intervals[m]) if m in intervals else None,
            )
            for m in metrics
        ]
        rows.append((_title(experiment, variant), cells))
    name, head, caption = _CAPTIONS[experiment]
    return Table(
        name,
        head,
        caption,
        [METRIC_TITLES[m] for m in metrics],
        rows,
        str(results.tables.get(experiment, {}).get("preset", "")),
        seeds,
        _by_reason(_left_out(experiment, ours, trainable)),
    )


def _title(experiment: str, variant: str) -> str:
    if experiment == "table2":
        return f"{MODELS[variant].title}{' *' if MODELS[variant].multitask else ''}"
    if experiment == "table4":
        task, label = variant.split("-by-")
        return f"{task}, label {label}"
    return variant.replace("-", ", ")


def _our_score(row: Mapping[str, Any] | None, metric: str) -> Score | None:
    if row is None:
        return None
    summary = row["test"]  # one seed has no spread: its 0 must not be shown as one
    return summary["mean"][metric], summary["std"][metric] if len(row["seeds"]) > 1 else None


def _paper_score(printed: Mapping[str, float], metric: str) -> Score | None:
    return (printed[metric], printed.get(f"{metric}_std")) if metric in printed else None
