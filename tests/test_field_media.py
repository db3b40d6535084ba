"""Files that users really have: their picture and sound come out at the right times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import frame_source, sound_of
from pipeline.manifest.folders import EXTENSIONS
from pipeline.manifest.streams import probe
from tests.conftest import SHARED


def field(case: str) -> Path:
    folder = SHARED / "field" / case / "raw" / "video_0001"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: it is no part of the project")
    (clip,) = (path for path in folder.iterdir() if path.suffix in EXTENSIONS)
    return clip


def loud_from(clip: Path) -> float:
    """Return when the sound first reaches half its loudest, in seconds."""
    sound = sound_of(clip)
    assert sound.samples is not None
    level = np.abs(sound.samples).max(0)
    return float(np.argmax(level > level.max() / 2) / sound.rate)


@pytest.mark.parametrize("case", ["video_starts_late", "video_starts_late_mkv"])
def test_a_picture_that_starts_late_comes_with_its_tone(case: str, tmp_path: Path) -> None:
    clip = field(case)
    start = probe(clip).video_start
    assert start == pytest.approx(0.7, abs=0.05)
    source = frame_source(clip, tmp_path / "frames.mkv")
    assert np.flatnonzero(source.shown >= 0)[0] / 30 == pytest.approx(start, abs=1 / 30)
    assert loud_from(clip) == pytest.approx(start, abs=1 / 30)


def test_a_sound_that_starts_late_is_preceded_by_silence() -> None:
    assert loud_from(field("audio_starts_late")) == pytest.approx(2.77, abs=1 / 30)


def test_the_default_audio_track_is_taken() -> None:
    found = probe(field("two_audio_tracks"))
    assert (found.audio_track, found.audio_tracks) == (1, ("0 (yue)", "1 (cmn, default)"))


def test_wide_pixels_are_shown_square(tmp_path: Path) -> None:
    source = frame_source(field("anamorphic"), tmp_path / "frames.mkv")
    assert (source.width, source.height) == (320, 240)


def test_a_clip_without_sound_has_no_steps_and_an_m4v_is_found() -> None:
    assert sound_of(field("no_audio")).samples is None
    assert field("m4v").suffix == ".m4v"


def test_a_phones_uneven_pictures_keep_their_own_times(tmp_path: Path) -> None:
    source = frame_source(field("vfr_import"), tmp_path / "frames.mkv")
    assert source.frames == 120
    np.testing.assert_allclose(source.times, [*np.arange(60) / 30, *(2 + np.arange(20) / 10)])
    shown_at = source.times[source.source]
    assert np.abs(shown_at - np.arange(120) / 30).max() <= 0.1
