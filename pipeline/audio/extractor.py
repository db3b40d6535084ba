"""audio: log F0, MFCC and CQT chroma of one clip, 33 values a frame."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.settings import PITCH_WINDOW, AudioSettings
from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.media.clip_sound import Sound, level_db
from pipeline.store.features import Features

N_MFCC = 20
N_CHROMA = 12
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def feature_names(settings: AudioSettings) -> tuple[str, ...]:
    """Return the name of each of the 33 columns, in order."""
    first = {"pyin": "log_f0_pyin", "yin": "log_f0_yin", "zcr": "zero_crossing_rate"}[settings.f0]
    mfcc = tuple(f"mfcc_{i}" for i in range(N_MFCC))
    return (first, *mfcc, *(f"chroma_cqt_{name}" for name in PITCH_CLASSES))


def as_pcm16(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round samples in [-1, 1] to 16 bits as ffmpeg does (libswresample: ``lrintf``, clipped)."""
    steps = np.rint(samples * np.float32(32768)).clip(-32768, 32767)
    return np.asarray(steps / np.float32(32768), np.float32)


class AudioExtractor(Extractor):
    """Acoustic features as the paper names them (section 3.2, LibROSA at 22,050 Hz).

    Parameters
    ----------
    settings : AudioSettings
        Sampling rate, hop length and the content of the first column.

    Examples
    --------
    >>> time = np.arange(22050) / 22050  # one second at 22,050 Hz
    >>> tone = np.sin(2 * np.pi * 220 * time).astype(np.float32)
    >>> features = AudioExtractor(AudioSettings()).extract(Sound(tone[None], rate=22050))
    >>> features.arrays["audio"].shape
    (44, 33)
    >>> round(float(np.exp(features.arrays["audio"][22, 0])))  # F0, in Hz
    220
    """

    version: ClassVar[int] = 3
    packages: ClassVar[tuple[str, ...]] = ("librosa", "numpy", "scipy", "soxr")

    def __init__(self, settings: AudioSettings) -> None:
        import librosa  # here: if it is missing, no clip is to blame

        self.settings = settings
        self.librosa = librosa

    def extract(self, inputs: Sound) -> Features:
        """Compute the 33 columns of a clip.

        Parameters
        ----------
        inputs : Sound
            Any number of channels (averaged) at any rate (resampled, soxr_hq).

        Returns
        -------
        Features
            ``audio [T, 33]`` float32, T = 1 + samples // hop at the common rate, 0 for a clip
            without sound; see `feature_names` for the columns. Unvoiced frames have log F0 0.
            Step j lies at j * hop / rate seconds on the clip's clock.

        Raises
        ------
        ClipError
            If there are no samples.
        """
        librosa, s = self.librosa, self.settings
        if inputs.samples is None:
            return _silent(s)
        heard = as_pcm16(inputs.samples) if s.pcm16 else inputs.samples
        mono = librosa.to_mono(heard)
        samples = librosa.resample(mono, orig_sr=inputs.rate, target_sr=s.sample_rate)
        if samples.size == 0:
            raise ClipError("its sound has no samples", "replace the file or leave the clip out")
        pitch, voiced = self._first_column(samples)
        mfcc = librosa.feature.mfcc(
            y=samples, sr=s.sample_rate, n_mfcc=N_MFCC, hop_length=s.hop_length, htk=s.mfcc_htk
        )
        chroma = self._chroma(samples)
        frames = min(pitch.shape[-1], mfcc.shape[1], chroma.shape[1])
        audio = np.concatenate([pitch[None, :frames], mfcc[:, :frames], chroma[:, :frames]]).T
        info = {
            "frames": frames,
            "rate": s.sample_rate / s.hop_length,
            "seconds": round(samples.size / s.sample_rate, 6),
            "voiced_share": voiced,
            "loudness_db": level_db(samples),
            "errors": inputs.errors,
        }
        return Features(arrays={"audio": audio.astype(np.float32)}, info=info)

    def _first_column(self, samples: NDArray[np.float32]) -> tuple[NDArray[Any], float | None]:
        librosa, s = self.librosa, self.settings
        if s.f0 == "zcr":
            rate = librosa.feature.zero_crossing_rate(samples, hop_length=s.hop_length)[0]
            return rate, None
        search: dict[str, Any] = {
            "fmin": s.f0_min,
            "fmax": s.f0_max,
            "sr": s.sample_rate,
            "frame_length": PITCH_WINDOW,
            "hop_length": s.hop_length,
        }
        if s.f0 == "yin":
            return np.log(librosa.yin(samples, **search)), None
        from pipeline.audio.pitch import pyin

        pitch, _, _ = pyin(samples, **search)
        voiced = np.isfinite(pitch)
        return np.log(np.where(voiced, pitch, 1.0)), round(float(voiced.mean()), 6)

    def _chroma(self, samples: NDArray[np.float32]) -> NDArray[Any]:
        chroma: NDArray[Any] = self.librosa.feature.chroma_cqt(
            y=samples, sr=self.settings.sample_rate, hop_length=self.settings.hop_length
        )
        return chroma


def _silent(settings: AudioSettings) -> Features:
    """Return the features of a clip without sound: no steps."""
    info = {
        "frames": 0,
        "rate": settings.sample_rate / settings.hop_length,
        "seconds": 0.0,
        "voiced_share": None,
        "loudness_db": None,
        "errors": 0,
    }
    width = len(feature_names(settings))
    return Features(arrays={"audio": np.zeros((0, width), np.float32)}, info=info)
