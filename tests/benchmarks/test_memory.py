"""Memory of a 4K clip: below what is declared, and the same for a longer clip."""

from __future__ import annotations

from pathlib import Path

from benchmarks import memory


def test_a_4k_clip_takes_less_than_declared_whatever_its_length(tmp_path: Path) -> None:
    # few pictures held, so that even the short clip nearly holds as many as the long one
    faces = {"key_frames": 4, "batch_frames": 4}
    config = memory.corpus(tmp_path, ["4K"], [0.5, 2.5], faces=faces)
    rows = memory.rows_of(config, ["4K"], [0.5, 2.5])
    assert [row.stage for row in rows] == ["faces", "frames"] * 2
    for row in rows:
        assert row.peak_mb < row.declared_mb, row
    width, height = memory.SIZES["4K"]
    pictures_mb = 2.0 * config.frames.fps * width * height * 3 / 1e6  # of the two seconds more
    for short, long in zip(rows[:2], rows[2:], strict=True):
        # how far a decoder reads ahead depends on the moment; all pictures it never holds
        assert long.peak_mb - short.peak_mb < 0.5 * pictures_mb
        assert long.declared_mb < 1.05 * short.declared_mb
