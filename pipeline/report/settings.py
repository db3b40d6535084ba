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
