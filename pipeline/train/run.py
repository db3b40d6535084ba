"""One job: train every variant and seed of a model, several at a time, and keep what they leave.

Each seed's folder is made under a temporary name and renamed when it is whole, so a job
that is killed loses the seeds in hand and no others.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import io
import json
import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.children import end_children, end_with_parent
from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.store import digest, package_versions, write_json
from pipeline.train.data import Corpus
from pipeline.train.experiments import Variant, processes_for, variants
from pipeline.train.lstm import load_kernel
from pipeline.train.metrics import EDGES, confusion, recalls, scores, warnings_of
from pipeline.train.models import MODELS, build_model
from pipeline.train.models.base import SentimentModel
from pipeline.train.progress import EpochBars
from pipeline.train.read import load_corpus
from pipeline.train.trainer import Fit, Plan, fit, pick_device, predict, seed_everything
from pipeline.train.turns import Turns

VERSION = 4
"""Raised by hand whenever the same dataset and settings would train another model."""

_DECIDING = ("torch", "numba")
"""Packages whose versions decide the numbers: another version trains again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seed:
    """One training to be done: a variant with its seed, its folder and its key."""

    variant: Variant
    plan: Plan
    folder: Path
    key: str
    preset: str


def train_model(config: Config, experiment: str, model: str, jobs: int = 1) -> dict[str, str]:
    """Train all variants and seeds of a model in an experiment that are not yet there.

    Parameters
    ----------
    config : Config
        The checked configuration.
    experiment : str
        table2, table4, table5 or search.
    model : str
        A model name.
    jobs : int
        Cores to use: as many seeds are trained at a time, each in a process with one thread.

    Returns
    -------
    dict of str to str
        Key of each seed's folder, also written to ``experiments/EXPERIMENT/MODEL.json``.

    Raises
    ------
    BuildError
        If the dataset cannot be used, or labels that a task needs are missing.
    """
    settings = config.train
    recipe = settings.resolved_recipe()
    form = MODELS[model].form(recipe)
    corpus = load_corpus(config.processed / "dataset.h5", form, recipe, settings.memory_gb)
    root = config.processed / "experiments"
    seeds = [
        _seed(variant, seed, corpus, config, root)
        for variant in variants(experiment, model, settings)
        for seed in variant.seeds
    ]
    for labels in {tuple(seed.plan.labels.items()) for seed in seeds}:
        corpus.check_labels(dict(labels))
    todo = [seed for seed in seeds if stored_key(seed.folder) != seed.key]
    log.info("%s %s: %d seeds, %d to train", experiment, model, len(seeds), len(todo))
    start = time.perf_counter()
    _train_all(todo, corpus, pick_device(settings.device), jobs)
    if todo:
        log.info("%s %s: %.1f s", experiment, model, time.perf_counter() - start)
    keys = {f"{seed.variant.name}/{seed.folder.name}": seed.key for seed in seeds}
    write_json(root / experiment / f"{model}.json", keys)
    return keys


def stored_key(folder: Path) -> str | None:
    """Return the key of a finished seed's folder, or None."""
    try:
        key: str = json.loads((folder / "metrics.json").read_text("utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return key


def _seed(variant: Variant, seed: int, corpus: Corpus, config: Config, root: Path) -> Seed:
    settings = config.train
    plan = Plan(
        variant.labels,
        variant.hyper,
        settings.resolved_recipe(),
        seed,
        settings.max_epochs,
        settings.patience,
    )
    key = digest(
        {
            "dataset": corpus.digest,
            "model": variant.model,
            **_described(plan),
            "version": VERSION,
            **package_versions(_DECIDING),
        }
    )
    folder = root / variant.experiment / variant.name / f"seed_{seed}"
    return Seed(variant, plan, folder, key, settings.preset)


def _described(plan: Plan) -> dict[str, Any]:
    return {
        "labels": list(plan.labels.items()),
        "hyper": plan.hyper.defining(),
        "recipe": plan.recipe.defining(),
        "seed": plan.seed,
        "max_epochs": plan.max_epochs,
        "patience": plan.patience,
    }


def _train_all(todo: list[Seed], corpus: Corpus, device: torch.device, jobs: int) -> None:
    _keep_freed_memory()
    jobs = min(jobs, len(todo)) if device.type == "cpu" and hasattr(os, "fork") else 1
    if jobs <= 1:
        with EpochBars([_title(seed) for seed in todo]) as bars:
            for number, seed in enumerate(todo):
                train_seed(seed, corpus, device, bars.reporter(number))
                bars.refresh()
        return
    # forked, so that torch is imported once and all seeds share the features' memory
    context = multiprocessing.get_context("fork")
    torch.set_num_threads(1)
    load_kernel()
    processes = min(len(todo), processes_for(todo[0].variant.model, jobs))
    with EpochBars([_title(seed) for seed in todo], context) as bars:
        turns = Turns(context, jobs, len(todo))
        _shared.update(corpus=corpus, device=device, todo=todo, bars=bars, turns=turns)
        with ProcessPoolExecutor(processes, context, _start_training) as pool:
            try:
                _watch([pool.submit(_train_shared, number) for number in range(len(todo))], bars)
            except BaseException:  # the job stops: finished seeds stay, the others are not awaited
                end_children()
                pool.shutdown(cancel_futures=True)
                raise
    _shared.clear()


def _start_training() -> None:
    """Prepare a process of the pool: its parent alone decides when it stops."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # an exception would only end the seed in hand
    end_with_parent()


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed: each step of training asks for the same again.

    Given back to the system, it comes as fresh pages that cost up to a third of a step.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library decides for itself
        libc = ctypes.CDLL(None)
        for parameter in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            libc.mallopt(parameter, 2**30)


_shared: dict[str, Any] = {}


def _train_shared(number: int) -> None:
    seed = _shared["todo"][number]
    report = _shared["bars"].reporter(number)
    with _shared["turns"].taken(number) as offer:

        def on_epoch(epoch: int) -> None:
            report(epoch)
            offer(epoch)

        train_seed(seed, _shared["corpus"], _shared["device"], on_epoch)


def _watch(futures: Iterable[Future[None]], bars: EpochBars) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
        bars.refresh()
        for future in done:
            future.result()


def _title(seed: Seed) -> str:
    return f"{seed.variant.experiment} {seed.variant.name} seed {seed.plan.seed}"


def train_seed(
    seed: Seed, corpus: Corpus, device: torch.device, on_epoch: Callable[[int], None]
) -> Fit:
    """Train one seed and write its folder whole."""
    plan = seed.plan
    seed_everything(plan.seed)
    dims = {**corpus.dims, "text_steps": corpus.steps["text"]}
    model = build_model(seed.variant.model, plan.hyper, dims, tuple(plan.labels), plan.recipe)
    model.to(device)
    began = time.time()
    fitted = fit(model, corpus, plan, device, on_epoch)
    log.info(
        "%s: best epoch %d of %d, %.2f s, first step after %.2f s at %.2f",
        _title(seed),
        fitted.best_epoch,
        fitted.epochs,
        fitted.seconds,
        fitted.first_batch,
        began + fitted.first_batch,
    )
    for left in seed.folder.parent.glob(f".{seed.folder.name}.*.tmp"):  # by a killed process
        shutil.rmtree(left, ignore_errors=True)
    temporary = seed.folder.with_name(f".{seed.folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write(temporary, seed, corpus, model, fitted, device)
        shutil.rmtree(seed.folder, ignore_errors=True)
        temporary.replace(seed.folder)
    except OSError as error:
        raise BuildError(
            f"cannot write {seed.folder}: {error.strerror or error}", "free disk space and go on"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return fitted


def _write(
    folder: Path,
    seed: Seed,
    corpus: Corpus,
    model: SentimentModel,
    fitted: Fit,
    device: torch.device,
) -> None:
    from safetensors.torch import save_file

    plan, variant = seed.plan, seed.variant
    predicted = {part: predict(model, corpus.parts[part], device) for part in ("valid", "test")}
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()},
        folder / "weights.safetensors",
    )
    write_json(
        folder / "config.json",
        {
            "experiment": variant.experiment,
            "variant": variant.name,
            "choice": variant.choice,
            "model": variant.model,
            "preset": seed.preset,
            **_described(plan),
            "labels": plan.labels,
            "tasks": list(plan.labels),
            "dims": corpus.dims,
            "steps": corpus.steps,
            "dataset": corpus.digest,
            "version": VERSION,
            "packages": dict(package_versions((*_DECIDING, "numpy"))),
            "device": device.type,
            "key": seed.key,
        },
    )
    _write_csv(folder / "curve.csv", fitted.curve)
    _write_csv(folder / "predictions.csv", list(_prediction_rows(predicted, corpus, plan)))
    write_json(
        folder / "metrics.json",
        {
            "key": seed.key,
            "experiment": variant.experiment,
            "variant": variant.name,
            "model": variant.model,
            "tasks": list(plan.labels),
            "seed": plan.seed,
            "best_epoch": fitted.best_epoch,
            "epochs": fitted.epochs,
            "parameters": sum(p.numel() for p in model.parameters()),
            **{part: _measured(values, corpus, plan, part) for part, values in predicted.items()},
        },
    )


def scored_label(task: str, plan: Plan) -> str:
    """Return the label that a task's predictions are compared with.

    The published code compares T, A, V with M where it learns them beside M.
    """
    beside = plan.recipe.scored_on == "M" and "M" in plan.labels
    return "M" if beside else plan.labels[task]


def _measured(
    predicted: dict[str, NDArray[np.float32]], corpus: Corpus, plan: Plan, part: str
) -> dict[str, Any]:
    found = {}
    for task, values in predicted.items():
        label = scored_label(task, plan)
        truth = corpus.parts[part].labels[label].numpy()
        figures = scores(values, truth)
        if plan.recipe.rounding:
            figures = {name: round(value, 4) for name, value in figures.items()}
        matrices = {str(count): confusion(values, truth, count) for count in EDGES}
        found[task] = {
            "label": label,
            "scores": figures,
            "confusion": matrices,
            "recall": {count: recalls(matrix) for count, matrix in matrices.items()},
            "warnings": warnings_of(values, truth),
        }
    return found


def _prediction_rows(
    predicted: dict[str, dict[str, NDArray[np.float32]]], corpus: Corpus, plan: Plan
) -> Iterable[dict[str, Any]]:
    for part, by_task in predicted.items():
        held = corpus.parts[part]
        for task, values in by_task.items():
            label = scored_label(task, plan)
            for clip, truth, value in zip(
                held.clips, held.labels[label].numpy(), values, strict=True
            ):
                yield {
                    "part": part,
                    "clip": clip,
                    "task": task,
                    "label": str(truth),
                    "prediction": str(value),
                }


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), "utf-8")
