"""The faster Viterbi search: librosa's own states, to the last bit."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from benchmarks.clips import sound_of
from pipeline.audio.pitch import pyin, viterbi
from tests.media import FACE

SEARCH = {"fmin": 65.4, "fmax": 2093.0, "sr": 22050}


def sounds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    low, high = (np.sin(2 * np.pi * f * np.arange(11025) / 22050) for f in (110, 1200))
    return {
        "speech": sound_of(FACE).samples[0],
        "noise": rng.normal(0, 0.1, 22050),
        "silence": np.zeros(8000),
        "a leap of three octaves": np.concatenate([low, high, low]),
        "clipped": np.sign(np.sin(0.05 * np.arange(22050))),
    }


@pytest.mark.parametrize("name", sounds())
def test_pyin_gives_librosas_pitch_voicing_and_probability(name: str) -> None:
    for ours, theirs in zip(
        pyin(sounds()[name], **SEARCH), librosa.pyin(sounds()[name], **SEARCH), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(20))
def test_impossible_moves_and_ties_are_decided_as_in_librosa(seed: int) -> None:
    rng = np.random.default_rng(seed)
    states, steps = 12, 30
    transition = rng.integers(0, 3, (states, states)) * (rng.random((states, states)) < 0.4)
    transition = (transition + 1e-9 * np.eye(states)) / (transition.sum(1) + 1e-9)[:, None]
    prob = rng.integers(0, 3, (states, steps)) / 2.0  # many zeros, many equals
    start = np.full(states, 1 / states)
    ours = viterbi(prob, transition, p_init=start)
    np.testing.assert_array_equal(ours, librosa.sequence.viterbi(prob, transition, p_init=start))
