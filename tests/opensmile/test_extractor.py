"""openSMILE: the library's own numbers, on the clip's clock, for every set that it has."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import opensmile
import pytest

from benchmarks.clips import sound_of
from pipeline.config import load_config
from pipeline.errors import BuildError, ClipError
from pipeline.media.clip_sound import Sound, mono_at
from pipeline.opensmile.extractor import OpenSmileExtractor, feature_names
from pipeline.opensmile.settings import FeatureSet, OpenSmileSettings
from pipeline.opensmile.stage import OPENSMILE
from pipeline.store.features import Features
from pipeline.store.files import package_versions
from tests.media import FACE, ffmpeg

RATE = 16000
LEVEL = opensmile.FeatureLevel
SETS = get_args(FeatureSet)
WITH_DELTAS = tuple(name for name in SETS if "GeMAPS" not in name)


def extract(sound: Sound, **settings: Any) -> Features:
    return OpenSmileExtractor(OpenSmileSettings(**settings)).extract(sound)


def column(features: Features, name: str, **settings: Any) -> np.ndarray:
    return features.arrays["audio"][:, feature_names(OpenSmileSettings(**settings)).index(name)]


def library(name: str, level: LEVEL) -> opensmile.Smile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return opensmile.Smile(opensmile.FeatureSet[name], level)


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip's sound as a WAV file of 16 bits, mono, at 16 kHz."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    ffmpeg("-i", FACE, "-vn", "-ac", "1", "-ar", str(RATE), "-c:a", "pcm_s16le", path)
    return path


def test_the_sets_are_all_that_the_library_has() -> None:
    every = {name: member.name for name, member in opensmile.FeatureSet.__members__.items()}
    assert set(SETS) | {"GeMAPS", "eGeMAPS"} == set(every)


@pytest.mark.parametrize("level", ["lld", "functionals"])
@pytest.mark.parametrize("name", SETS)
def test_a_file_gives_what_the_library_reads_from_it(voice: Path, name: str, level: str) -> None:
    theirs = LEVEL.LowLevelDescriptors if level == "lld" else LEVEL.Functionals
    expected = library(name, theirs).process_file(str(voice))
    features = extract(sound_of(voice), set=name, level=level)
    np.testing.assert_array_equal(features.arrays["audio"], expected.to_numpy())
    assert features.arrays["audio"].dtype == np.float32
    names = feature_names(OpenSmileSettings(set=name, level=level))
    assert names == tuple(expected.columns)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", WITH_DELTAS)
def test_deltas_follow_their_descriptors(voice: Path, name: str) -> None:
    both = extract(sound_of(voice), set=name, deltas=True).arrays["audio"]
    lld, deltas = (
        library(name, level).process_file(str(voice)).to_numpy()
        for level in (LEVEL.LowLevelDescriptors, LEVEL.LowLevelDescriptors_Deltas)
    )
    np.testing.assert_array_equal(both, np.hstack([lld, deltas[: len(lld)]]))
    assert len(set(feature_names(OpenSmileSettings(set=name, deltas=True)))) == both.shape[1]


@pytest.mark.parametrize(
    "changes", [{"set": "GeMAPSv01b"}, {"set": "IS09", "level": "functionals"}]
)
def test_deltas_that_do_not_exist_are_refused(changes: dict[str, str]) -> None:
    words = [f"opensmile.{key}={value}" for key, value in {**changes, "deltas": "true"}.items()]
    with pytest.raises(BuildError, match=r"have deltas; leave opensmile\.deltas false"):
        load_config((), tuple(words))


def test_the_widths_are_those_of_the_papers() -> None:
    def width(name: str, level: str = "lld") -> int:
        return len(feature_names(OpenSmileSettings(set=name, level=level)))

    assert (width("eGeMAPSv02"), width("eGeMAPSv02", "functionals")) == (25, 88)
    assert (width("GeMAPSv01b"), width("GeMAPSv01b", "functionals")) == (18, 62)
    assert (width("ComParE_2016"), width("ComParE_2016", "functionals")) == (65, 6373)


@pytest.mark.parametrize("name", SETS)
def test_a_row_describes_the_sound_from_its_hundredth_of_a_second_on(name: str) -> None:
    """Noise starts at one second: the windows that begin later are all noise, those 60 ms before
    it all silence, whatever the library's timestamps say."""
    samples = np.zeros(2 * RATE, np.float32)
    samples[RATE:] = np.random.default_rng(0).uniform(-0.3, 0.3, RATE)
    audio = extract(Sound(samples[None], RATE), set=name).arrays["audio"]
    assert abs(len(audio) - 200) <= 5
    silent = np.abs(audio[20:80]).max(axis=0)
    zero = silent == 0  # of such columns, silence can be told from noise
    first = int((np.abs(audio[:, zero]) > 1e-6).any(axis=1).argmax())
    assert zero.any()
    assert 100 - 8 <= first <= 100


def test_a_tone_has_its_own_pitch_and_place() -> None:
    time = np.arange(3 * RATE) / RATE
    tone = np.where((time > 1) & (time < 2), 0.5 * np.sin(2 * np.pi * 220 * time), 0)
    features = extract(Sound(tone.astype(np.float32)[None], RATE))
    pitch = column(features, "F0semitoneFrom27.5Hz_sma3nz")
    voiced = np.flatnonzero(pitch) / 100
    assert np.median(pitch[pitch > 0]) == pytest.approx(36, abs=0.05)
    assert (voiced[0], voiced[-1]) == pytest.approx((1, 2), abs=0.07)
    assert features.info["voiced_share"] == pytest.approx(1 / 3, abs=0.03)
    assert features.info["loudness_db"] == pytest.approx(-13.8, abs=0.1)
    assert features.info["rate"] == 100


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channels_give_the_same_rows(rate: int, channels: int) -> None:
    time = np.arange(rate) / rate
    tone = np.tile(0.3 * np.sin(2 * np.pi * 300 * time), (channels, 1)).astype(np.float32)
    features = extract(Sound(tone, rate))
    plain = extract(Sound(mono_at(tone, rate, RATE)[None], RATE))
    np.testing.assert_array_equal(features.arrays["audio"], plain.arrays["audio"])
    assert features.arrays["audio"].shape == (96, 25)
    assert np.median(column(features, "F0semitoneFrom27.5Hz_sma3nz")) == pytest.approx(
        12 * np.log2(300 / 27.5), abs=0.1
    )


def test_sound_beyond_full_scale_is_limited_and_not_wrapped() -> None:
    """The library makes -32768 of 1.0; lossy codecs give samples beyond 1."""
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 220 * time).astype(np.float32)
    loud = column(extract(Sound(1.3 * tone[None], RATE)), "HNRdBACF_sma3nz")
    limited = column(extract(Sound((1.3 * tone[None]).clip(-1, 1), RATE)), "HNRdBACF_sma3nz")
    wrapped = library("eGeMAPSv02", LEVEL.LowLevelDescriptors).process(1.3 * tone[None], RATE)[2]
    np.testing.assert_array_equal(loud, limited)
    names = feature_names(OpenSmileSettings())
    assert np.median(loud) > 10 > np.median(wrapped[:, names.index("HNRdBACF_sma3nz")])


@pytest.mark.parametrize("level", ["lld", "functionals"])
@pytest.mark.parametrize("name", SETS)
def test_a_silent_sound_gives_finite_numbers(name: str, level: str) -> None:
    features = extract(Sound(np.zeros((1, RATE), np.float32), RATE), set=name, level=level)
    assert np.isfinite(features.arrays["audio"]).all()
    assert features.info["loudness_db"] == -120
    assert features.info["voiced_share"] == (0 if level == "lld" else None)


@pytest.mark.parametrize("level", ["lld", "functionals"])
def test_a_clip_without_sound_has_no_rows(level: str) -> None:
    features = extract(Sound(None, 0), level=level)
    assert features.arrays["audio"].shape == (0, 25 if level == "lld" else 88)
    assert features.info["rate"] == (100 if level == "lld" else None)
    assert features.info["frames"] == 0 and features.info["voiced_share"] is None


@pytest.mark.parametrize("level", ["lld", "functionals"])
@pytest.mark.parametrize("samples", [0, 1, 500, 959])
def test_a_sound_that_is_too_short_is_refused(samples: int, level: str) -> None:
    sound = Sound(np.full((1, samples), 0.1, np.float32), RATE)
    with pytest.raises(ClipError, match=rf"lasts {samples / RATE:.3f} s, too short"):
        extract(sound, level=level)


def test_the_shortest_sound_gives_rows() -> None:
    assert len(extract(Sound(np.full((1, 960), 0.1, np.float32), RATE)).arrays["audio"]) == 2


def test_functionals_are_one_row_of_a_clip_and_no_span_of_time() -> None:
    config = load_config((), ("features.audio=opensmile", "opensmile.level=functionals"))
    assert OPENSMILE.feature is not None
    assert OPENSMILE.feature.rate(config) is None
    assert OPENSMILE.feature.step_of(config.opensmile) == "clip"
    lld = load_config((), ("features.audio=opensmile",))
    assert OPENSMILE.feature.rate(lld) == 100
    assert OPENSMILE.feature.step_of(lld.opensmile) == "frame"


def test_nothing_imports_the_library_before_it_is_needed() -> None:
    code = (
        "import sys; import pipeline.commands.cli, pipeline.opensmile.stage;"
        "import pipeline.opensmile.extractor; sys.exit('opensmile' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(BuildError, match=r"opensmil0 is not installed.*\n.*pip install opensmil0"):
        package_versions(("numpy", "opensmil0"))
