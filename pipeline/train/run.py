"""One job: train every variant and seed of a model, several at a time.

Each seed leaves its folder when it is done. A job that is killed loses at most the seconds since
each seed in hand was stored (`pipeline.train.checkpoint`).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from typing import Any

import torch

from pipeline.config import Config
from pipeline.extractor import pick_device
from pipeline.runner.children import end_children, end_with_parent
from pipeline.runner.threads import keep_freed_memory
from pipeline.store.files import write_json
from pipeline.store.made import check_made
from pipeline.train.content import trainable_in
from pipeline.train.data import Corpus
from pipeline.train.experiments import left_out, processes_for, variants
from pipeline.train.models import build_model, network_of
from pipeline.train.progress import EpochBars
from pipeline.train.read import load_corpus
from pipeline.train.registry import MODELS
from pipeline.train.seed import Seed, remove_parts, seed_of, write_seed
from pipeline.train.stored import seed_fault, stored_key
from pipeline.train.trainer import Fit, fit, seed_everything
from pipeline.train.turns import Turns

log = logging.getLogger(__name__)


def _remove_checkpoints(seeds: Sequence[Seed], todo: Sequence[Seed]) -> None:
    """Remove the checkpoints of seeds that are done, or that the settings no longer name.

    Also what safetensors had written of one when the process was killed: it fills a temporary file
    of its own and then renames it.
    """
    needed = {seed.checkpoint().path for seed in todo}
    for folder in {seed.folder.parent for seed in seeds}:
        for path in (*folder.glob("checkpoint_*.safetensors"), *folder.glob(".tmp*")):
            if path not in needed:
                path.unlink(missing_ok=True)


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
    form = network_of(model).form(recipe)
    check_made(config.layout, "dataset", config.store.latency_wait)
    corpus = load_corpus(config.layout.dataset, form, recipe, settings.memory_gb)
    root = config.layout.experiments
    trainable = trainable_in(config.layout.dataset)
    seeds = [
        seed_of(variant, seed, corpus, config, root)
        for variant in variants(experiment, model, settings, trainable)
        for seed in variant.seeds
    ]
    for row in left_out(experiment, trainable):
        log.info("%s: %s is left out: %s", experiment, row["variant"], row["reason"])
    for task in MODELS[model].tasks if experiment == "table2" else ():
        if reason := trainable.gap(task, task):
            log.info("%s: task %s of %s is left out: %s", experiment, task, model, reason)
    for labels in {tuple(seed.plan.labels.items()) for seed in seeds}:
        corpus.check_labels(dict(labels))
    todo = [s for s in seeds if stored_key(s.folder) != s.key or seed_fault(s.folder)]
    _remove_checkpoints(seeds, todo)
    log.info("%s %s: %d seeds, %d to train", experiment, model, len(seeds), len(todo))
    start = time.perf_counter()
    _train_all(todo, corpus, pick_device(settings.device, "train.device"), jobs)
    if todo:
        log.info("%s %s: %.1f s", experiment, model, time.perf_counter() - start)
    keys = {f"{seed.variant.name}/{seed.folder.name}": seed.key for seed in seeds}
    write_json(root / experiment / f"{model}.json", keys)
    return keys


def _train_all(todo: list[Seed], corpus: Corpus, device: torch.device, jobs: int) -> None:
    keep_freed_memory()
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
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # its first use imports a compiler
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
                for seed in todo:
                    remove_parts(seed)
                raise
    _shared.clear()


def _start_training() -> None:
    """Prepare a process of the pool: its parent alone decides when it stops."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # an exception would only end the seed in hand
    end_with_parent()


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
    """Train one seed, from its last stored epoch if there is one, and write its folder whole."""
    plan = seed.plan
    seed_everything(plan.seed)
    model = build_model(
        seed.variant.model, plan.hyper, corpus.inputs, tuple(plan.labels), plan.recipe
    )
    model.to(device)
    began = time.time()
    checkpoint = seed.checkpoint()
    fitted = fit(model, corpus, plan, device, on_epoch, checkpoint)
    log.info(
        "%s: best epoch %d of %d, %.2f s, first step after %.2f s at %.2f",
        _title(seed),
        fitted.best_epoch,
        fitted.epochs,
        fitted.seconds,
        fitted.first_batch,
        began + fitted.first_batch,
    )
    write_seed(seed, corpus, model, fitted, device)
    checkpoint.remove()
    return fitted
