"""Which jobs a stage has, and which shards each one handles; fast, for the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.sheet import shard_count
from pipeline.stage import Stage
from pipeline.stages import STAGES, is_adopted
from pipeline.store.files import digest
from pipeline.store.shards import Clip, read_shard, shard_name


def shard_names(config: Config) -> list[str]:
    """Return the names of the numbered shards: ``0000``, ``0001`` ..."""
    if is_adopted(config):
        return []
    return numbered(shard_count(config))


def numbered(shards: int) -> list[str]:
    """Return the names of so many numbered shards."""
    return [shard_name(number) for number in range(shards)]


def job_names(stage: str, shards: Sequence[str]) -> list[str]:
    """Return the names of a stage's jobs and records: each is named after its first shard."""
    return list(shards[:: STAGES[stage].job_shards])


def shards_of_job(stage: str, job: str, shards: Sequence[str]) -> list[str]:
    """Return the shards that a stage's job handles.

    Raises
    ------
    BuildError
        If the stage has no job of that name.
    """
    jobs = job_names(stage, shards)
    if job not in jobs:
        raise BuildError(f"the {stage} stage has no job {job}", f"ask for one of {', '.join(jobs)}")
    first = shards.index(job)
    return list(shards[first : first + STAGES[stage].job_shards])


def selection_name(config: Config) -> str:
    """Return the name of the shard with only the requested clips (``--clip``)."""
    return f"clips-{digest(sorted(config.run.clips))[:8]}"


def jobs_read(stage: str, job: str, shards: Sequence[str]) -> list[tuple[str, str]]:
    """Return the stage and name of each job whose files a stage's job reads."""
    own = set(shards_of_job(stage, job, shards))
    return [
        (earlier.name, other)
        for earlier in STAGES[stage].inputs
        for other in job_names(earlier.name, shards)
        if own & set(shards_of_job(earlier.name, other, shards))
    ]


def memory_of_job(config: Config, stage: Stage, shards: Iterable[Path], threads: int) -> int:
    """Return the memory in MB that a stage's job may need for the clips of its shards.

    Snakemake asks when it plans, and again before a job starts. A shard that is not there yet, or
    is damaged, counts as empty: the job itself reports it.
    """
    clips = [clip for shard in shards for clip in clips_there(shard)]
    return round(stage.memory_mb(config, threads) + stage.clips_mb(config, clips, threads))


def clips_there(shard: Path) -> Sequence[Clip]:
    """Return a shard's clips; none if its file is not there yet, or is damaged."""
    try:
        return _clips_of(shard, shard.stat().st_mtime_ns)
    except (OSError, BuildError):
        return ()


@lru_cache(maxsize=1024)
def _clips_of(shard: Path, time: int) -> Sequence[Clip]:
    """Read a shard once, unless it was written again (`time`)."""
    return read_shard(shard)
