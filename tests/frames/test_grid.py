"""Frames have the picture that a player shows at their time, or none."""

from __future__ import annotations

import numpy as np

from pipeline.frames.grid import place
from pipeline.media.pictures import CLOCK, Pictures


def decoded(times: np.ndarray, fps: float = 30.0) -> Pictures:
    """What ffmpeg gives of pictures at these times: from the first to the last, none missing."""
    ticks = np.rint(times * CLOCK).astype(np.int64)
    first, last = np.floor(ticks[[0, -1]] * fps / CLOCK + 0.5).astype(int)
    return Pictures(np.arange(first, last + 1), ticks, CLOCK // 30, 0)


def test_every_frame_of_a_whole_clip_shows_the_nearest_earlier_picture() -> None:
    shown, source = place(decoded(np.arange(60) / 60), 1.0, 30.0)
    assert len(shown) == 31
    np.testing.assert_array_equal(source[:4], [0, 2, 4, 6])
    assert (shown == np.arange(31)).all()


def test_frames_before_a_late_picture_have_none() -> None:
    shown, source = place(decoded(0.5 + np.arange(25) / 25), 1.5, 30.0)
    np.testing.assert_array_equal(np.flatnonzero(shown < 0), np.arange(15))
    assert source[15] == shown[15] == 0


def test_a_few_frames_of_delay_show_the_first_picture() -> None:
    shown, _ = place(decoded(0.08 + np.arange(25) / 25), 1.1, 30.0)
    assert shown.min() == 0


def test_frames_after_the_last_picture_have_none_where_the_sound_goes_on() -> None:
    shown, _ = place(decoded(np.arange(30) / 30), 2.0, 30.0)
    assert len(shown) == 60
    np.testing.assert_array_equal(np.flatnonzero(shown < 0), np.arange(30, 60))
    assert len(place(decoded(np.arange(30) / 30), 1.05, 30.0)[0]) == 30


def test_a_hole_left_by_lost_packets_has_no_picture() -> None:
    times = np.concatenate([np.arange(30), np.arange(60, 90)]) / 30
    shown, source = place(decoded(times), 3.0, 30.0)
    np.testing.assert_array_equal(np.flatnonzero(shown < 0), np.arange(30, 60))
    assert source[60] == 30


def test_a_clip_that_is_slow_throughout_has_no_holes() -> None:
    shown, _ = place(decoded(np.arange(5).astype(float)), 4.0, 30.0)
    assert (shown >= 0).all()
