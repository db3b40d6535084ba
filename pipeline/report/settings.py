"""Settings of the report."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings import Settings


class ReportSettings(Settings):
    """What the report shows."""

    title: str = "CH-SIMS build"
    """Title of the page."""
    thumbnails: int = Field(6, ge=0, le=32)
    """Number of face thumbnails per clip."""
    megabytes: float = Field(15.0, gt=1)
    """Upper limit of the page's size; with more clips, thumbnails and tracks become coarser."""
    face_share: float = Field(0.9, ge=0, le=1)
    """A clip is flagged if its face was found in a smaller share of the frames."""
    success_share: float = Field(0.9, ge=0, le=1)
    """A clip is flagged if OpenFace succeeded in a smaller share of the frames."""
    confidence: float = Field(0.8, ge=0, le=1)
    """A clip is flagged if OpenFace's mean confidence is lower."""
    voiced_share: float = Field(0.15, ge=0, le=1)
    """A clip is flagged if a smaller share of its sound is voiced."""
    loudness_db: float = -45.0
    """A clip is flagged if its sound is quieter, in dB relative to full scale."""
