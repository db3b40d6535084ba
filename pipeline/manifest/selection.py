"""A shard of only the clips somebody asked for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.store.quarantine import read_entries
from pipeline.store.shards import read_shard, shard_content, write_shard


def select_clips(config: Config, selection: Path) -> None:
    """Write a shard with the clips of ``run.clips``, in the order of their shards.

    Raises
    ------
    BuildError
        If a clip is not in the manifest, with the reason when it is in quarantine.
    """
    layout, wanted = config.layout, set(config.run.clips)
    clips = [
        clip
        for shard in layout.numbered_shards
        for clip in read_shard(shard)
        if clip.clip in wanted
    ]
    reasons = {entry.clip: entry.reason for entry in read_entries(layout.manifest_quarantine)}
    missing = sorted(wanted - {clip.clip for clip in clips})
    if missing:
        named = [f"{clip} ({reasons.get(clip, 'not in the label sheet')})" for clip in missing]
        raise BuildError(
            f"--clip: cannot build {', '.join(named)}",
            "write clips as VIDEO/CLIP, e.g. video_0001/0003; chsims-build status lists quarantine",
        )
    write_shard(selection, shard_content(asdict(clip) for clip in clips))
