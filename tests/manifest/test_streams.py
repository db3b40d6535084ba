"""The streams that make a clip are those that ffmpeg and players take, on one clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.config import load_config, make_config
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.probe import AudioFacts, FileFacts, VideoFacts
from pipeline.manifest.streams import choose
from pipeline.media.ffmpeg import ffmpeg_program

VIDEO = VideoFacts(0, "h264", 0.0, 0.0, 4.0, 4.0, 100, 320, 240, 0, 25.0, True, False)
AUDIO = AudioFacts(1, 0, "aac", 0.0, 0.0, 4.0, 170, 44100, 2, "", True)


def facts(*streams: VideoFacts | AudioFacts, start: float | None = 0.0) -> FileFacts:
    videos = tuple(s for s in streams if isinstance(s, VideoFacts))
    return FileFacts(start, videos, tuple(s for s in streams if isinstance(s, AudioFacts)))


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        ({"width": 640, "default": False}, 0),
        ({"width": 640}, 5),
        ({"width": 160}, 0),
        ({"width": 1920, "attached": True}, 0),
        ({"width": 1920, "pictures": 1}, 0),
    ],
)
def test_the_video_is_the_default_and_then_the_largest_that_moves(
    other: dict[str, Any], taken: int
) -> None:
    assert choose(facts(VIDEO, AUDIO, replace(VIDEO, index=5, **other))).video_stream == taken


def test_of_several_audio_tracks_the_default_is_taken_or_the_one_asked_for() -> None:
    first = replace(AUDIO, default=False, language="yue", channels=6)
    both = facts(VIDEO, first, replace(AUDIO, index=2, number=1, language="cmn"))
    assert choose(both).audio_stream == 2
    assert choose(both).audio_tracks == ("0 (yue)", "1 (cmn, default)")
    assert choose(both, 0).audio_stream == 1
    assert choose(both, "yue").audio_stream == 1
    for wanted in (2, "deu"):
        with pytest.raises(ClipError, match=r"0 \(yue\), 1 \(cmn, default\)"):
            choose(both, wanted)
    assert choose(facts(VIDEO, AUDIO), "cmn").audio_stream == 1  # of no known language


def test_time_zero_is_what_comes_first_wherever_the_file_begins() -> None:
    late = facts(replace(VIDEO, start=1000.7, end=1004.0), replace(AUDIO, start=1000.0, end=1004.1))
    found = choose(replace(late, start=999.5))
    assert (found.time_zero, found.origin, found.duration) == (1000.0, 0.5, 4.0)
    assert (found.video_start, found.audio_start) == (pytest.approx(0.7), 0.0)
    assert found.streams_apart == pytest.approx(0.7)
    longer = choose(facts(VIDEO, replace(AUDIO, end=6.0)))
    assert longer.duration == 6.0


def test_a_clip_may_lack_either_stream_but_a_cover_is_no_picture() -> None:
    assert choose(facts(VIDEO)).audio_stream is None
    assert choose(facts(AUDIO)).video_stream is None
    with pytest.raises(ClipError, match="cover picture"):
        choose(facts(replace(VIDEO, attached=True)))


@pytest.mark.parametrize("value", [False, -1, 1.5, "mandarin", "zh-CN", ""])
def test_an_audio_track_is_a_number_or_a_language(value: object) -> None:
    with pytest.raises(BuildError, match=r"media\.audio_track"):
        make_config({"media": {"audio_track": value}})
    assert make_config({"media": {"audio_track": "CMN"}}).media.audio_track == "cmn"
    assert load_config((), ("media.audio_track=0",)).media.audio_track == 0
    assert load_config((), ("media.audio_track=no",)).media.audio_track == "no"


def test_the_wheels_ffmpeg_is_taken_whatever_lies_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ffmpeg_program.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    assert "imageio_ffmpeg" in ffmpeg_program("wheel")
    with pytest.raises(BuildError, match="no ffmpeg on the PATH"):
        ffmpeg_program("system")
    with pytest.raises(BuildError, match="is not a program"):
        ffmpeg_program("/nowhere/ffmpeg")
