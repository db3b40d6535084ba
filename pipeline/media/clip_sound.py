"""The sound of one clip as the audio extractors take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.media.sound import read_sound

if TYPE_CHECKING:
    from pipeline.stage import Build
    from pipeline.store.shards import Clip


@dataclass(frozen=True)
class Sound:
    """The decoded sound of one clip.

    Parameters
    ----------
    samples : ndarray, shape (channels, n), or None
        Samples in [-1, 1]; sample n is heard at n / rate seconds on the clip's clock. None for
        a clip without sound.
    rate : int
        Sampling rate, in Hz.
    errors : int
        How many errors ffmpeg reported while decoding.
    """

    samples: NDArray[np.float32] | None
    rate: int
    errors: int = 0


def sound_of(build: Build, clip: Clip) -> Sound:
    """Decode the sound of a clip: the `load` of every stage that reads sound.

    Raises
    ------
    ClipError
        If the clip has a sound stream that cannot be decoded.
    """
    if clip.streams.audio is None:
        return Sound(None, 0)
    return Sound(
        *read_sound(
            build.media(clip),
            stream=clip.streams.audio,
            other=clip.streams.video,
            origin=clip.streams.origin,
            seconds=clip.seconds,
            ffmpeg=build.config.media.ffmpeg,
        )
    )


def mono_at(samples: NDArray[np.float32], rate: int, target: int) -> NDArray[np.float32]:
    """Average the channels and resample (soxr, high quality).

    Parameters
    ----------
    samples : ndarray, shape (channels, n)
        Samples at `rate` Hz.
    rate, target : int
        Sampling rates, in Hz. If they are equal, nothing is resampled.

    Returns
    -------
    ndarray, shape (n * target / rate,)
        Sample n is heard at n / target seconds.
    """
    import soxr

    mono = samples.mean(axis=0, dtype=np.float32)
    if rate == target:
        return np.ascontiguousarray(mono)
    return np.asarray(soxr.resample(mono, rate, target, quality="HQ"), np.float32)


def level_db(samples: NDArray[np.float32]) -> float:
    """Return the RMS level of samples in [-1, 1], in dB relative to full scale; at least -120."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return round(20 * float(np.log10(max(rms, 1e-6))), 2)
