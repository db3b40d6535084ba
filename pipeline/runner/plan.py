"""What to do with each clip of a stage: nothing, compute it, or leave it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.stage import Build, Stage
from pipeline.stages import consumers, wanted
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
    again: bool = False
    """Stale only because a stage needs what was dropped of its features (`Stage.trims`)."""


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
    header = None if forced else build.store.cached_header(stage.name, clip.clip)
    if header is not None and header["key"] == key:
        needed = "trimmed" in header and is_awaited(build, stage, clip)
        return Step(clip, key, "stale" if needed else "done", again=needed)
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


def is_awaited(build: Build, stage: Stage, clip: Clip, after: Stage | None = None) -> bool:
    """Tell whether a stage that the slots need has still to read all of a clip's features.

    A stage whose last failure may pass will read them in the next build. The stage `after` has
    just read them, and needs them no longer.
    """
    needed = wanted(build.config)
    readers = [r for r in consumers(build.config, stage) if r.name in needed and r != after]
    return any(
        _is_unfinished(build, reader, clip)
        for reader in readers
        if stage.name not in reader.spares(build.config)
    )


def _is_unfinished(build: Build, stage: Stage, clip: Clip) -> bool:
    (step,) = plan(build, stage, [clip])
    if step.quarantine is None:
        return step.state == "stale"
    failure = build.store.failure(step.quarantine.stage, clip.clip) or {}
    return bool(failure.get("passing"))
