"""The pool of worker processes, and tracing a crash to its clip."""

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
    """Compute clips in parallel and yield each outcome when it is ready.

    A worker that dies (a crash in a library, the kernel's out-of-memory killer) breaks the whole
    pool. The clips in progress are then retried alone, and a clip that kills its worker again is
    quarantined.
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
    """Import what every worker needs once, so that the workers share the time and the memory."""
    gc.disable()  # else the collector would visit thousands of new, permanent objects repeatedly
    try:
        for module in extractor.preload:
            importlib.import_module(module)
    finally:
        gc.freeze()  # and would touch, in each worker, the pages shared by the fork
        gc.enable()


def _died(build: Build, stage: Stage, step: Step) -> Outcome:
    reason = f"its {stage.name} worker process died (a library crashed, or memory ran out)"
    remedy = (
        "the next build retries it; if it dies again, play the file, re-encode the clip, "
        "or give the job more memory"
    )
    clip = step.clip.clip
    build.store.write_failure(stage.name, clip, step.key, reason, remedy, passing=True)
    return Outcome(step, reason, remedy)


def _run(
    build: Build, stage: Stage, batches: list[list[Step]], threads: int
) -> Iterator[tuple[list[Step], list[Outcome] | None]]:
    """Yield each batch with its outcomes, or with None if its worker died."""
    if not batches:
        return
    workers = max(1, min(threads, len(batches)))
    preload(stage.extractor(stage.settings(build.config)))
    # fork: a Snakemake script has no main module that a spawned worker could import. Models are
    # loaded, and threads and CUDA started, only after the fork
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
        if running:  # the build stops: do not wait for clips that no one will record
            end_children()
        executor.shutdown(cancel_futures=True)
