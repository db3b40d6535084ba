"""What each experiment of the paper trains: variants of (model, tasks, labels, hyper-parameters).

Light to import: rules are made from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.train.hyper import TASKS, Hyper, hyper_for, overlay
from pipeline.train.settings import TrainSettings

TITLES = {
    "ef_lstm": "EF-LSTM",
    "mfn": "MFN",
    "mult": "MULT",
    "lf_dnn": "LF-DNN",
    "mlf_dnn": "MLF-DNN",
    "lmf": "LMF",
    "mlmf": "MLMF",
    "tfn": "TFN",
    "mtfn": "MTFN",
}
"""Names in the paper, in the order of its Table 2."""
MULTITASK = ("mlf_dnn", "mlmf", "mtfn")
TABLE4 = tuple((task, label) for task in ("A", "V", "T") for label in (task, "M"))
TABLE5 = ("M", "MT", "MA", "MV", "MTA", "MTV", "MAV", "MTAV")
FIGURE4 = (("lf_dnn", "mlf_dnn"), ("tfn", "mtfn"), ("lmf", "mlmf"))
"""Single-task models and their multi-task kin."""


@dataclass(frozen=True)
class Variant:
    """One row of a table, before its seeds.

    Parameters
    ----------
    experiment, name : str
        E.g. ``table5`` and ``M-T-A``; together they name the folder.
    model : str
        A model name.
    labels : dict of str to str
        The label each task learns; its keys are the tasks, the first one the main task.
    hyper : Hyper
        Hyper-parameters.
    seeds : tuple of int
        Seeds.
    choice : dict
        The grid point, in a search.
    """

    experiment: str
    name: str
    model: str
    labels: dict[str, str]
    hyper: Hyper
    seeds: tuple[int, ...]
    choice: dict[str, Any]


def trained_experiments(settings: TrainSettings) -> dict[str, tuple[str, ...]]:
    """Return the models that each experiment trains: one job each."""
    found: dict[str, tuple[str, ...]] = {}
    if {"table2", "figure4"} & set(settings.experiments):
        found["table2"] = tuple(sorted(set(settings.models), key=list(TITLES).index))
    for table in ("table4", "table5"):
        if table in settings.experiments:
            found[table] = ("mlf_dnn",)
    if "search" in settings.experiments:
        found["search"] = tuple(dict.fromkeys(settings.search.models))
    return found


def results_of(settings: TrainSettings) -> tuple[str, ...]:
    """Return the experiments that leave a results file, in the paper's order."""
    order = ("table2", "table4", "table5", "figure2", "figure4", "search")
    wanted = {*settings.experiments, *trained_experiments(settings)}
    return tuple(name for name in order if name in wanted)


def variants(experiment: str, model: str, settings: TrainSettings) -> list[Variant]:
    """Return what one job trains: every variant of `model` in `experiment`."""
    if experiment == "search":
        return list(_grid(model, settings))
    hyper = settings.resolved_hyper(model)  # type: ignore[arg-type]  # a name from the settings
    named: list[tuple[str, dict[str, str]]]
    if experiment == "table2":
        named = [(model, _own(TASKS if model in MULTITASK else ("M",)))]
    elif experiment == "table4":
        named = [(f"{task}-by-{label}", {task: label}) for task, label in TABLE4]
    else:
        named = [("-".join(tasks), _own(tuple(tasks))) for tasks in TABLE5]
    return [
        Variant(experiment, name, model, labels, hyper, settings.seeds, {})
        for name, labels in named
    ]


def _own(tasks: tuple[str, ...]) -> dict[str, str]:
    return {task: task for task in tasks}


def _grid(model: str, settings: TrainSettings) -> Iterator[Variant]:
    tasks: tuple[str, ...] = TASKS if model in MULTITASK else ("M",)
    # sorted: a point keeps its number however the grid is written
    asked = sorted(settings.search.values.items())
    grid = {k: v for k, v in asked if len(tasks) > 1 or "alpha" not in k}
    for number, values in enumerate(itertools.product(*grid.values())):
        choice = dict(zip(grid, values, strict=True))
        overrides = overlay(settings.hyper.get(model, {}), choice)  # type: ignore[call-overload]  # as above
        yield Variant(
            "search",
            f"{model}-{number:03d}",
            model,
            _own(tasks),
            hyper_for(model, settings.preset, overrides),
            settings.search.seeds,
            choice,
        )


_SEED_MB = {"tfn": 1500, "mtfn": 4500, "mult": 3000, "ef_lstm": 500, "mfn": 400}
"""What a seed's process needs in memory beside the features; the models not named, 200."""
_LARGE = {"tfn", "mtfn", "mult"}


_WEIGHTS_MB = {"tfn": 143, "mtfn": 564}
"""Size of a seed's weights on disk; those of the models not named are below 8 MB."""


def weights_mb(settings: TrainSettings) -> float:
    """Return about how much disk the weights of all seeds take, in MB."""
    models = trained_experiments(settings).get("table2", ())
    return sum(_WEIGHTS_MB.get(model, 8) for model in models) * len(settings.seeds)


def job_memory(model: str, threads: int) -> int:
    """Estimate a job's memory in MB: features once, weights and activations for each seed."""
    return 2500 + _SEED_MB.get(model, 200) * processes_for(model, threads)


def processes_for(model: str, cores: int) -> int:
    """Return how many seeds to hold in memory at once: more than cores where they are small.

    They take turns (`pipeline.train.turns`), so that the cores are busy for longer.
    """
    return cores if model in _LARGE else 2 * cores + 1
