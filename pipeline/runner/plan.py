"""What to do with each clip of a stage: nothing, compute it, or leave it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.stage import Build, Stage
from pipeline.stages import consumers
from pipeline.store.quarantine import QuarantineEntry
from pipeline.store.shards import Clip

State = Literal["done", "stale", "quarantined"]


@dataclass(frozen=True)
class Step:
    """The state of one clip in one stage."""

    clip: Clip
    key: str
    state: State
    quarantine: QuarantineEntry | None = None


def known_failure(build: Build, stage: Stage, clip: Clip, key: str) -> QuarantineEntry | None:
    """Return why a clip has already failed with these inputs, here or in an earlier stage."""
    for earlier in stage.inputs:
        found = known_failure(build, earlier, clip, build.key(earlier, clip))
        if found is not None:
            return found
    failure = build.store.failure(stage.name, clip.clip)
    if failure is None or failure["key"] != key:
        return None
    return QuarantineEntry(clip.clip, stage.name, failure["reason"], failure["remedy"])


def plan(build: Build, stage: Stage, clips: Iterable[Clip]) -> list[Step]:
    """Decide for each clip whether it is done, must be computed, or is in quarantine.

    A clip of a transient stage counts as done if every stage that reads it is done, because its
    file was kept only until then.
    """
    forced = stage.name in build.config.run.force
    return [_step(build, stage, clip, forced) for clip in clips]


def _step(build: Build, stage: Stage, clip: Clip, forced: bool) -> Step:
    key = build.key(stage, clip)
    entry = known_failure(build, stage, clip, key)
    if entry is not None and not (forced and entry.stage == stage.name):
        return Step(clip, key, "quarantined", entry)
    if not forced and build.store.key(stage.name, clip.clip) == key:
        return Step(clip, key, "done")
    if stage.transient and not forced and not _wanted(build, stage, clip):
        return Step(clip, key, "done")
    return Step(clip, key, "stale")


def _wanted(build: Build, stage: Stage, clip: Clip) -> bool:
    """Tell whether a later stage must still read this clip, or the user keeps the files.

    Stages that no slot needs do not count.
    """
    if stage.kept(build.config):
        return True
    return any(
        step.state == "stale"
        for consumer in consumers(build.config, stage)
        for step in plan(build, consumer, [clip])
    )
