"""Settings of the vision stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class VisionSettings(Settings):
    """How OpenFace's rows become the vision feature."""

    rows: Literal["grid", "csv"] = "grid"
    """grid: each frame of the 30 Hz grid takes its row of OpenFace's CSV; csv: the rows that
    OpenFace wrote, one after another, whatever their times (recipe)."""
    invalid: Literal["zero", "drop", "keep"] = "zero"
    """Rows that OpenFace marks success 0: zeros with the mask false, left out, or used like the
    others (recipe)."""
    pool: int = Field(1, ge=1)
    """Rows averaged into one vector, those in use only (recipe: 5; the last may be shorter)."""
