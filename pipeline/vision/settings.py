"""Settings of the vision stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class VisionSettings(Settings):
    """How OpenFace's rows become the vision feature."""

    invalid: Literal["zero", "drop"] = "zero"
    """Rows that OpenFace marks success 0: zeros with the mask false, or left out (recipe)."""
    pool: int = Field(1, ge=1)
    """Frames averaged into one vector, valid rows only (recipe: 5; the last may be shorter)."""
