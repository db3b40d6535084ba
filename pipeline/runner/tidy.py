"""What happens to feature files once they are made and read: reduced, and packed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pipeline.config import Config
from pipeline.errors import BuildError, NotHereError
from pipeline.runner.jobs import clips_there
from pipeline.runner.plan import is_awaited
from pipeline.stage import Build, Stage
from pipeline.stages import STAGES, wanted
from pipeline.store.features import Features
from pipeline.store.shards import Clip, shard_name


def reduced(build: Build, stage: Stage, clip: Clip, features: Features) -> Features:
    """Return of new features what has to be stored: all, if a stage has still to read them."""
    how = stage.trims(build.config)
    if how is None or stage.name not in wanted(build.config) or _is_needed(build, stage, clip):
        return features
    return stage.trimmed(features, how)


def trim(build: Build, stage: Stage, clip: Clip, after: Stage | None = None) -> bool:
    """Drop what no stage needs any longer of a clip's stored features.

    Parameters
    ----------
    build : Build
        The build.
    stage : Stage
        The stage whose features they are.
    clip : Clip
        The clip.
    after : Stage, optional
        A stage that has just read them.

    Returns
    -------
    bool
        Whether its file became smaller.
    """
    how = stage.trims(build.config)
    if how is None or stage.name not in wanted(build.config):
        return False
    header = build.store.cached_header(stage.name, clip.clip)
    if header is None or "trimmed" in header or _is_needed(build, stage, clip, after):
        return False
    try:
        if header["key"] != build.key(stage, clip):
            return False
        features = build.store.read(stage.name, clip.clip)
    except BuildError:  # it is damaged, for example: the stage's own job says so, and mends it
        return False
    build.store.write(stage.name, clip.clip, header["key"], stage.trimmed(features, how))
    return True


def _is_needed(build: Build, stage: Stage, clip: Clip, after: Stage | None = None) -> bool:
    """Tell whether a stage has still to read all of a clip's features, or might have to.

    The key of a stage is unknown while its model, or the container that it runs in, is not here.
    """
    try:
        return is_awaited(build, stage, clip, after)
    except BuildError:
        return True


def tidy_build(build: Build) -> Counter[str]:
    """Drop, in the whole build, what no stage needs any longer.

    Jobs drop what they have read. This finds what a killed job has left, and what was made before
    the setting was changed.

    Returns
    -------
    Counter of str
        Clips whose files became smaller, by stage.
    """
    config, found = build.config, Counter[str]()
    stages = [STAGES[name] for name in wanted(config) if STAGES[name].trims(config) is not None]
    for path in config.layout.numbered_shards if stages else ():
        for clip in clips_there(path):
            for stage in stages:
                found[stage.name] += trim(build, stage, clip)
    return +found


def pack_job(build: Build, stage: Stage, numbers: Iterable[int]) -> None:
    """Pack what a job of some shards has made, and what it was the last to read.

    Parameters
    ----------
    build : Build
        The build.
    stage : Stage
        The job's stage.
    numbers : iterable of int
        Its shards.
    """
    for made in (stage, *stage.inputs):
        firsts = {number - number % made.job_shards for number in numbers}
        for first in sorted(firsts) if not made.transient else ():
            _pack(build, made, first)


def _pack(build: Build, stage: Stage, first: int) -> bool:
    """Pack the files of one job of a stage, unless another stage makes them smaller later."""
    layout = build.config.layout
    names = [shard_name(first + i) for i in range(stage.job_shards)]
    # the clips of a damaged shard stay as they are; the manifest makes it anew
    clips = [clip for path in map(layout.shard, names) for clip in clips_there(path)]
    if any(_is_to_be_trimmed(build, stage, clip) for clip in clips):
        return False
    return build.store.pack(stage.name, names[0], [clip.clip for clip in clips])


def _is_to_be_trimmed(build: Build, stage: Stage, clip: Clip) -> bool:
    if stage.trims(build.config) is None or stage.name not in wanted(build.config):
        return False
    header = build.store.cached_header(stage.name, clip.clip)
    return header is not None and "trimmed" not in header and _is_needed(build, stage, clip)


def pack_build(build: Build) -> Counter[str]:
    """Pack, in the whole build, the files that no running job makes or reads.

    Jobs pack their own. This finds what killed jobs and calls with ``--clip`` have left, and what
    was made before the setting was changed. Only the process that has claimed the build may
    call it.

    Returns
    -------
    Counter of str
        Packs that were written, by stage.
    """
    config, found = build.config, Counter[str]()
    if not config.store.pack:
        return found
    for stage in (stage for stage in STAGES.values() if not stage.transient):
        if build.store.loose(stage.name):
            for path in config.layout.numbered_shards[:: stage.job_shards]:
                found[stage.name] += _pack(build, stage, int(path.stem))
    remove_empty_folders(config)
    return +found


def remove_empty_folders(config: Config) -> None:
    """Remove the folders of videos whose files are packed; no job may be running."""
    for name in STAGES if config.store.pack else ():
        for video in (config.processed / name).glob("*/"):
            with suppress(OSError):  # one that still holds a file, such as that of a failure
                video.rmdir()


def awaited(build: Build, stage: Stage, clips: Iterable[Clip]) -> Iterator[Clip]:
    """Yield the clips of which a stage needs what was dropped."""
    for clip in clips:
        if "trimmed" in (build.store.cached_header(stage.name, clip.clip) or {}):
            try:
                needed = is_awaited(build, stage, clip)
            except NotHereError:  # a model that is not here yet: the job will know
                needed = True
            except BuildError:  # a container, for example: no job that needs it can run now
                needed = False
            if needed:
                yield clip
