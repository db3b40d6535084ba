"""Deleting stale records before a build, so that their clips are checked again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.config import Config
from pipeline.stages import STAGES
from pipeline.store.features import Store
from pipeline.store.files import read_json
from pipeline.store.layout import Layout
from pipeline.store.made import is_whole
from pipeline.store.records import Record, read_record
from pipeline.train.stored import stored_key
from pipeline.workflow.surroundings import is_from_the_future

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What reading a file of ours can raise after another hand has changed it."""


def stale_records(config: Config) -> list[Path]:
    """Find the records that are out of date.

    Snakemake sees one record per job, not the files of clips and seeds, nor those that a step
    of the whole corpus made. A record is stale if a file that it lists is missing, has changed,
    or has a different key (``--clip`` with another setting), or if a clip that it quarantined
    has since succeeded or had failed only transiently. One that is dated in the future is
    stale too: it would seem newer than whatever it is made from.

    Returns
    -------
    list of Path
        The stale records.
    """
    store, layout = Store(config.processed), config.layout
    # also those of transient stages, which only a build that stopped leaves: the files of clips
    # that a later stage has finished are gone, and must be made again if it is forced
    stale = [
        path
        for name in sorted(STAGES)
        for path in sorted(layout.records(name).glob("*.json"))
        if is_from_the_future(path) or not _holds(store, name, path)
    ]
    trained = sorted(layout.experiments.glob("*/*.json"))
    made = [layout.made(step) for step in layout.steps_made if not _is_whole(layout, step)]
    return made + stale + [path for path in trained if not _is_trained(path)]


def delete_records(config: Config, records: Iterable[Path]) -> None:
    """Delete stale records, and the failures of those of their clips that are tried again."""
    store = Store(config.processed)
    for path in records:
        with suppress(*_UNREADABLE):  # those of steps and trainings list no clips
            stage = path.parent.name
            for clip in _tried_again(store, stage, read_record(path)):
                store.forget_failure(stage, clip)
        path.unlink(missing_ok=True)


def _holds(store: Store, stage: str, path: Path) -> bool:
    try:
        record = read_record(path)
        return not _tried_again(store, stage, record) and all(
            store.key(stage, clip) == key for clip, key in record.clips.items()
        )
    except _UNREADABLE:
        return False


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


def _tried_again(store: Store, stage: str, record: Record) -> list[str]:
    """Return the clips that a stage quarantined, and that are to be tried again."""
    clips = []
    for entry in record.quarantine:
        if entry.stage != stage:  # carried along from an earlier stage, whose own record decides
            continue
        failure = store.failure(stage, entry.clip)
        if failure is None or failure.get("passing"):
            clips.append(entry.clip)
    return clips
