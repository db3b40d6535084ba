"""A shard of only the clips somebody asked for."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.store.files import read_json
from pipeline.store.quarantine import read_entries
from pipeline.store.shards import write_shard


def select_clips(config: Config, shards: list[Path], quarantine: Path, selection: Path) -> None:
    """Write a shard with the clips of ``run.clips``, in the sheet's order.

    Raises
    ------
    BuildError
        If a clip is not in the manifest, with the reason when it is in quarantine.
    """
    wanted = set(config.run.clips)
    rows = [row for shard in shards for row in read_json(shard)["clips"] if row["clip"] in wanted]
    reasons = {entry.clip: entry.reason for entry in read_entries(quarantine)}
    missing = sorted(wanted - {row["clip"] for row in rows})
    if missing:
        named = [f"{clip} ({reasons.get(clip, 'not in the label sheet')})" for clip in missing]
        raise BuildError(
            f"--clip: cannot build {', '.join(named)}",
            "write clips as VIDEO/CLIP, e.g. video_0001/0003; chsims-build status lists quarantine",
        )
    write_shard(selection, rows)
