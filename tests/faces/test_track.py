"""The speaker's track: one face through turns, cuts and passers-by."""

from __future__ import annotations

import numpy as np

from pipeline.faces.track import Detections, follow_speaker, largest_face


def seen(*boxes: tuple[float, float, float]) -> Detections:
    """Faces given as centre x, centre y and side."""
    array = np.array(
        [[x - s / 2, y - s / 2, x + s / 2, y + s / 2] for x, y, s in boxes], np.float32
    ).reshape(-1, 4)
    return Detections(
        array, np.ones(len(boxes), np.float32), np.zeros((len(boxes), 5, 2), np.float32)
    )


def test_a_larger_passer_by_does_not_take_over() -> None:
    speaker, passer = (100.0, 100.0, 60.0), 90.0
    frames = [seen(speaker) for _ in range(40)]
    frames += [seen((20.0 + 15 * t, 100.0, passer), speaker) for t in range(6)]
    frames += [seen(speaker) for _ in range(10)]
    assert follow_speaker(frames) == [0] * 40 + [1] * 6 + [0] * 10
    assert largest_face(frames) == [0] * 56


def test_where_only_the_other_face_is_found_the_frame_counts_as_without_a_face() -> None:
    speaker, other = (100.0, 100.0, 60.0), (300.0, 100.0, 50.0)
    frames = [seen(speaker, other)] * 20 + [seen(other)] * 5 + [seen(speaker, other)] * 20
    assert follow_speaker(frames) == [0] * 20 + [None] * 5 + [0] * 20


def test_the_speaker_is_followed_across_a_cut() -> None:
    frames = [seen((100.0, 100.0, 60.0))] * 20 + [seen((250.0, 80.0, 90.0))] * 15
    assert follow_speaker(frames) == [0] * 35


def test_a_short_gap_does_not_break_the_track() -> None:
    frames = [seen((100.0, 100.0, 60.0))] * 10 + [seen()] * 6 + [seen((104.0, 100.0, 60.0))] * 10
    assert follow_speaker(frames) == [0] * 10 + [None] * 6 + [0] * 10


def test_no_faces_at_all_is_no_error() -> None:
    assert follow_speaker([seen(), seen()]) == [None, None]
    assert largest_face([seen(), seen()]) == [None, None]
