"""Records: what a job says it has made, which Snakemake tracks in the feature files' place."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Config
from pipeline.stages import STAGES
from pipeline.store import Store, read_json


def forget_false_records(config: Config) -> list[Path]:
    """Remove the records that promise feature files which are gone, so that they are made again.

    Snakemake sees one record a shard, not the feature files; a file that somebody deleted
    would otherwise be missed only when the dataset is written.

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
                clips = read_json(record)["clips"]
                whole = all(store.exists(stage.name, clip) for clip in clips)
            except (OSError, ValueError, KeyError, TypeError):
                whole = False
            if not whole:
                record.unlink(missing_ok=True)
                removed.append(record)
    return removed
