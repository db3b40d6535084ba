"""Audio: librosa's own numbers, 33 named columns, any sound."""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest

from benchmarks.clips import sound_of
from pipeline.audio.extractor import AudioExtractor, feature_names
from pipeline.audio.settings import AudioSettings
from pipeline.media.clip_sound import Sound
from tests.media import FACE


@pytest.fixture(scope="module")
def speech() -> Sound:
    return sound_of(FACE)


def audio(sound: Sound, **settings: object) -> np.ndarray:
    return AudioExtractor(AudioSettings.model_validate(settings)).extract(sound).arrays["audio"]


def test_the_columns_are_those_of_librosa_called_directly(speech: Sound) -> None:
    y, sr = speech.samples[0], 22050
    assert speech.rate == sr
    f0, voiced, _ = librosa.pyin(
        y, fmin=librosa.note_to_hz("C2"), fmax=librosa.note_to_hz("C7"), sr=sr
    )
    expected = np.concatenate(
        [
            np.log(np.where(voiced, f0, 1.0))[None],
            librosa.feature.mfcc(y=y, sr=sr),
            librosa.feature.chroma_cqt(y=y, sr=sr),
        ]
    ).T
    features = AudioExtractor(AudioSettings()).extract(speech)
    np.testing.assert_allclose(features.arrays["audio"], expected, atol=1e-5, rtol=1e-5)
    assert features.info["voiced_share"] == pytest.approx(voiced.mean(), abs=1e-5)


def test_the_release_columns_are_those_of_the_published_recipe(speech: Sound) -> None:
    y, sr = speech.samples[0], 22050
    expected = np.concatenate(
        [
            librosa.feature.zero_crossing_rate(y),
            librosa.feature.mfcc(y=y, sr=sr, htk=True),
            librosa.feature.chroma_cqt(y=y, sr=sr),
        ]
    ).T
    np.testing.assert_allclose(
        audio(speech, f0="zcr", mfcc_htk=True), expected, atol=1e-5, rtol=1e-5
    )


def test_33_names_that_say_what_the_first_column_is() -> None:
    for f0, name in (
        ("pyin", "log_f0_pyin"),
        ("yin", "log_f0_yin"),
        ("zcr", "zero_crossing_rate"),
    ):
        names = feature_names(AudioSettings.model_validate({"f0": f0}))
        assert len(set(names)) == 33
        assert names[0] == name


def test_a_tone_gives_its_own_log_f0_by_both_methods() -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(22050) / 22050).astype(np.float32)[None]
    for f0 in ("pyin", "yin"):
        column = audio(Sound(tone, 22050), f0=f0)[:, 0]
        assert np.median(column) == pytest.approx(np.log(220), abs=0.01)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channels_give_the_same_number_of_frames(rate: int, channels: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (channels, rate)).astype(np.float32)
    features = audio(Sound(noise, rate), f0="zcr")
    assert features.shape == (1 + 22050 // 512, 33)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("samples", [1, 100, 3000])
@pytest.mark.parametrize("f0", ["pyin", "yin", "zcr"])
def test_very_short_and_silent_sounds_give_finite_numbers(samples: int, f0: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        features = audio(Sound(np.zeros((1, samples), np.float32), 22050), f0=f0)
    assert features.shape == (1 + samples // 512, 33)
    assert np.isfinite(features).all()
