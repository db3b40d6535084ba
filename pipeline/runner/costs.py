"""What each job cost: a line on the console, a line in ``logs/runs.jsonl`` for the report."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path


def note_run(processed: Path, stage: str, shard: str, computed: int, seconds: float) -> None:
    """Add a job to ``logs/runs.jsonl``: its stage, clips computed, wall time, peak memory."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in whose)
    run = {
        "stage": stage,
        "shard": shard,
        "computed": computed,
        "seconds": round(seconds, 2),
        "peak_mb": round(peak / 1024, 1),
    }
    path = processed / "logs" / "runs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(run) + "\n")


def tell(words: str) -> None:
    """Write a line to the console, whatever Snakemake is told to be quiet about."""
    print(words, file=sys.stderr, flush=True)
