"""The cost of each job: a line on the console, and one in ``logs/runs.jsonl`` for the report."""

from __future__ import annotations

import json
import resource

from pipeline.store.layout import Layout


def note_run(layout: Layout, stage: str, shard: str, computed: int, seconds: float) -> None:
    """Add a job to ``logs/runs.jsonl``: stage, clips computed, wall and CPU time, peak memory.

    The CPU time is that of the job and of its workers that have ended.
    """
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    peak = max(each.ru_maxrss for each in used)
    run = {
        "stage": stage,
        "shard": shard,
        "computed": computed,
        "seconds": round(seconds, 2),
        "cpu": round(sum(each.ru_utime + each.ru_stime for each in used), 2),
        "peak_mb": round(peak / 1024, 1),
    }
    layout.logs.mkdir(parents=True, exist_ok=True)
    with layout.runs.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(run) + "\n")
