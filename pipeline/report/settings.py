"""Settings of the report."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings import Settings


class ReportSettings(Settings):
    """What the report shows."""

    title: str = "CH-SIMS build"
    """Title of the page."""
    thumbnails: int = Field(6, ge=0, le=32)
    """Face thumbnails a clip."""
    megabytes: float = Field(15.0, gt=1)
    """Size the page stays under: with more clips, thumbnails and tracks become coarser."""
    face_share: float = Field(0.9, ge=0, le=1)
    """A clip is pointed out when its face was found in a smaller share of the frames."""
    success_share: float = Field(0.9, ge=0, le=1)
    """A clip is pointed out when OpenFace succeeded in a smaller share of the frames."""
    confidence: float = Field(0.8, ge=0, le=1)
    """A clip is pointed out when OpenFace's mean confidence is lower."""
    voiced_share: float = Field(0.15, ge=0, le=1)
    """A clip is pointed out when a smaller share of its sound is voiced."""
    loudness_db: float = -45.0
    """A clip is pointed out when its sound is quieter than this, in dB of full scale."""
