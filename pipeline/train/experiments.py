"""What each experiment of the paper trains: variants of (model, tasks, labels, hyper-parameters).

Light to import: rules are made from it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.corpus import LABELS, MODALITIES, MODALITY_OF, PAPER_TABLE1
from pipeline.errors import BuildError
from pipeline.runner.demands import asked_minutes
from pipeline.train.hyper import Hyper, overlay
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.settings import TrainSettings

TABLE4 = tuple((task, label) for task in ("A", "V", "T") for label in (task, "M"))
TABLE5 = ("M", "MT", "MA", "MV", "MTA", "MTV", "MAV", "MTAV")

_USUAL_EPOCHS = 60
"""More than the models took (docs/models.md: 13 to 48) before their valid loss stopped falling."""

_PRESETS_COST = {"paper": 1.0, "published": 2.5}
"""At most so many times as much time per epoch (docs/reproducing.md)."""


@dataclass(frozen=True)
class Trainable:
    """What a dataset can teach.

    Parameters
    ----------
    modalities : tuple of str
        Those that it has features of.
    labels : tuple of str
        Those that enough clips of each part have, to be learned and scored.
    """

    modalities: tuple[str, ...] = MODALITIES
    labels: tuple[str, ...] = LABELS

    def gap(self, task: str, label: str) -> str | None:
        """Return why a task cannot learn a label here, or None if it can."""
        modality = MODALITY_OF.get(task)
        if modality is not None and modality not in self.modalities:
            return f"the dataset has no {modality} features"
        if label not in self.labels:
            return f"too few clips have the label {label}"
        return None


EVERYTHING = Trainable()
"""All three modalities, and all four labels."""


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
    """Return the models that each experiment trains, one job per model."""
    found: dict[str, tuple[str, ...]] = {}
    if {"table2", "figure4"} & set(settings.experiments):
        found["table2"] = tuple(sorted(set(settings.models), key=list(MODELS).index))
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


def variants(
    experiment: str,
    model: str,
    settings: TrainSettings,
    trainable: Trainable = EVERYTHING,
) -> list[Variant]:
    """Return what one job trains: every variant of `model` in `experiment`.

    Parameters
    ----------
    experiment : str
        table2, table4, table5 or search.
    model : str
        A model name.
    settings : TrainSettings
        Seeds and hyper-parameters.
    trainable : Trainable
        What the dataset can teach. Unimodal tasks whose modality or label it lacks are
        dropped from multi-task models, and so are the variants of Tables 4 and 5 that name
        one (`left_out` lists them).

    Raises
    ------
    BuildError
        If the experiment fuses modalities and the dataset has a single one.
    """
    if experiment != "table4" and len(trainable.modalities) < 2:
        raise BuildError(
            f"{experiment} trains models that fuse two or three modalities; the dataset has "
            f"{' and '.join(trainable.modalities)} only",
            "train the unimodal tasks (train.experiments=[table4]), or give features.text, "
            "features.audio or features.vision a stage and build the dataset again",
        )
    if experiment == "search":
        return list(_grid(model, settings, trainable))
    if experiment == "table2":
        named = {model: _own(tasks_of(model, trainable))}
    else:
        named = {
            name: labels
            for name, labels in _rows_of(experiment).items()
            if not _gaps(labels, trainable)
        }
    hyper = settings.resolved_hyper(model)
    return [
        Variant(experiment, name, model, labels, hyper, settings.seeds, {})
        for name, labels in named.items()
    ]


def left_out(experiment: str, trainable: Trainable) -> list[dict[str, str]]:
    """Return the rows of Tables 4 and 5 that a dataset cannot fill: ``variant``, ``reason``."""
    gaps = {name: _gaps(labels, trainable) for name, labels in _rows_of(experiment).items()}
    return [
        {"variant": name, "reason": "; ".join(reasons)} for name, reasons in gaps.items() if reasons
    ]


def tasks_of(model: str, trainable: Trainable) -> tuple[str, ...]:
    """Return the tasks that a model learns from a dataset, M first."""
    # M always: without enough of these labels nothing can be trained, which is an error
    return tuple(t for t in MODELS[model].tasks if t == "M" or trainable.gap(t, t) is None)


def _rows_of(experiment: str) -> dict[str, dict[str, str]]:
    """Return the labels of each task, by row of Table 4 or 5."""
    if experiment == "table4":
        return {f"{task}-by-{label}": {task: label} for task, label in TABLE4}
    if experiment == "table5":
        return {"-".join(tasks): _own(tuple(tasks)) for tasks in TABLE5}
    return {}


def _gaps(labels: Mapping[str, str], trainable: Trainable) -> list[str]:
    """Return each reason why some task cannot learn its label, once; M is always learned."""
    found = [trainable.gap(t, label) for t, label in labels.items() if label != "M" or t != "M"]
    return list(dict.fromkeys(reason for reason in found if reason))


def _own(tasks: tuple[str, ...]) -> dict[str, str]:
    return {task: task for task in tasks}


def _grid(model: str, settings: TrainSettings, trainable: Trainable) -> Iterator[Variant]:
    tasks = tasks_of(model, trainable)
    # sorted: a point keeps its number however the grid is written
    asked = sorted(settings.search.values.items())
    grid = {k: v for k, v in asked if not k.startswith("alpha.") or _weighs(k, tasks)}
    for number, values in enumerate(itertools.product(*grid.values())):
        choice = dict(zip(grid, values, strict=True))
        overrides = overlay(settings.hyper.get(model, {}), choice)
        yield Variant(
            "search",
            f"{model}-{number:03d}",
            model,
            _own(tasks),
            hyper_for(model, settings.preset, overrides),
            settings.search.seeds,
            choice,
        )


def _weighs(name: str, tasks: tuple[str, ...]) -> bool:
    """Tell whether ``alpha.TASK`` changes the loss of these tasks."""
    return len(tasks) > 1 and name.removeprefix("alpha.") in tasks


def weights_mb(settings: TrainSettings) -> float:
    """Return about how much disk the weights of all seeds take, in MB."""
    models = trained_experiments(settings).get("table2", ())
    return sum(MODELS[model].weights_mb for model in models) * len(settings.seeds)


def job_memory(model: str, threads: int) -> int:
    """Estimate a job's memory in MB: features once, weights and activations for each seed."""
    return 2500 + MODELS[model].seed_mb * processes_for(model, threads)


def job_minutes(
    settings: TrainSettings, experiment: str, model: str, clips: int, threads: int, attempt: int
) -> int:
    """Return the time limit of a job that trains a model, from its measured seconds per epoch.

    Parameters
    ----------
    settings : TrainSettings
        Seeds and limits.
    experiment, model : str
        What the job trains.
    clips : int
        Clips of the corpus.
    threads : int
        Cores of the job; each trains one seed at a time.
    attempt : int
        1 for the first run. A retry goes on from the last epochs that were stored.
    """
    trainings = sum(len(each.seeds) for each in variants(experiment, model, settings))
    epochs = min(settings.max_epochs, _USUAL_EPOCHS)
    epoch = MODELS[model].epoch_seconds * _PRESETS_COST[settings.preset]
    turns = math.ceil(trainings / threads)
    return asked_minutes(turns * epochs * epoch * clips / PAPER_TABLE1.clips, attempt)


def processes_for(model: str, cores: int) -> int:
    """Return how many seeds to hold in memory at once: more than cores where they are small.

    They take turns (`pipeline.train.turns`), so that the cores are busy for longer.
    """
    return cores if MODELS[model].large else 2 * cores + 1
