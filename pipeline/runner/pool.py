"""The pool of worker processes, and tracing a crash to its clip."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from functools import partial

from pipeline.extractor import Extractor
from pipeline.runner.crew import Died, work_off
from pipeline.runner.numba_cache import claim_numba_cache
from pipeline.runner.plan import Step
from pipeline.runner.worker import Outcome, start_worker
from pipeline.stage import Build, Stage


def compute(build: Build, stage: Stage, steps: list[Step], threads: int) -> Iterator[Outcome]:
    """Compute clips in parallel and yield each outcome when it is ready.

    The clips of a worker that dies (a crash in a library, the kernel's out-of-memory killer) are
    retried one by one, and a clip that kills its worker again is quarantined.
    """
    batches = in_batches(stage, stage.batch(stage.settings(build.config)), steps)
    crashed: list[Step] = []
    for batch, outcomes in _run(build, stage, batches, threads):
        if isinstance(outcomes, Died):
            crashed += batch
        else:
            yield from outcomes
    for step in crashed:
        for _, outcomes in _run(build, stage, [[step]], threads=1):
            if isinstance(outcomes, Died):
                outcomes = [_died(build, stage, step)]
            yield from outcomes


def in_batches(stage: Stage, size: int, steps: list[Step]) -> list[list[Step]]:
    """Divide clips into batches of at most `size` clips and ``stage.batch_seconds`` seconds."""
    batches: list[list[Step]] = []
    seconds = 0.0
    for step in steps:
        seconds += step.clip.seconds
        if not batches or len(batches[-1]) == size or seconds > stage.batch_seconds:
            batches.append([])
            seconds = step.clip.seconds
        batches[-1].append(step)
    return batches


def preload(extractor: type[Extractor]) -> None:
    """Import what every worker needs once, so that the workers share the time and the memory."""
    if extractor.preload:
        claim_numba_cache()  # what is compiled here, the workers share
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
    return Outcome(step, reason, remedy, stage=stage.name)


def _run(
    build: Build, stage: Stage, batches: list[list[Step]], threads: int
) -> Iterator[tuple[list[Step], list[Outcome] | Died]]:
    """Yield each batch with its outcomes."""
    if not batches:
        return
    workers = max(1, min(threads, len(batches)))
    # models are loaded, and threads and CUDA started, only after the fork
    preload(stage.extractor(stage.settings(build.config)))
    yield from work_off(
        batches, workers, partial(start_worker, build, stage, max(1, threads // workers))
    )
