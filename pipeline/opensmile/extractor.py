"""opensmile: what the openSMILE library computes from a clip's sound."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.media.clip_sound import Sound, level_db, mono_at
from pipeline.opensmile.settings import OpenSmileSettings
from pipeline.store.features import Features

SAMPLE_RATE = 16_000
"""Hz; the rate of the corpora for which the feature sets were made."""

ROWS_PER_SECOND = 100
"""Row j of the descriptors describes the sound from j / 100 s on, for 20 to 60 ms."""

_LOUDEST = np.float32(32767 / 32768)


@cache
def feature_names(settings: OpenSmileSettings) -> tuple[str, ...]:
    """Return the library's names of the columns, in order."""
    return tuple(name for smile in _smiles(settings) for name in smile.feature_names)


def _smiles(settings: OpenSmileSettings) -> list[Any]:
    """Return the library's extractors whose columns stand side by side."""
    import opensmile

    level = opensmile.FeatureLevel
    levels = [level.Functionals if settings.level == "functionals" else level.LowLevelDescriptors]
    if settings.deltas:
        levels.append(level.LowLevelDescriptors_Deltas)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # older sets: the user asked for one by name
        return [opensmile.Smile(opensmile.FeatureSet[settings.set], each) for each in levels]


class OpenSmileExtractor(Extractor):
    """The features of the openSMILE library (Eyben et al. 2010), equal to the last bit.

    Parameters
    ----------
    settings : OpenSmileSettings
        Feature set and level.

    Notes
    -----
    The library turns samples into 16-bit integers without limiting them: 1.0 and more, which
    decoders of lossy sound give, would become the loudest negative value. Samples are therefore
    limited to the range of 16 bits first; all others reach the library as they are.

    Row j of the descriptors describes a window that begins at j * 10 ms on the clip's clock, and
    is 20 to 60 ms long; smoothing is symmetric. IS11 and IS12 give their rows times that are
    10 ms too late: their values are those of ComParE's row of the same number.

    Examples
    --------
    >>> time = np.arange(16000) / 16000  # one second
    >>> tone = 0.5 * np.sin(2 * np.pi * 220 * time).astype(np.float32)
    >>> features = OpenSmileExtractor(OpenSmileSettings()).extract(Sound(tone[None], rate=16000))
    >>> features.arrays["audio"].shape
    (96, 25)
    >>> pitch = feature_names(OpenSmileSettings()).index("F0semitoneFrom27.5Hz_sma3nz")
    >>> round(float(features.arrays["audio"][50, pitch]))  # three octaves above 27.5 Hz
    36
    """

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ("opensmile", "numpy", "soxr")
    preload: ClassVar[tuple[str, ...]] = ("opensmile", "soxr")

    def __init__(self, settings: OpenSmileSettings) -> None:
        self.settings = settings
        self.smiles = _smiles(settings)  # here: if the library is missing, no clip is to blame

    def extract(self, inputs: Sound) -> Features:
        """Compute the features of a clip.

        Parameters
        ----------
        inputs : Sound
            Any number of channels (averaged) at any rate (resampled to 16 kHz, soxr).

        Returns
        -------
        Features
            ``audio [T, d]`` float32; see `feature_names` for the columns. T is 0 for a clip
            without sound, and 1 for functionals. ``info`` holds ``voiced_share``, the share of
            rows with a pitch: None if the features hold no pitch of single rows.

        Raises
        ------
        ClipError
            If the sound is too short for the features, or one of them is not a finite number.
        """
        rate = None if self.settings.level == "functionals" else ROWS_PER_SECOND
        if inputs.samples is None:
            return _features(np.zeros((0, len(feature_names(self.settings))), np.float32), rate)
        samples = mono_at(inputs.samples, inputs.rate, SAMPLE_RATE)
        audio = self._columns(samples.clip(-1, _LOUDEST))
        info = {
            "seconds": round(samples.size / SAMPLE_RATE, 6),
            "voiced_share": self._voiced_share(audio),
            "loudness_db": level_db(samples),
            "errors": inputs.errors,
        }
        return _features(audio, rate, info)

    def _columns(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the library, and refuse what it could not compute."""
        parts = []
        for smile in self.smiles:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # too short: found below
                parts.append(np.asarray(smile.process(samples[None], SAMPLE_RATE)[2], np.float32))
        rows = min(map(len, parts))  # deltas have two or three rows more at the end
        audio = np.concatenate([part[:rows] for part in parts], axis=1)
        finite = np.isfinite(audio)
        if not finite.any():
            raise ClipError(
                f"its sound lasts {len(samples) / SAMPLE_RATE:.3f} s, too short for openSMILE's "
                f"{self.settings.set}",
                "leave the clip out, or choose features.audio=librosa",
            )
        if not finite.all():
            name = feature_names(self.settings)[int((~finite).any(0).argmax())]
            raise ClipError(
                f"openSMILE's {name} is not a finite number in {int((~finite).any(1).sum())} of "
                f"{rows} rows",
                "listen to the clip; leave it out, or choose another opensmile.set",
            )
        return audio

    def _voiced_share(self, audio: NDArray[np.float32]) -> float | None:
        if self.settings.level == "functionals":
            return None
        names = feature_names(self.settings)
        pitch = next((i for i, name in enumerate(names) if name.startswith(_PITCH)), None)
        return None if pitch is None else round(float((audio[:, pitch] > 0).mean()), 6)


_PITCH = ("F0semitone", "F0final_", "F0_")
"""How the names of the columns with the pitch begin; it is 0 where there is none."""


def _features(
    audio: NDArray[np.float32], rate: int | None, info: dict[str, Any] | None = None
) -> Features:
    silent = {"seconds": 0.0, "voiced_share": None, "loudness_db": None, "errors": 0}
    return Features({"audio": audio}, {"frames": len(audio), "rate": rate, **(info or silent)})
