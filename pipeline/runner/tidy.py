"""What happens to a clip's files once the stages that read them are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.runner.plan import is_awaited
from pipeline.stage import Build, Stage
from pipeline.stages import STAGES, wanted
from pipeline.store.features import Features
from pipeline.store.shards import Clip, read_shard


def reduced(build: Build, stage: Stage, clip: Clip, features: Features) -> Features:
    """Return of new features what has to be stored: all, if a stage has still to read them."""
    how = stage.trims(build.config)
    if how is None or stage.name not in wanted(build.config) or is_awaited(build, stage, clip):
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
    header = build.store.header(stage.name, clip.clip)
    if header is None or "trimmed" in header or header["key"] != build.key(stage, clip):
        return False
    if is_awaited(build, stage, clip, after):
        return False
    features = stage.trimmed(build.store.read(stage.name, clip.clip), how)
    build.store.write(stage.name, clip.clip, header["key"], features)
    return True


def tidy_build(config: Config) -> Counter[str]:
    """Drop, in the whole build, what no stage needs any longer.

    Jobs drop what they have read. This finds what a killed job has left, and what was made before
    the setting was changed.

    Returns
    -------
    Counter of str
        Clips whose files became smaller, by stage.
    """
    build, found = Build.of(config), Counter[str]()
    stages = [STAGES[name] for name in wanted(config) if STAGES[name].trims(config) is not None]
    for path in config.layout.numbered_shards if stages else ():
        for clip in read_shard(path):
            for stage in stages:
                found[stage.name] += trim(build, stage, clip)
    return +found


def awaited(build: Build, stage: Stage, clips: Iterable[Clip]) -> Iterator[Clip]:
    """Yield the clips of which a stage needs what was dropped."""
    for clip in clips:
        if "trimmed" in (build.store.header(stage.name, clip.clip) or {}):
            try:
                needed = is_awaited(build, stage, clip)
            except BuildError:  # a model that is not here yet: the job will know
                needed = True
            if needed:
                yield clip
