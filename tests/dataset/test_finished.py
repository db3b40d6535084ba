"""Which clips the records of a build's jobs say are finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.dataset.finished import finished_shards
from pipeline.errors import BuildError
from pipeline.stages import STAGES
from pipeline.store.layout import Layout
from pipeline.store.quarantine import QuarantineEntry
from pipeline.store.records import write_record
from pipeline.store.shards import shard_content, write_shard


def _write_shard(layout: Layout, number: int, *clips: str) -> None:
    rows = [
        {"clip": clip, "media": "", "media_digest": "", "text": "", "streams": {}, "seconds": 1.0}
        for clip in clips
    ]
    write_shard(layout.shard(f"{number:04d}"), shard_content(rows, clips, 32))


def test_records_are_found_beyond_ten_thousand_shards(tmp_path: Path) -> None:
    """Shard 10000 comes after 9999, not after 1000: else the text jobs would have other names."""
    layout, text = Layout(tmp_path), STAGES["text"]
    numbers = [0, 7, 1000, 9999, 10_000, 10_008]
    for number in numbers:
        _write_shard(layout, number, f"v/{number}")
    for first in (0, 1000, 9992, 10_000, 10_008):
        keys = {f"v/{n}": f"key {n}" for n in numbers if first <= n < first + 8}
        write_record(layout.record("text", f"{first:04d}"), keys, [])
    found = list(finished_shards(layout, [text]))
    assert [shard.clips[0].clip for shard in found] == [f"v/{number}" for number in numbers]
    assert [dict(shard.keys["text"]) for shard in found] == [
        {f"v/{n}": f"key {n}"} for n in numbers
    ]
    layout.record("text", "10000").unlink()
    with pytest.raises(BuildError, match=r"text/10000\.json does not exist"):
        next(finished_shards(layout, [text]))


def test_a_record_counts_only_for_the_clips_that_its_job_has_now(tmp_path: Path) -> None:
    """Clip v/9 has moved from a shard that is gone, where it had failed, to one with room."""
    layout, audio = Layout(tmp_path), STAGES["audio"]
    bad = [QuarantineEntry(clip, "audio", "no sound", "") for clip in ("v/2", "v/9")]
    write_record(layout.record("audio", "0000"), {"v/1": "old", "v/8": "old"}, bad)
    write_record(layout.record("audio", "0001"), {"v/8": "new", "v/9": "new"}, [])
    _write_shard(layout, 0, "v/1", "v/2")
    _write_shard(layout, 1, "v/8", "v/9")
    first, second = finished_shards(layout, [audio])
    assert first.keys == {"audio": {"v/1": "old"}}
    assert second.keys == {"audio": {"v/8": "new", "v/9": "new"}}
    assert [entry.clip for entry in (*first.quarantine, *second.quarantine)] == ["v/2"]
