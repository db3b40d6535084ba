"""Facts about the field's feature files: digests of published ones, names of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pipeline.audio.extractor import feature_names as librosa_names
from pipeline.audio.settings import AudioSettings
from pipeline.openface.columns import FEATURE_GROUPS, FEATURE_NAMES


@dataclass(frozen=True)
class Published:
    """A feature file that its authors published.

    Parameters
    ----------
    title : str
        What it is.
    rates : mapping of str to float
        Steps per second, by modality.
    """

    title: str
    rates: dict[str, float] = field(default_factory=dict)


PUBLISHED = MappingProxyType(
    {
        "c9e20c13ec0454d98bb9c1e520e490c75146bfa2dfeeea78d84de047dbdd442f": Published(
            "unaligned_39.pkl of CH-SIMS, as its authors published it",
            {"audio": 22050 / 512, "vision": 30 / 5},
        ),
    }
)
"""Published files by the SHA-256 of their bytes."""

_EGEMAPS = (
    *("Loudness", "alphaRatio", "hammarbergIndex", "slope0-500", "slope500-1500", "spectralFlux"),
    *("mfcc1", "mfcc2", "mfcc3", "mfcc4", "F0semitoneFrom27.5Hz", "jitterLocal"),
    *("shimmerLocaldB", "HNRdBACF", "logRelF0-H1-H2", "logRelF0-H1-A3"),
    *(f"F{formant}{what}" for formant in (1, 2, 3) for what in (
        "frequency", "bandwidth", "amplitudeLogRelF0")),
)  # fmt: skip
"""The 25 low-level descriptors of openSMILE's eGeMAPSv02, in its order."""

_POSE_LANDMARKS_UNITS = tuple(
    name
    for group in ("pose", "landmarks_2d", "au_r", "au_c")
    for name in FEATURE_NAMES[FEATURE_GROUPS[group]]
)

_BY_WIDTH = MappingProxyType(
    {
        ("audio", 33): (
            tuple(librosa_names(AudioSettings(f0="zcr", mfcc_htk=True))),
            "the 33 values of CH-SIMS' published recipe",
        ),
        ("audio", 25): (_EGEMAPS, "openSMILE's 25 eGeMAPS low-level descriptors"),
        ("vision", 709): (FEATURE_NAMES, "OpenFace's 709 columns"),
        ("vision", 177): (
            _POSE_LANDMARKS_UNITS,
            "OpenFace's pose, landmarks in the picture and action units (177)",
        ),
        ("text", 768): (
            tuple(f"bert_{i:03d}" for i in range(768)),
            "the 768 values of a BERT-base",
        ),
    }
)


def names_of(modality: str, width: int) -> tuple[Sequence[str], str]:
    """Name the dimensions of a feature by its width.

    Returns
    -------
    names : sequence of str
        One per dimension.
    taken_for : str
        What the feature was taken for; empty if nothing is known of this width.
    """
    known = _BY_WIDTH.get((modality, width))
    return known or ([f"{modality}_{i:03d}" for i in range(width)], "")
