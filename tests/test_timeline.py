"""Picture and sound lie on one clock: what is seen and heard together is so in the features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.clips import frame_source, sound_of
from pipeline.audio.extractor import AudioExtractor
from pipeline.audio.settings import AudioSettings
from pipeline.faces.extractor import FaceExtractor
from pipeline.faces.settings import FacesSettings
from tests.flashbeep import CASES, EVENTS, encoded, heard_at, master, seen_at

FRAME = 1 / 30
SOUND = AudioSettings(f0="zcr")


@pytest.fixture(scope="module")
def extractors() -> tuple[FaceExtractor, AudioExtractor]:
    return FaceExtractor(FacesSettings(device="cpu")), AudioExtractor(SOUND)


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The uncut clip at each rate that a case asks for, made when first asked."""
    folder = tmp_path_factory.mktemp("masters")
    rates = sorted({case.rate for case in CASES.values()})
    return {rate: master(folder / f"{number}.mkv", rate) for number, rate in enumerate(rates)}


@pytest.mark.parametrize("name", CASES)
def test_a_face_and_a_sound_of_one_moment_are_at_one_time_in_the_features(
    extractors: tuple[FaceExtractor, AudioExtractor],
    masters: dict[str, Path],
    tmp_path: Path,
    name: str,
) -> None:
    case = CASES[name]
    clip = tmp_path / case.name
    case.make(masters[case.rate], clip)
    faces, audio = extractors
    seen = seen_at(faces.extract(frame_source(clip, tmp_path / "frames.mkv")))
    heard = heard_at(audio.extract(sound_of(clip)), SOUND)
    heard = [time for time in heard if not case.damaged[0] < time < case.damaged[1]]
    expected = [event - case.begins for event in EVENTS]
    assert seen == pytest.approx(expected, abs=2 * FRAME)
    assert heard == pytest.approx(expected[-len(heard) :], abs=2 * FRAME)
    assert len(heard) == case.heard
    assert np.abs(np.subtract(seen[-len(heard) :], heard)).max() < FRAME


def test_a_clock_that_starts_anew_within_the_file_goes_on(
    extractors: tuple[FaceExtractor, AudioExtractor], masters: dict[str, Path], tmp_path: Path
) -> None:
    """Transport streams are often put together byte by byte."""
    one, later, clip = (tmp_path / name for name in ("one.ts", "later.ts", "both.ts"))
    encoded()(masters["25"], one)
    encoded("-output_ts_offset", "1000")(masters["25"], later)
    clip.write_bytes(one.read_bytes() + later.read_bytes())
    faces, audio = extractors
    seen = seen_at(faces.extract(frame_source(clip, tmp_path / "frames.mkv")))
    heard = heard_at(audio.extract(sound_of(clip)), SOUND)
    assert len(seen) == len(heard) == 2 * len(EVENTS)
    assert np.abs(np.subtract(seen, heard)).max() < FRAME
