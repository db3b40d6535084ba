"""Records: what a job says it has made, which Snakemake tracks in the feature files' place."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.stages import STAGES
from pipeline.store.features import Store
from pipeline.store.files import read_json
from pipeline.train.stored import stored_key

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What reading a record can raise that another hand has changed."""


def false_records(config: Config) -> list[Path]:
    """Find the records that do not hold any more: their jobs have to look again.

    Snakemake sees one record a job, not the files of clips and seeds. A record is false when a
    file that it names is gone or has another key (``--clip`` with another setting), or when a
    clip that it has in quarantine is not known as bad any more: it was computed alone since, or
    its failure was a passing one.

    Returns
    -------
    list of Path
        The false records.
    """
    store = Store(config.processed)
    records = [
        *(p for p in sorted((config.processed / "records").glob("*/*.json")) if _lasts(p)),
        *sorted((config.processed / "experiments").glob("*/*.json")),
    ]
    return [record for record in records if not _holds(store, record)]


def forget_records(config: Config, records: Iterable[Path]) -> None:
    """Remove false records, and the failures for which their clips are to be tried again."""
    store = Store(config.processed)
    for path in records:
        with suppress(*_UNREADABLE):  # a training's has no clips
            for clip in _tried_again(store, path.parent.name, read_json(path)):
                store.forget_failure(path.parent.name, clip)
        path.unlink(missing_ok=True)


def _lasts(record: Path) -> bool:
    """Tell whether a record's files are there to stay."""
    stage = STAGES.get(record.parent.name)
    return stage is not None and not stage.transient


def _holds(store: Store, path: Path) -> bool:
    try:
        record = read_json(path)
        if path.parent.parent.name == "experiments":
            return all(stored_key(path.parent / seed) == key for seed, key in record.items())
        stage, made = path.parent.name, record["clips"].items()
        return not _tried_again(store, stage, record) and all(
            store.key(stage, clip) == key for clip, key in made
        )
    except _UNREADABLE:
        return False


def _tried_again(store: Store, stage: str, record: dict[str, Any]) -> list[str]:
    """Return the clips that a record has in quarantine, and that are not known as bad any more."""
    clips = []
    for entry in record["quarantine"]:
        if entry["stage"] != stage:  # carried along from an earlier stage, whose record tells
            continue
        failure = store.failure(stage, entry["clip"])
        if failure is None or failure.get("passing"):
            clips.append(entry["clip"])
    return clips
