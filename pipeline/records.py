"""Records: what a job says it has made, which Snakemake tracks in the feature files' place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.stages import STAGES
from pipeline.store import Store, read_json


def forget_false_records(config: Config) -> list[Path]:
    """Remove the records that do not hold any more, so that their jobs look at the clips again.

    Snakemake sees one record a job, not the feature files. A record is false when a file that
    it names is gone or has another key (``--clip`` with another setting), or when a clip that
    it has in quarantine is not known as bad any more: it was computed alone since, or its
    failure was a passing one.

    Returns
    -------
    list of Path
        The records removed.
    """
    store = Store(config.processed)
    removed = []
    for stage in STAGES.values():
        if stage.transient:
            continue
        for record in sorted((config.processed / "records" / stage.name).glob("*.json")):
            try:
                holds = _holds(store, stage.name, read_json(record))
            except (OSError, ValueError, KeyError, TypeError):
                holds = False
            if not holds:
                record.unlink(missing_ok=True)
                removed.append(record)
    return removed


def _holds(store: Store, stage: str, record: dict[str, Any]) -> bool:
    tried_again = []
    for entry in record["quarantine"]:
        if entry["stage"] != stage:  # carried along from an earlier stage, whose record tells
            continue
        failure = store.failure(stage, entry["clip"])
        if failure is None or failure.get("passing"):
            tried_again.append(entry["clip"])
    for clip in tried_again:
        store.forget_failure(stage, clip)
    made = record["clips"].items()
    return not tried_again and all(store.key(stage, clip) == key for clip, key in made)
