"""Settings of the audio stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class AudioSettings(Settings):
    """How sound becomes 33 values a frame."""

    sample_rate: int = Field(22050, ge=8000)
    """Sampling rate the sound is brought to, in Hz (paper: 22,050)."""
    hop_length: int = Field(512, ge=64)
    """Samples from one frame to the next (librosa's default)."""
    f0: Literal["pyin", "yin", "zcr"] = "pyin"
    """First column: log F0 by pYIN or YIN, or the recipe's zero-crossing rate."""
    f0_min: float = Field(65.40639132514966, gt=0)
    """Lowest pitch looked for, in Hz (C2)."""
    f0_max: float = Field(2093.004522404789, gt=0)
    """Highest pitch looked for, in Hz (C7)."""
    mfcc_htk: bool = False
    """HTK's mel scale for the MFCC (recipe: true; librosa's default: false)."""
