"""Settings of the opensmile stage."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from pipeline.settings import Settings

FeatureSet = Literal[
    "eGeMAPSv02",
    "eGeMAPSv01b",
    "eGeMAPSv01a",
    "GeMAPSv01b",
    "GeMAPSv01a",
    "ComParE_2016",
    "emobase",
    "IS09",
    "IS10",
    "IS11",
    "IS12",
    "IS13",
]
"""The feature sets of the library (`opensmile.FeatureSet`, without its two aliases)."""


class OpenSmileSettings(Settings):
    """Which of openSMILE's features describe the sound."""

    set: FeatureSet = "eGeMAPSv02"
    """Feature set, as the opensmile library names it. CH-SIMS v2 has eGeMAPS, 25 descriptors."""
    level: Literal["lld", "functionals"] = "lld"
    """lld: low-level descriptors, a row per 10 ms (eGeMAPSv02: 25); functionals: their statistics
    over the whole clip, one row (eGeMAPSv02: 88)."""
    deltas: bool = False
    """Append the delta regression of each descriptor (not of the GeMAPS family, which has none)."""

    @model_validator(mode="after")
    def _deltas_exist(self) -> Self:
        if self.deltas and (self.level != "lld" or "GeMAPS" in self.set):
            found = self.set if self.level == "lld" else f"{self.set}, {self.level}"
            raise ValueError(
                "only low-level descriptors of ComParE_2016, emobase and IS09 to IS13 have "
                f"deltas; leave opensmile.deltas false (found {found})"
            )
        return self
