"""Settings of the frames stage."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings import Settings, operational


class FramesSettings(Settings):
    """How clips are resampled to a constant frame rate."""

    fps: float = Field(30.0, gt=0, le=240)
    """Frames per second of the common grid (paper: 30 Hz; CH-SIMS v2: 25, the clips' own rate)."""
    keep_frames: bool = operational(False)
    """Write lossless videos to processed/frames and keep them. With false, the jobs that search for
    faces decode the clips, and no frames are stored."""
