"""Settings of the audio stage."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.settings import Settings

PITCH_WINDOW = 2048
"""Number of samples in which pYIN and YIN search for a period."""

_OCTAVES_PER_SECOND = 35.92
"""How fast a voice may rise or fall (librosa.pyin's max_transition_rate)."""


class AudioSettings(Settings):
    """How sound becomes 33 values per frame."""

    sample_rate: int = Field(22050, ge=8400, le=96000)
    """Sampling rate to which the sound is resampled, in Hz (paper: 22,050)."""
    hop_length: int = Field(512, ge=64, le=2048)
    """Samples from one frame to the next (librosa's default)."""
    f0: Literal["pyin", "yin", "zcr"] = "pyin"
    """First column: log F0 by pYIN or YIN, or the recipe's zero-crossing rate."""
    f0_min: float = Field(65.40639132514966, gt=0)
    """Lowest pitch to search for, in Hz (C2)."""
    f0_max: float = Field(2093.004522404789, gt=0)
    """Highest pitch to search for, in Hz (C7)."""
    mfcc_htk: bool = False
    """HTK's mel scale for the MFCC (recipe: true; librosa's default: false)."""

    pcm16: bool = False
    """Round the decoded sound to 16 bits first, as in the recipe's WAV files (recipe: true)."""

    @model_validator(mode="after")
    def _pitch_can_be_looked_for(self) -> Self:
        if self.f0 == "zcr":
            return self
        nyquist, lowest = self.sample_rate / 2, self.sample_rate / (PITCH_WINDOW - 1)
        if not lowest <= self.f0_min < self.f0_max <= nyquist:
            raise ValueError(
                f"at {self.sample_rate} Hz the range of pitch must lie within {lowest:.1f} and "
                f"{nyquist:.0f} Hz, f0_min below f0_max; found f0_min {self.f0_min:g}, "
                f"f0_max {self.f0_max:g}"
            )
        octaves = _OCTAVES_PER_SECOND * self.hop_length / self.sample_rate + 0.02
        if self.f0 == "pyin" and math.log2(self.f0_max / self.f0_min) < octaves:
            raise ValueError(
                f"with hop_length {self.hop_length} pYIN needs f0_min and f0_max to be "
                f"{octaves:.2f} octaves apart; found f0_min {self.f0_min:g}, f0_max {self.f0_max:g}"
            )
        return self
