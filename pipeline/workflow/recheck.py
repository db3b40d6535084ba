"""Deleting stale records before a build, so that their clips are checked again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.runner.tidy import awaited
from pipeline.stage import Build, Stage
from pipeline.stages import STAGES, wanted
from pipeline.store.features import Store
from pipeline.store.files import read_json
from pipeline.store.layout import Layout
from pipeline.store.made import is_whole
from pipeline.store.records import Record, read_record
from pipeline.store.seen import Seen
from pipeline.store.shards import Clip, read_shard, shard_name
from pipeline.train.stored import stored_key
from pipeline.workflow.surroundings import is_from_the_future

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What reading a file of ours can raise after another hand has changed it."""


def stale_records(config: Config, store: Store | None = None, *, note: bool = False) -> list[Path]:
    """Find the records that are out of date.

    Snakemake sees one record per job, not the files of clips and seeds, nor those that a step
    of the whole corpus made. A record is stale if a file that it lists is missing, has changed,
    or has a different key (``--clip`` with another setting), or if a clip that it quarantined
    has since succeeded or had failed only transiently, or if a stage needs again what was
    dropped of a clip's features. One that is dated in the future is stale too: it would seem
    newer than whatever it is made from.

    Parameters
    ----------
    config : Config
        Names the build's folder.
    store : Store, optional
        The feature files. It knows those that turn out to be as their record lists them.
    note : bool
        Whether these files may be noted, so that the next call need not read their headers
        (`store/seen.py`).

    Returns
    -------
    list of Path
        The stale records.
    """
    store, layout = store or Store(config.processed), config.layout
    # also those of transient stages, which only a build that stopped leaves: the files of clips
    # that a later stage has finished are gone, and must be made again if it is forced
    stale = [path for name in sorted(STAGES) for path in _stale_of(store, name, note=note)]
    trained = sorted(layout.experiments.glob("*/*.json"))
    stale += _in_need(Build(config, store), {*stale})
    made = [layout.made(step) for step in layout.steps_made if not _is_whole(layout, step)]
    return made + stale + [path for path in trained if not _is_trained(path)]


def delete_records(config: Config, records: Iterable[Path]) -> None:
    """Delete stale records, and the failures of those of their clips that are tried again."""
    store = Store(config.processed)
    for path in records:
        with suppress(*_UNREADABLE):  # those of steps and trainings list no clips
            stage = path.parent.name
            for failed, clip in _tried_again(store, stage, read_record(path)):
                store.forget_failure(failed, clip)
        path.unlink(missing_ok=True)


def _stale_of(store: Store, stage: str, *, note: bool) -> list[Path]:
    """Find the records of a stage whose files are not as listed, or whose clips are tried again."""
    seen = Seen(store, stage)
    records = sorted(Layout(store.root).records(stage).glob("*.json"))
    stale = [path for path in records if is_from_the_future(path) or not _holds(seen, path)]
    if note:
        seen.write()
    return stale


def _holds(seen: Seen, path: Path) -> bool:
    try:
        record = read_record(path)
        return not _tried_again(seen.store, seen.stage, record) and seen.holds(path.stem, record)
    except _UNREADABLE:
        return False


def _in_need(build: Build, known: set[Path]) -> list[Path]:
    """Find records of clips of which a stage needs again what was dropped (`Stage.trims`).

    With ``--clip``, only the requested clips count: ``--force`` is for them alone.
    """
    config, layout, asked = build.config, build.config.layout, {*build.config.run.clips}
    found = []
    for stage in (STAGES[name] for name in wanted(config) if STAGES[name].trimmed_by):
        for path in sorted(layout.records(stage.name).glob("*.json")):
            clips = (c for c in _clips_of(layout, stage, path) if not asked or c.clip in asked)
            if path not in known and any(awaited(build, stage, clips)):
                found.append(path)
    return found


def _clips_of(layout: Layout, stage: Stage, record: Path) -> Iterator[Clip]:
    """Yield the clips of the shards that the job of a record handled."""
    first = record.stem
    numbers = range(int(first), int(first) + stage.job_shards) if first.isdigit() else ()
    for name in [shard_name(number) for number in numbers] or [first]:
        with suppress(BuildError):  # a shard that is gone or damaged: the manifest makes it anew
            yield from read_shard(layout.shard(name))


def _is_whole(layout: Layout, step: str) -> bool:
    try:
        return is_whole(layout, step) and not is_from_the_future(layout.made(step))
    except _UNREADABLE:
        return False


def _is_trained(path: Path) -> bool:
    try:
        if is_from_the_future(path):
            return False
        return all(stored_key(path.parent / seed) == key for seed, key in read_json(path).items())
    except _UNREADABLE:
        return False


def _tried_again(store: Store, stage: str, record: Record) -> list[tuple[str, str]]:
    """Return the clips that a stage's jobs quarantined, and that are to be tried again.

    Each comes after the stage in which it failed.
    """
    own = {stage, *(earlier.name for earlier in STAGES[stage].inputs if earlier.transient)}
    found = []
    for entry in record.quarantine:
        if entry.stage not in own:  # carried along from an earlier stage, whose own record decides
            continue
        failure = store.failure(entry.stage, entry.clip)
        # a copy of the folder lacks what is written of a stage that has no files of its own
        is_forgotten = failure is None and entry.stage == stage
        if is_forgotten or (failure or {}).get("passing"):
            found.append((entry.stage, entry.clip))
    return found
