"""Tables of results, made from the seeds' files: scores, intervals, tests, the paper's numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.store.files import read_json, write_json, written_whole
from pipeline.store.made import check_made, note_made
from pipeline.train.content import trainable_in
from pipeline.train.experiments import (
    EVERYTHING,
    Trainable,
    Variant,
    left_out,
    trained_experiments,
    variants,
)
from pipeline.train.metrics import METRICS, intervals, paired_test
from pipeline.train.paper_tables import PAPER_RESULTS
from pipeline.train.registry import MODELS, kinships
from pipeline.train.stored import METRICS_FILE, check_seed


def write_results(config: Config, experiment: str) -> Path:
    """Write ``results/EXPERIMENT.json`` and ``.csv`` from the seeds' files.

    Parameters
    ----------
    config : Config
        The checked configuration.
    experiment : str
        table2, table4, table5, search, figure2 or figure4.

    Returns
    -------
    Path
        The JSON file. Scores are in percent; deviations over seeds are population deviations.

    Raises
    ------
    BuildError
        If the dataset, or a seed that the table needs, is missing or damaged.
    """
    check_made(config.layout, "dataset", config.store.latency_wait)
    if experiment == "figure2":
        from pipeline.train.figures import label_figure

        value, rows = label_figure(config.layout.dataset)
    elif experiment == "figure4":
        from pipeline.train.figures import representation_figure

        value, rows = representation_figure(config)
    else:
        value, rows = _table(config, experiment)
    target = config.layout.result(experiment)
    write_json(target, value)
    _write_csv(target.with_suffix(".csv"), rows)
    written = [target, target.with_suffix(".csv")]
    if experiment == "search":
        from pipeline.train.search import write_choice

        written.append(target.with_suffix(".yaml"))
        write_choice(written[-1], value)
    note_made(config.layout, f"results_{experiment}", written)
    return target


def _table(config: Config, experiment: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    settings = config.train
    trainable = trainable_in(config.layout.dataset)
    found: list[Variant] = [
        variant
        for model in trained_experiments(settings)[experiment]
        for variant in variants(experiment, model, settings, trainable)
    ]
    root = config.layout.experiment(experiment)
    rows = [row for variant in found for row in _rows(root, variant, settings.resamples)]
    if trainable != EVERYTHING:
        for row in rows:
            if not _is_of_the_paper(experiment, row, trainable):
                row["paper"] = {}
    value: dict[str, Any] = {
        "experiment": experiment,
        "preset": settings.preset,
        "recipe": settings.resolved_recipe().defining(),
        "unit": "percent",
        "metrics": list(METRICS),
        "seeds": sorted({seed for variant in found for seed in variant.seeds}),
        "settings": settings.defining(),
        "modalities": list(trainable.modalities),
        "labels": list(trainable.labels),
        "left_out": left_out(experiment, trainable),
        "dataset": _dataset_of(root / found[0].name / f"seed_{found[0].seeds[0]}"),
        "rows": rows,
    }
    if experiment == "search":
        from pipeline.train.search import choose

        value["chosen"] = choose(rows)
    else:
        value["comparisons"] = _comparisons(root, found, settings.resamples)
    return value, [_flat(row, experiment) for row in rows]


def _is_of_the_paper(experiment: str, row: Mapping[str, Any], trainable: Trainable) -> bool:
    """Tell whether a model reads and learns all that the paper's model of this name does."""
    if "M" not in row["tasks"]:  # Table 4: one modality each
        return True
    learns_all = experiment != "table2" or len(row["tasks"]) == len(MODELS[row["model"]].tasks)
    return learns_all and len(trainable.modalities) == len(MODALITIES)


def _rows(root: Path, variant: Variant, resamples: int) -> Iterable[dict[str, Any]]:
    """Yield one row per task of a variant, the main task first."""
    seeds = [_seed_metrics(root / variant.name / f"seed_{seed}") for seed in variant.seeds]
    for task in variant.labels:
        row = {
            "variant": variant.name,
            "model": variant.model,
            "title": MODELS[variant.model].title,
            "multitask": len(variant.labels) > 1,
            "tasks": list(variant.labels),
            "task": task,
            "main": task == next(iter(variant.labels)),
            "trained_on": variant.labels[task],
            "choice": variant.choice,
            "parameters": seeds[0]["parameters"],
            "clips": sum(map(sum, seeds[0]["test"][task]["confusion"]["2"])),
        }
        for part in ("valid", "test"):
            row[part] = _summary([seed[part][task] for seed in seeds])
        row["label"] = row["test"].pop("label")
        row["valid"].pop("label")
        row["seeds"] = [
            {
                "seed": seed["seed"],
                "best_epoch": seed["best_epoch"],
                "epochs": seed["epochs"],
                **{name: 100 * seed["test"][task]["scores"][name] for name in METRICS},
            }
            for seed in seeds
        ]
        truth, predicted = _predictions(root, variant, task)
        row["interval"] = {
            name: [100 * low, 100 * high]
            for name, (low, high) in intervals(predicted, truth, resamples).items()
        }
        row["paper"] = PAPER_RESULTS.get(variant.experiment, {}).get(variant.name, {})
        if not row["main"]:
            row["paper"] = {}
        yield row


def _summary(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """Pool seeds: mean and deviation of scores, sums of confusions, mean recalls."""
    values = {name: [100 * task["scores"][name] for task in tasks] for name in METRICS}
    matrices = {
        count: np.sum([task["confusion"][count] for task in tasks], axis=0).tolist()
        for count in tasks[0]["confusion"]
    }
    return {
        "label": tasks[0]["label"],
        "mean": {name: float(np.mean(found)) for name, found in values.items()},
        "std": {name: float(np.std(found)) for name, found in values.items()},
        "confusion": matrices,
        "recall": {
            count: np.mean([task["recall"][count] for task in tasks], axis=0).tolist()
            for count in matrices
        },
        "warnings": sorted({warning for task in tasks for warning in task["warnings"]}),
    }


def _dataset_of(folder: Path) -> str:
    """Return the digest of the dataset that a seed was trained on."""
    return str(read_json(folder / "config.json")["dataset"])


def _seed_metrics(folder: Path) -> dict[str, Any]:
    check_seed(folder)
    metrics: dict[str, Any] = read_json(folder / METRICS_FILE)
    return metrics


def _predictions(
    root: Path, variant: Variant, task: str
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Return a task's test labels ``[N]`` and each seed's predictions ``[N]`` of labelled clips."""
    truth: list[float] = []
    by_seed = []
    for seed in variant.seeds:
        path = root / variant.name / f"seed_{seed}" / "predictions.csv"
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [
                (float(row["label"]), float(row["prediction"]))
                for row in csv.DictReader(stream)
                if row["part"] == "test" and row["task"] == task and row["label"]
            ]
        truth = [label for label, _ in rows]
        by_seed.append(np.array([value for _, value in rows], np.float32))
    return np.array(truth, np.float32), by_seed


def _comparisons(root: Path, found: list[Variant], resamples: int) -> list[dict[str, Any]]:
    """Compare multi-task models with their single-task kin, or task subsets with M alone."""
    by_name = {variant.name: variant for variant in found}
    experiment = found[0].experiment if found else ""
    if experiment == "table2":
        pairs = [(multi, single) for single, multi in kinships()]
    elif experiment == "table5":
        pairs = [(variant.name, "M") for variant in found if variant.name != "M"]
    else:
        pairs = []
    rows = []
    for first, second in pairs:
        if first in by_name and second in by_name:
            truth, ours = _predictions(root, by_name[first], "M")
            _, theirs = _predictions(root, by_name[second], "M")
            tests = paired_test(ours, theirs, truth, resamples)
            for name, test in tests.items():
                rows.append(
                    {
                        "first": first,
                        "second": second,
                        "metric": name,
                        "difference": 100 * test["difference"],
                        "p": test["p"],
                    }
                )
    return rows


def _flat(row: dict[str, Any], experiment: str) -> dict[str, Any]:
    named = ("variant", "title", "task", "label", "parameters")
    flat = {name: row[name] for name in named}
    flat["trained_on"] = row["trained_on"]
    for name in METRICS:
        flat[name] = f"{row['test']['mean'][name]:.2f}"
        flat[f"{name}_std"] = f"{row['test']['std'][name]:.2f}"
        flat[f"{name}_low"], flat[f"{name}_high"] = (f"{v:.2f}" for v in row["interval"][name])
        flat[f"{name}_valid"] = f"{row['valid']['mean'][name]:.2f}"
        flat[f"{name}_paper"] = row["paper"].get(name, "")
    if experiment == "search":  # the valid part decides: test scores must not be taken for its own
        flat = {_of_test(name): value for name, value in flat.items()}
    return {**flat, **row["choice"]}


def _of_test(column: str) -> str:
    """Name the column of a test score as one: ``acc2`` becomes ``acc2_test``."""
    metric, _, kind = column.partition("_")
    if metric not in METRICS or kind in ("valid", "paper"):
        return column
    return f"{metric}_test_{kind}" if kind else f"{metric}_test"


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
