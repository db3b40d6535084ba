"""The one pool of worker processes, and how a crash is traced to its clip."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from pipeline.extractor import Extractor
from pipeline.runner.children import end_children
from pipeline.runner.plan import Step
from pipeline.runner.worker import Outcome, start_worker, work
from pipeline.stage import Build, Stage


def compute(build: Build, stage: Stage, steps: list[Step], threads: int) -> Iterator[Outcome]:
    """Compute clips beside each other, yielding each as it is finished.

    A worker that dies (a crash inside a library, the kernel's out-of-memory killer) breaks
    the pool for its neighbours too; each of those is then tried alone, and the clip that
    kills its worker again goes to quarantine.
    """
    size = stage.batch(stage.settings(build.config))
    batches = [steps[i : i + size] for i in range(0, len(steps), size)]
    crashed: list[Step] = []
    for batch, outcomes in _run(build, stage, batches, threads):
        if outcomes is None:
            crashed += batch
        else:
            yield from outcomes
    for step in crashed:
        for _, outcomes in _run(build, stage, [[step]], threads=1):
            yield from [_died(build, stage, step)] if outcomes is None else outcomes


def preload(extractor: type[Extractor]) -> None:
    """Import what every worker needs once, so that the workers share its time and memory."""
    gc.disable()  # the collector would walk thousands of new, lasting objects again and again
    try:
        for module in extractor.preload:
            importlib.import_module(module)
    finally:
        gc.freeze()  # nor should it touch, in each worker, pages shared since the fork
        gc.enable()


def _died(build: Build, stage: Stage, step: Step) -> Outcome:
    reason = f"its {stage.name} worker process died (a library crashed, or memory ran out)"
    remedy = (
        "the next build tries it again; if it dies again, play the file, re-encode the clip, "
        "or give the job more memory"
    )
    clip = step.clip.clip
    build.store.write_failure(stage.name, clip, step.key, reason, remedy, passing=True)
    return Outcome(step, reason, remedy)


def _run(
    build: Build, stage: Stage, batches: list[list[Step]], threads: int
) -> Iterator[tuple[list[Step], list[Outcome] | None]]:
    """Yield each batch with its outcomes, or with None when its worker died."""
    if not batches:
        return
    workers = max(1, min(threads, len(batches)))
    preload(stage.extractor(stage.settings(build.config)))
    # fork: a Snakemake script has no main module that a spawned worker could import. Models
    # are loaded, and threads and CUDA started, after the fork only
    executor = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("fork"),
        start_worker,
        (build, stage, max(1, threads // workers)),
    )
    running: dict[Future[list[Outcome]], list[Step]] = {}
    queue = batches[::-1]
    try:
        while queue or running:
            while queue and len(running) < workers:
                batch = queue.pop()
                try:
                    running[executor.submit(work, batch)] = batch
                except BrokenProcessPool:
                    yield batch, None
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                batch = running.pop(future)
                try:
                    yield batch, future.result()
                except BrokenProcessPool:
                    yield batch, None
    finally:
        if running:  # the build stops: do not wait for clips that nobody will record
            end_children()
        executor.shutdown(cancel_futures=True)
