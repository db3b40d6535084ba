"""Utterances and their faces: what is taken, what is left, and where it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.propose.segments import REASONS, TAKEN, Segment, segments
from pipeline.propose.settings import ProposeSettings
from pipeline.propose.speech import SECONDS
from pipeline.propose.tracks import Searched, SeenFace
from pipeline.propose.tries import tries
from pipeline.propose.utterances import Analysis

FPS = 25.0
DEFAULT = ProposeSettings()
Spans = Sequence[tuple[float, float]]
FACE = (SeenFace(0, 120.0),)


def film(
    seconds: float,
    spoken: Spans,
    cuts: Sequence[float] = (),
    faces: Sequence[tuple[float, tuple[SeenFace, ...]]] = ((0.0, FACE),),
) -> Analysis:
    """Return a film with speech, shots, and what is seen from certain moments on."""
    speech = np.full(int(seconds / SECONDS) + 1, 0.02, np.float32)
    for begin, end in spoken:
        speech[round(begin / SECONDS) : round(end / SECONDS)] = 0.95
    times = np.arange(round(seconds * FPS)) / FPS
    searched = []
    for moment in np.arange(0, seconds, 0.25):
        seen = [own for begin, own in faces if begin <= moment][-1]
        searched.append(Searched(round(moment * FPS), float(moment), seen))
    shots = tuple(sorted({0, *(round(cut * FPS) for cut in cuts)}))
    return Analysis(times, seconds, shots, speech, tuple(searched))


def spans(found: Sequence[Segment]) -> list[tuple[float, float]]:
    """Return begins and ends, in tenths."""
    return [(round(each.begin, 1), round(each.end, 1)) for each in found]


def test_an_utterance_begins_and_ends_a_little_around_its_speech() -> None:
    (found,) = segments(film(6, [(1.0, 3.0)]), DEFAULT)
    assert found.verdict == TAKEN
    assert found.begin == pytest.approx(1.0 - DEFAULT.pad, abs=0.08)
    assert found.end == pytest.approx(3.0 + DEFAULT.pad, abs=0.08)
    assert (found.begins_at, found.ends_at) == ("pause", "pause")


def test_speech_is_divided_at_pauses_that_are_long_enough() -> None:
    spoken = [(1.0, 2.5), (2.7, 4.0), (5.0, 7.0)]
    assert len(segments(film(9, spoken), DEFAULT)) == 2
    assert len(segments(film(9, spoken), DEFAULT.model_copy(update={"pause": 1.5}))) == 1
    shorter = DEFAULT.model_copy(update={"pause": 0.15})
    assert len(segments(film(9, spoken), shorter)) == 3


def test_long_speech_is_split_at_its_longest_pause() -> None:
    spoken = [(0.5, 4.0), (4.2, 8.0), (8.3, 12.0), (12.2, 15.0)]
    found = segments(film(16, spoken), DEFAULT)
    assert [each.verdict for each in found] == [TAKEN, TAKEN]
    assert found[0].end == pytest.approx(8.15, abs=0.06)
    assert found[1].begin == pytest.approx(8.15, abs=0.06)


def test_speech_without_a_pause_is_split_where_it_is_weakest() -> None:
    analysis = film(20, [(1.0, 18.0)])
    analysis.speech[round(8.0 / SECONDS)] = 0.6
    found = segments(analysis, DEFAULT)
    assert all(each.seconds <= DEFAULT.longest + 1e-6 for each in found)
    assert found[0].end == pytest.approx(8.0, abs=0.08)
    assert (found[0].ends_at, found[1].begins_at) == ("speech", "speech")
    assert found[-1].end == pytest.approx(18.1, abs=0.1)


def test_a_short_utterance_is_joined_with_one_that_is_near() -> None:
    spoken = [(1.0, 1.5), (2.2, 4.0), (7.0, 7.4)]
    found = segments(film(9, spoken), DEFAULT)
    assert spans(found)[0] == (0.8, 4.2)
    assert found[1].verdict == "too short"


def test_no_segment_crosses_a_shot() -> None:
    found = segments(film(9, [(1.0, 6.0)], cuts=[3.0]), DEFAULT)
    assert [each.verdict for each in found] == [TAKEN, TAKEN]
    assert (found[0].end, found[1].begin) == (3.0, 3.0)
    assert (found[0].ends_at, found[1].begins_at) == ("shot", "shot")
    leave = DEFAULT.model_copy(update={"speech_over_shots": "leave"})
    assert [each.verdict for each in segments(film(9, [(1.0, 6.0)], [3.0]), leave)] == [
        "cut speech"
    ] * 2


def test_a_words_end_in_the_next_shot_does_not_count_as_cut() -> None:
    (found,) = segments(film(9, [(1.0, 3.1)], cuts=[3.0]), DEFAULT)
    assert (found.end, found.ends_at) == (3.0, "pause")


TWO = (SeenFace(0, 120.0), SeenFace(1, 100.0))


@pytest.mark.parametrize(
    ("faces", "verdict"),
    [
        ((), "no face"),
        (TWO, "several faces"),
        ((SeenFace(0, 50.0),), "small face"),
        ((SeenFace(0, 120.0), SeenFace(1, 20.0)), TAKEN),  # far in the background
    ],
)
def test_what_is_on_screen_decides(faces: tuple[SeenFace, ...], verdict: str) -> None:
    (found,) = segments(film(6, [(1.0, 4.0)], faces=[(0.0, faces)]), DEFAULT)
    assert found.verdict == verdict


def test_another_face_halfway_is_a_change() -> None:
    faces = [(0.0, FACE), (2.5, (SeenFace(7, 110.0),))]
    (found,) = segments(film(6, [(1.0, 4.0)], faces=faces), DEFAULT)
    assert found.verdict == "face changes"


def test_a_face_that_comes_in_spoils_only_its_own_phrases() -> None:
    spoken = [(1.0, 3.0), (3.2, 5.0), (5.2, 7.0)]
    faces = [(0.0, FACE), (5.1, TWO)]
    found = segments(film(9, spoken, faces=faces), DEFAULT)
    assert [each.verdict for each in found] == [TAKEN, "several faces"]
    assert found[0].end == pytest.approx(5.1, abs=0.08)


def test_little_speech_is_left() -> None:
    spoken = [(1.0, 1.4), (2.3, 2.7), (3.6, 4.0)]
    strict = DEFAULT.model_copy(update={"pause": 1.0, "speech_share": 0.6})
    (found,) = segments(film(6, spoken), strict)
    assert found.verdict == "little speech"


gaps = st.lists(st.tuples(st.floats(0.05, 3), st.floats(0.05, 14)), min_size=1, max_size=12)
chosen = st.builds(
    lambda short, more, pause, join, pad, over: ProposeSettings(
        shortest=short,
        longest=short + more,
        pause=pause,
        join=join,
        pad=pad,
        speech_over_shots=over,
    ),
    st.floats(0.2, 3),
    st.floats(0.5, 12),
    st.floats(0.1, 2),
    st.floats(0, 2),
    st.floats(0, 1),
    st.sampled_from(["take", "leave"]),
)


@settings(max_examples=150, deadline=None)
@given(
    speech=gaps,
    cuts=st.lists(st.floats(0, 60), max_size=8),
    wanted=chosen,
    faces=st.lists(
        st.tuples(st.floats(0.1, 60), st.sampled_from([(), FACE, TWO, (SeenFace(3, 70.0),)])),
        max_size=5,
    ),
)
def test_whatever_the_film_its_segments_keep_the_rules(
    speech: list[tuple[float, float]],
    cuts: list[float],
    wanted: ProposeSettings,
    faces: list[tuple[float, tuple[SeenFace, ...]]],
) -> None:
    moment, spoken = 0.3, []
    for pause, length in speech:
        spoken.append((moment + pause, moment + pause + length))
        moment += pause + length
    seconds = moment + 1.0
    seen = [(0.0, FACE), *sorted(faces, key=lambda each: each[0])]
    analysis = film(seconds, spoken, [c for c in cuts if c < seconds], seen)
    found = segments(analysis, wanted)
    bounds = [*analysis.shots, len(analysis.times)]
    for before, after in pairwise(found):
        assert before.stop <= after.first
    for each in found:
        assert 0 <= each.first < each.stop <= len(analysis.times)
        assert bounds[each.shot - 1] <= each.first < each.stop <= bounds[each.shot]
        assert each.seconds <= max(wanted.longest, 1 / FPS) + 1e-3
        assert each.verdict in (TAKEN, *REASONS)
        if each.verdict == TAKEN:
            assert each.seconds >= wanted.shortest - 1e-3
            assert each.one_face_share >= wanted.one_face_share
            assert each.face_size >= wanted.min_face
            assert each.speech_share >= wanted.speech_share


def test_the_reports_thresholds_are_what_the_settings_would_give() -> None:
    analysis = film(30, [(1.0, 3.0), (5.0, 9.0), (12.0, 13.2), (16, 25)])
    found = tries(analysis, DEFAULT)
    assert found["shortest"][1][:2] == [1.0, 4]
    for name, rows in found.items():
        assert any(value == getattr(DEFAULT, name) for value, _, _ in rows)
        for value, clips, length in rows:
            taken = [
                each
                for each in segments(analysis, DEFAULT.model_copy(update={name: value}))
                if each.verdict == TAKEN
            ]
            assert (clips, length) == (len(taken), round(sum(t.seconds for t in taken), 1))
