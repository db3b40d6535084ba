"""Settings of the dataset file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class DatasetSettings(Settings):
    """How clips are split, padded and stored."""

    split: Literal["auto", "stratified", "given", "by_speaker", "by_video"] = "auto"
    """auto: given if the sheet names a part for every clip, else stratified; stratified: 6:2:2
    within the five classes of M; given: the sheet's mode column; by_speaker, by_video: a
    speaker's or a video's clips stay in one part."""
    seed: int = Field(1, ge=0)
    """Seed of the shuffle before the split."""
    sigmas: float = Field(3.0, ge=0)
    """Length of a modality: int(mean + sigmas * standard deviation) (paper, section 4.1)."""
    compression: int = Field(4, ge=0, le=9)
    """gzip level of the HDF5 chunks; 0 stores them uncompressed."""
