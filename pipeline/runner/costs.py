"""The cost of each job: a line on the console, and one in ``logs/runs.jsonl`` for the report."""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping

from pipeline.store.layout import Layout


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(each.ru_utime + each.ru_stime for each in _used())


def _used() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def note_run(
    layout: Layout,
    stage: str,
    shard: str,
    computed: int,
    seconds: float,
    on_the_way: Mapping[str, tuple[int, float]] | None = None,
) -> None:
    """Add a job to ``logs/runs.jsonl``: stage, clips computed, wall and CPU time, peak memory.

    The CPU time is that of the job and of its workers that have ended. A stage that the job
    computed on the way has a line of its own, with its part of the job's time. The memory is that
    of the largest process; pictures that are held in memory belong to none.

    Parameters
    ----------
    layout : Layout
        The build's folder.
    stage, shard : str
        The job.
    computed : int
        Clips that it computed.
    seconds : float
        How long it took.
    on_the_way : mapping of str to tuple, optional
        For each stage that it computed on the way, the number of clips and the CPU time.
    """
    cpu, peak = cpu_seconds(), max(each.ru_maxrss for each in _used())
    parts = dict(on_the_way or {})
    parts[stage] = (computed, max(0.0, cpu - sum(part for _, part in parts.values())))
    layout.logs.mkdir(parents=True, exist_ok=True)
    with layout.runs.open("a", encoding="utf-8") as stream:
        for name, (clips, used) in parts.items():
            run = {
                "stage": name,
                "shard": shard,
                "computed": clips,
                "seconds": round(seconds * used / max(cpu, 1e-9), 2),
                "cpu": round(used, 2),
                "peak_mb": round(peak / 1024, 1),
            }
            stream.write(json.dumps(run) + "\n")
