"""Films that are damaged or odd: an error that names the film, or clips that keep the rules."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.propose.film import open_film, sound
from tests.flashbeep import CASES, master
from tests.media import ffmpeg
from tests.propose.test_cut import Scanned


def damaged(data: bytes, seed: int) -> bytes:
    """Return a film's bytes with some of them changed, lost or cleared."""
    chance = random.Random(seed)
    made = bytearray(data)
    start = chance.randrange(len(made))
    stop = min(len(made), start + chance.randrange(20_000))
    match seed % 4:
        case 0:
            for _ in range(chance.choice([1, 5, 50, 500])):
                made[chance.randrange(len(made))] = chance.randrange(256)
        case 1:
            del made[start:]
        case 2:
            made[start:stop] = bytes(stop - start)
        case 3:
            del made[start:stop]
    return bytes(made)


@pytest.mark.parametrize("case", ["mp4", "ts", "mpg", "avi", "flv"])
def test_a_damaged_film_gives_clips_or_an_error_that_says_why(case: str, tmp_path: Path) -> None:
    whole = tmp_path / CASES[case].name
    CASES[case].make(master(tmp_path / "master.mkv"), whole)
    data = whole.read_bytes()
    read = 0
    for seed in range(12):
        path = tmp_path / f"damaged{whole.suffix}"
        path.write_bytes(damaged(data, seed))
        try:
            film = Scanned(path)
            assert np.all(np.diff(film.times) > 0)
            first, stop = np.searchsorted(film.times, [1.0, 2.0])
            if first < stop < len(film.times):
                film.cut(tmp_path / "clip.mp4", 1.0, 2.0)
            sum(len(piece) for piece in sound(film.film))
            read += 1
        except ClipError as error:
            assert error.reason
            assert error.remedy
    assert read >= 3


def test_stereo_sound_that_begins_late_is_cut_with_its_silence(tmp_path: Path) -> None:
    source = master(tmp_path / "master.mkv")
    path = tmp_path / "late.mkv"
    late = ("-ss", "1.5", "-itsoffset", "1.5", "-i", source)
    ffmpeg("-i", source, *late, "-map", "0:v", "-map", "1:a", "-ac", "2", "-c:v", "libx264", path)
    film = Scanned(path)
    heard = np.concatenate(list(sound(film.film, 1.0, 2.5)))
    rate = film.film.rate
    assert heard.shape == (round(1.5 * rate), 2)
    assert not heard[: round(0.45 * rate)].any()
    assert heard[round(0.6 * rate) :].any()
    film.cut(tmp_path / "clip.mp4", 1.0, 2.5)


def test_channels_that_change_within_a_broadcast_are_mixed(tmp_path: Path) -> None:
    source = master(tmp_path / "master.mkv")
    data = b""
    for channels in ("1", "2", "6"):
        part = tmp_path / f"{channels}.ts"
        ffmpeg("-i", source, "-c:v", "libx264", "-c:a", "ac3", "-ac", channels, part)
        data += part.read_bytes()
    path = tmp_path / "recorded.ts"
    path.write_bytes(data)
    film = Scanned(path)
    heard = np.concatenate(list(sound(film.film)))
    assert heard.shape[1] == film.film.channels
    assert len(heard) / film.film.rate == pytest.approx(film.all.info["end"], abs=0.5)


def test_a_timestamp_far_away_is_left_out(tmp_path: Path) -> None:
    source = master(tmp_path / "master.mkv")
    path = tmp_path / "jump.mkv"
    ffmpeg(
        *("-i", source, "-vf", "setpts=PTS+gt(N\\,90)*5000/TB", "-fps_mode", "passthrough"),
        *("-c:v", "libx264", "-c:a", "aac", path),
    )
    film = Scanned(path)
    assert film.all.info["end"] < 5
    assert open_film(path) == film.film
