"""A clip holds exactly the pictures and the sound of its part of the film."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.manifest.streams import probe
from pipeline.media.sound import read_sound
from pipeline.propose import shots
from pipeline.propose.cut import write_clip
from pipeline.propose.film import Film, Index, index_film, open_film, pictures, sound
from pipeline.propose.settings import ProposeSettings
from tests.flashbeep import CASES, encoded, master, middles
from tests.media import FACE, ffmpeg

SETTINGS = ProposeSettings()
SOME = (
    "mp4",
    "mkv at 23.976",
    "ts",
    "mpg",
    "avi",
    "wmv",
    "cut between key frames, with an edit list",
    "sound late by 1 s",
    "picture late by 0.5 s, mkv",
    "no packets for 1 s",
    "fast, then slow",
    "begins at 1000 s",
    "negative timestamps",
)
BEGIN, END = 1.0, 3.0


class Scanned:
    """A film and what is known of it after the first pass."""

    def __init__(self, path: Path) -> None:
        self.film: Film = open_film(path)
        self.index: Index = index_film(self.film)
        parts = [
            shots.scan(self.film, self.index, span, SETTINGS) for span in shots.spans(self.index)
        ]
        self.all = shots.joined(self.film, parts)
        self.times = self.all.arrays["times"]

    def flashes(self) -> list[float]:
        """Return the middle of each flash in the film."""
        shown = [(t, f.to_ndarray(format="gray")) for t, f in pictures(self.film, -np.inf)]
        return flashes(shown, float(self.all.info["end"]))

    def cut(self, path: Path, begin: float, end: float, **options: Any) -> tuple[int, int]:
        """Cut the pictures from one moment to another; return their numbers."""
        first, stop = np.searchsorted(self.times, [begin, end]).tolist()
        until = float(self.times[stop])
        write_clip(
            self.film, self.index, self.times, (first, stop, until), path, SETTINGS, **options
        )
        return first, stop


def decoded(path: Path) -> list[tuple[float, np.ndarray[Any, Any]]]:
    """Return all pictures of a clip with their times."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time), frame.to_ndarray(format="gray"))
            for frame in container.decode(video=0)
        ]


def made(folder: Path, case: str) -> Path:
    """Return the film of a case."""
    path = folder / CASES[case].name
    CASES[case].make(master(folder / "master.mkv", CASES[case].rate), path)
    return path


@pytest.mark.parametrize("case", SOME)
def test_flash_and_beep_lie_where_they_lie_in_the_film(case: str, tmp_path: Path) -> None:
    film = Scanned(made(tmp_path, case))
    clip = tmp_path / "clip.mp4"
    first, stop = film.cut(clip, BEGIN, END)
    begin = float(film.times[first])
    facts = probe(clip)
    assert (facts.video_start, facts.audio_start) == (0.0, 0.0)
    length = float(film.times[stop]) - begin
    assert facts.video_seconds == pytest.approx(length, abs=2e-3)
    assert facts.audio_seconds == pytest.approx(length, abs=2e-3)
    shown = decoded(clip)
    assert [time for time, _ in shown] == pytest.approx(film.times[first:stop] - begin, abs=1.1e-3)
    assert flashes(shown, length) == pytest.approx(
        [each - begin for each in film.flashes() if BEGIN < each < END], abs=3e-3
    )
    assert beeps(clip) == pytest.approx(
        [each - begin for each in beeps(film.film.path) if BEGIN < each < END], abs=0.012
    )
    assert len(beeps(clip)) == (2 if CASES[case].begins else 1)
    if case != "no packets for 1 s":
        assert beeps(clip) == pytest.approx(flashes(shown, length), abs=0.06)


def flashes(shown: list[tuple[float, Any]], end: float) -> list[float]:
    """Return the middle of each flash; a picture is shown until the next one comes."""
    bright = np.array([picture.mean() > 60 for _, picture in shown])
    return _middles([time for time, _ in shown], bright, end)


def beeps(path: Path) -> list[float]:
    """Return the middle of each beep, found by the code that a build decodes clips with."""
    facts = probe(path)
    assert facts.audio_stream is not None
    samples, rate, _ = read_sound(
        path, stream=facts.audio_stream, other=facts.video_stream, origin=facts.origin
    )
    loud = np.abs(samples[0]) > 0.05
    return middles(np.convolve(loud, np.ones(rate // 50), "same") > rate // 1000, rate)


def _middles(times: list[float], on: Any, end: float) -> list[float]:
    """Return the middle of each stretch of pictures that are on; each lasts until the next."""
    edges = np.flatnonzero(np.diff(np.r_[False, on, False].astype(int)))
    ends = [*times, end]
    return [(ends[a] + ends[b]) / 2 for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("case", ["mp4", "ts", "fast, then slow"])
def test_without_loss_every_pixel_and_sample_is_the_films(case: str, tmp_path: Path) -> None:
    film = Scanned(made(tmp_path, case))
    clip = tmp_path / "clip.mkv"
    first, stop = film.cut(clip, BEGIN, END, lossless=True)
    expected = [
        frame.to_ndarray(format="gray")
        for number, (_, frame) in enumerate(pictures(film.film, -np.inf))
        if first <= number < stop
    ]
    found = [picture for _, picture in decoded(clip)]
    assert len(found) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    begin, end = float(film.times[first]), float(film.times[stop])
    whole = np.concatenate(list(sound(film.film)))
    rate = film.film.rate
    samples, _, _ = read_sound(clip, stream=1, other=0)
    assert np.array_equal(samples.T, whole[round(begin * rate) : round(end * rate)])


@pytest.mark.parametrize("lossless", [False, True])
def test_the_same_part_gives_the_same_bytes(lossless: bool, tmp_path: Path) -> None:
    film = Scanned(made(tmp_path, "mp4"))
    digests = set()
    for number in range(2):
        clip = tmp_path / f"{number}.{'mkv' if lossless else 'mp4'}"
        film.cut(clip, BEGIN, END, lossless=lossless)
        digests.add(hashlib.sha256(clip.read_bytes()).hexdigest())
    assert len(digests) == 1


def _turned(source: Path, target: Path) -> None:
    sideways = target.with_name("sideways.mp4")
    ffmpeg("-i", source, "-vf", "transpose=cclock", "-c:v", "libx264", "-c:a", "aac", sideways)
    ffmpeg("-display_rotation", "270", "-i", sideways, "-c", "copy", target)


@pytest.mark.parametrize(
    "make",
    [
        _turned,
        encoded("-vf", "scale=80:120,setsar=2"),
        encoded("-pix_fmt", "yuv420p10le"),
        encoded("-vf", "scale=159:119", "-pix_fmt", "yuv444p"),
    ],
    ids=["turned by a phone", "wide pixels", "10 bits", "odd sizes"],
)
def test_clips_are_upright_and_have_square_pixels(
    make: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"
    make(master(tmp_path / "master.mkv"), path)
    film = Scanned(path)
    clip = tmp_path / "clip.mp4"
    film.cut(clip, BEGIN, END)
    facts = probe(clip)
    assert (facts.width, facts.height, facts.rotation) == (160, 120, 0)
    with av.open(str(clip)) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)
    plain = tmp_path / "plain.mp4"
    encoded()(master(tmp_path / "again.mkv"), plain)
    same = tmp_path / "same.mp4"
    Scanned(plain).cut(same, BEGIN, END)
    for (_, one), (_, other) in zip(decoded(clip)[::10], decoded(same)[::10], strict=True):
        assert np.abs(one.astype(float) - other).mean() < 6


def test_a_clock_that_starts_anew_goes_on(tmp_path: Path) -> None:
    part = tmp_path / "part.ts"
    encoded()(master(tmp_path / "master.mkv"), part)
    other = tmp_path / "other.ts"
    encoded("-output_ts_offset", "300")(tmp_path / "master.mkv", other)
    path = tmp_path / "recorded.ts"
    path.write_bytes(part.read_bytes() + other.read_bytes() + part.read_bytes())
    film = Scanned(path)
    assert not film.index.continuous
    assert np.diff(film.times).max() < 0.2
    clip = tmp_path / "clip.mp4"
    film.cut(clip, 9.0, 11.2)  # in the third of the three
    shown = decoded(clip)
    seen = flashes(shown, 2.2)
    assert len(seen) == 2
    assert beeps(clip) == pytest.approx(seen, abs=0.06)


def test_a_film_that_was_changed_is_not_cut(tmp_path: Path) -> None:
    film = Scanned(made(tmp_path, "mp4"))
    encoded("-r", "20")(master(tmp_path / "master.mkv"), tmp_path / "a.mp4")
    with pytest.raises(ClipError, match="of 50 pictures as in the first pass"):
        film.cut(tmp_path / "clip.mp4", BEGIN, END)
    assert not (tmp_path / "clip.mp4").exists()


def test_parts_of_a_film_give_what_the_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    encoded("-g", "10", "-bf", "2")(master(tmp_path / "master.mkv"), path)
    whole = Scanned(path)
    assert len(shots.spans(whole.index)) == 1
    monkeypatch.setattr(shots, "SPAN_SECONDS", 0.7)
    assert len(shots.spans(whole.index)) == 5
    parts = Scanned(path)
    assert np.array_equal(parts.times, whole.times)
    assert np.array_equal(parts.all.arrays["shots"], whole.all.arrays["shots"])
    assert parts.all.info == whole.all.info


@pytest.mark.parametrize(("channels", "after"), [(1, 2), (2, 1), (2, 6)])
def test_sound_that_changes_its_channels_keeps_those_it_begins_with(
    channels: int, after: int, tmp_path: Path
) -> None:
    film = tmp_path / "film.ts"
    for number in (channels, after):
        part = tmp_path / "part.ts"
        ffmpeg("-i", FACE, "-t", "1", "-ac", str(number), "-c:a", "aac", part)
        film.write_bytes((film.read_bytes() if film.exists() else b"") + part.read_bytes())
    changing = Scanned(film)
    heard = [*sound(changing.film, 0.0, 2.0)]
    assert {piece.shape[1] for piece in heard} == {channels}
    late = np.concatenate(heard)[int(1.2 * changing.film.rate) :]
    assert np.abs(late).max() > 0.01
    changing.cut(tmp_path / "clip.mp4", 0.5, 1.5)
    assert probe(tmp_path / "clip.mp4").channels == channels
