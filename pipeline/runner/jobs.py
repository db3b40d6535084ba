"""Which jobs a stage has, and which shards each one handles; fast, for the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.stage import Stage
from pipeline.stages import STAGES
from pipeline.store.files import digest
from pipeline.store.shards import Clip, read_shard, shard_name


def shard_names(config: Config) -> list[str]:
    """Return the names of the shards that the manifest has written: ``0000``, ``0001`` ..."""
    return [path.stem for path in config.layout.numbered_shards]


def shards_seen(job: str, shards: Sequence[str]) -> Sequence[str]:
    """Return the shards without gaps, up to the last one that is there or that a job begins with.

    A job's process finds the shards in a folder that a shared file system may show late, and in
    which the manifest may be making a lost one again. Their numbers tell which ones its job has.
    """
    if not all(name.isdigit() for name in (job, *shards)):
        return shards  # those of --clip
    return [shard_name(number) for number in range(max(map(int, (job, *shards))) + 1)]


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
    first, many = _place(job, shards), STAGES[stage].job_shards
    if first is None or first % many:
        jobs = ", ".join(job_names(stage, shards))
        raise BuildError(f"the {stage} stage has no job {job}", f"ask for one of {jobs}")
    return list(shards[first : first + many])


def _place(shard: str, shards: Sequence[str]) -> int | None:
    """Return the place of a shard among all: its number, if it has one (there may be thousands)."""
    if shard.isdigit() and int(shard) < len(shards) and shards[int(shard)] == shard:
        return int(shard)
    return shards.index(shard) if shard in shards else None


def selection_name(config: Config) -> str:
    """Return the name of the shard with only the requested clips (``--clip``)."""
    return f"clips-{digest(sorted(config.run.clips))[:8]}"


def jobs_read(config: Config, stage: str, job: str, shards: Sequence[str]) -> list[tuple[str, str]]:
    """Return the stage and name of each job whose files a stage's job reads.

    A stage that is computed on the way has no jobs (`Stage.transient`).
    """
    own = shards_of_job(stage, job, shards)
    first = _place(job, shards) or 0
    return [
        (earlier.name, other)
        for earlier in STAGES[stage].inputs
        if not earlier.is_lent(config)
        for other in dict.fromkeys(
            shards[place - place % earlier.job_shards] for place in range(first, first + len(own))
        )
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
