"""Where there is speech: Silero VAD's probabilities, and the spans that they make."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.propose.film import Film, Samples, sound
from pipeline.store.features import Features

VERSION = 1
"""Raised by hand when the same film would give other probabilities."""

RATE = 16000
CHUNK = 512
"""Samples per probability: 32 ms."""
SECONDS = CHUNK / RATE

BREATH = 0.1
"""Seconds: a shorter pause is part of a phrase."""
_SHORTEST = 0.1
"""Seconds: shorter speech is a click."""


@dataclass(frozen=True)
class Phrase:
    """Speech without a pause: its begin and end, in seconds."""

    begin: float
    end: float


def listen(film: Film) -> Features:
    """Return the probability of speech in each 32 ms of a film.

    Returns
    -------
    Features
        ``speech [n]`` float32; value k belongs to the 32 ms from ``k * 0.032`` s on.

    Raises
    ------
    ClipError
        If no sound can be decoded.
    """
    import torch
    from silero_vad import load_silero_vad

    with warnings.catch_warnings(action="ignore"):  # its format (TorchScript) is deprecated
        model = load_silero_vad()
    model.reset_states()
    found: list[float] = []
    with torch.inference_mode():
        for chunk in _chunks(_mono16(sound(film), film.rate)):
            found.append(float(model(torch.from_numpy(chunk), RATE)))
    if not found:
        raise ClipError(
            f"{film.path.name}: none of its sound can be decoded", "play it; copy it again"
        )
    return Features({"speech": np.array(found, np.float32)}, {})


def _mono16(pieces: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Average the channels and resample to 16 kHz, as a stream."""
    import soxr

    stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
    for piece in pieces:
        yield np.asarray(stream.resample_chunk(piece.mean(axis=1, dtype=np.float32)), np.float32)
    yield np.asarray(stream.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)


def _chunks(pieces: Iterable[Samples]) -> Iterator[Samples]:
    """Cut a stream into chunks of one length; the last one is filled up with silence."""
    rest = np.zeros(0, np.float32)
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        whole = len(rest) // CHUNK * CHUNK
        yield from rest[:whole].reshape(-1, CHUNK)
        rest = rest[whole:]
    if len(rest):
        yield np.pad(rest, (0, CHUNK - len(rest)))


def phrases(speech: NDArray[np.float32], threshold: float) -> list[Phrase]:
    """Return the speech of a film, divided at every pause of 0.1 s.

    Parameters
    ----------
    speech : ndarray, float32 [n]
        From `listen`.
    threshold : float
        Probability from which speech begins; it ends 0.15 below (Silero's hysteresis).
    """
    from silero_vad import get_speech_timestamps_from_probs

    spans: Sequence[dict[str, int]] = get_speech_timestamps_from_probs(
        speech.tolist(),
        sampling_rate=RATE,
        threshold=threshold,
        min_speech_duration_ms=int(1000 * _SHORTEST),
        min_silence_duration_ms=int(1000 * BREATH),
        speech_pad_ms=0,
    )
    return [Phrase(span["start"] / RATE, span["end"] / RATE) for span in spans]
