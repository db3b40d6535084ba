"""What the stages have finished, shard by shard, as the records of their jobs say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.stage import Stage
from pipeline.store.layout import Layout
from pipeline.store.quarantine import QuarantineEntry
from pipeline.store.records import Record, read_finished
from pipeline.store.shards import Clip, read_shard, shard_name


@dataclass(frozen=True)
class Finished:
    """The clips of one shard, and what the records say of them.

    Parameters
    ----------
    clips : list of Clip
        All clips of the shard.
    keys : mapping of str to mapping of str to str
        By stage: the key of each clip that it has finished.
    quarantine : list of QuarantineEntry
        What the stages could not use, in the order of the stages.
    """

    clips: list[Clip]
    keys: Mapping[str, Mapping[str, str]]
    quarantine: list[QuarantineEntry]


def finished_shards(layout: Layout, stages: Sequence[Stage]) -> Iterator[Finished]:
    """Yield what each shard holds, in the order of the shards; memory holds one at a time.

    A record may still list clips of a shard that is gone, or that have moved to another one: only
    the record of the job that has a clip now says anything about it.

    Parameters
    ----------
    layout : Layout
        The build's files.
    stages : sequence of Stage
        The stages that must have finished all their jobs.

    Raises
    ------
    BuildError
        If a job has not finished, or a record or shard is damaged.
    """
    shards = layout.numbered_shards
    for stage in stages:  # what is unfinished is said before thousands of files are read
        for path in dict.fromkeys(layout.record(stage.name, _job(stage, s.stem)) for s in shards):
            read_finished(path, stage.name)
    last: dict[str, tuple[str, Record]] = {}
    for shard in shards:
        clips = read_shard(shard)
        own = {clip.clip for clip in clips}
        keys: dict[str, Mapping[str, str]] = {}
        quarantine: list[QuarantineEntry] = []
        for stage in stages:
            job = _job(stage, shard.stem)
            if stage.name not in last or last[stage.name][0] != job:
                last[stage.name] = job, read_finished(layout.record(stage.name, job), stage.name)
            record = last[stage.name][1]
            keys[stage.name] = {clip: key for clip, key in record.clips.items() if clip in own}
            quarantine += (entry for entry in record.quarantine if entry.clip in own)
        yield Finished(clips, keys, quarantine)


def _job(stage: Stage, shard: str) -> str:
    """Return the name of a stage's job that handles a shard."""
    return shard_name(int(shard) - int(shard) % stage.job_shards)
