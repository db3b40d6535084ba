"""What a job asks of a cluster: minutes and GPUs (`pipeline.runner.jobs` has the memory)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.runner.jobs import clips_there
from pipeline.stage import Stage

_STARTING_MINUTES = 10
"""For a cold file system, on which importing torch alone can take minutes."""

_MARGIN = 4
"""How many times the measured time is asked for: another machine may be slower, or shared."""

_MOST_MINUTES = 24 * 60
"""Many partitions refuse more. What does not fit goes on from where it was, on a retry."""


def asked_minutes(seconds: float, attempt: int = 1) -> int:
    """Return the time limit of a job that was measured to take so many seconds.

    Parameters
    ----------
    seconds : float
        Of computing, on all cores of the job.
    attempt : int
        1 for the first run, 2 for the first retry ...; each asks for more.

    Examples
    --------
    >>> asked_minutes(600), asked_minutes(600, attempt=2)
    (50, 100)
    """
    first = math.ceil(_STARTING_MINUTES + _MARGIN * seconds / 60)
    return min(first * attempt, _MOST_MINUTES)


def minutes_of_job(
    config: Config, stage: Stage, shards: Iterable[Path], threads: int, attempt: int
) -> int:
    """Return the time limit in minutes of a stage's job for the clips of its shards."""
    each = [stage.clip_seconds(config, clip) for shard in shards for clip in clips_there(shard)]
    return asked_minutes(max([sum(each) / threads, *each]), attempt)


def gpus_asked(settings: Any) -> int | None:
    """Return how many GPUs a step's jobs ask for: one if its settings name CUDA, else None.

    With ``auto``, a job uses a GPU that it happens to find, but does not wait for one.
    """
    return 1 if str(getattr(settings, "device", "")).startswith("cuda") else None
