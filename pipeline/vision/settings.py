"""Settings of the vision stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class VisionSettings(Settings):
    """How OpenFace's rows become the vision feature."""

    invalid: Literal["zero", "drop"] = "zero"
    """Rows that OpenFace marks success 0: zero them and mask them, or drop them (recipe)."""
    pool: int = Field(1, ge=1)
    """Frames averaged per vector, valid rows only (recipe: 5; the last vector may have fewer)."""
