"""Which parts of a film could be clips: utterances within shots, and why each is taken or left.

Nothing here reads a file, so that the report can try other thresholds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pipeline.propose.settings import ProposeSettings
from pipeline.propose.tracks import Searched
from pipeline.propose.utterances import Analysis, Piece, Spoken, divided, utterances

TAKEN = "taken"

_EPSILON = 1e-6

REASONS = {
    "too short": "shorter than propose.shortest",
    "no face": "in too many of the pictures, no face was found",
    "several faces": "too many of the pictures show another face as well",
    "face changes": "the face on screen is not the same throughout",
    "small face": "the face is smaller than propose.min_face",
    "little speech": "less of it is speech than propose.speech_share",
    "cut speech": "speech goes on over the shot's boundary (propose.speech_over_shots: leave)",
}
"""Why a segment is left, in the order in which it is judged."""

_FACES = ("no face", "several faces", "face changes")


@dataclass(frozen=True)
class Segment:
    """A part of a film that could be a clip.

    Parameters
    ----------
    first, stop : int
        Number of its first picture, and of the one after its last.
    begin, end : float
        When the first is shown, and the last one ends, in seconds.
    shot : int
        Number of its shot, from 1.
    begins_at, ends_at : str
        What lies there: ``pause``, ``shot``, or ``speech`` where speech had to be cut.
    pictures : int
        How many of its pictures were searched.
    one_face_share : float
        Share of these that show the speaker's face and no other that counts.
    no_face_share, other_face_share, same_face_share : float
        Share without any face, with another one, and with the speaker's.
    face_size : float
        Median of the speaker's box's longer side, in pixels; 0 without a face.
    speech_share : float
        Share of its length that is speech.
    verdict : str
        `TAKEN` or a key of `REASONS`.
    """

    first: int
    stop: int
    begin: float
    end: float
    shot: int
    begins_at: str
    ends_at: str
    pictures: int
    one_face_share: float
    no_face_share: float
    other_face_share: float
    same_face_share: float
    face_size: float
    speech_share: float
    verdict: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.begin


def segments(film: Analysis, settings: ProposeSettings) -> list[Segment]:
    """Return every utterance of a film within its shots, judged.

    Parameters
    ----------
    film : Analysis
        The film.
    settings : ProposeSettings
        Lengths, pauses and thresholds.
    """
    spoken = film.spoken(settings.speech_threshold)
    found: list[Segment] = []
    for piece in utterances(film, settings):
        reached = found[-1].stop if found else 0
        found += _best(film, piece, spoken, settings, reached)
    return found


def _best(
    film: Analysis, piece: Piece, spoken: Spoken, settings: ProposeSettings, reached: int
) -> list[Segment]:
    """Judge a piece; if its faces are wrong, judge the phrases whose faces are right by themselves.

    A second face that comes into the picture, or leaves it, spoils only the phrases that it is
    seen with.
    """
    whole = _segment(film, piece, spoken, settings, reached)
    if whole is None:
        return []
    if whole.verdict not in _FACES or len(piece.phrases) == 1:
        return [whole]
    right = []
    for phrase in piece.phrases:
        single = _segment(film, replace(piece, phrases=(phrase,)), spoken, settings, 0)
        right.append(single is not None and _has_right_faces(single, settings))
    changes = [i for i in range(1, len(right)) if right[i] != right[i - 1]]
    parts: list[Segment] = []
    for part in divided(piece, changes):
        own = _segment(film, part, spoken, settings, parts[-1].stop if parts else reached)
        parts += [own] if own is not None else []
    return parts if any(part.verdict == TAKEN for part in parts) else [whole]


def _has_right_faces(segment: Segment, settings: ProposeSettings) -> bool:
    return segment.one_face_share >= settings.one_face_share - _EPSILON


def _segment(
    film: Analysis, piece: Piece, spoken: Spoken, settings: ProposeSettings, reached: int
) -> Segment | None:
    """Find a piece's first and last picture, from `reached` on, and judge it.

    Returns
    -------
    Segment or None
        None if the piece holds no picture.
    """
    low, high = film.shots[piece.shot], _stop(film, piece.shot)
    begin, end = piece.begin, piece.end
    if piece.begins_at == "pause":
        begin -= min(settings.pad, spoken.pause_before(begin) / 2)
    if piece.ends_at == "pause":
        end += min(settings.pad, spoken.pause_after(end) / 2)
    first = max(low, reached, int(np.searchsorted(film.times, begin, side="right")) - 1)
    stop = min(high, int(np.searchsorted(film.times, end, side="left")))
    first, stop = _within(film, first, stop, settings.longest)
    if stop <= first:
        return None
    return _judged(film, piece, first, stop, spoken, settings)


def _stop(film: Analysis, shot: int) -> int:
    return film.shots[shot + 1] if shot + 1 < len(film.shots) else len(film.times)


def _within(film: Analysis, first: int, stop: int, longest: float) -> tuple[int, int]:
    """Leave out pictures of the silence around until the length is allowed."""
    while stop - first > 1 and film.moment(stop) - film.moment(first) > longest + _EPSILON:
        stop -= 1
    return first, stop


def _judged(
    film: Analysis,
    piece: Piece,
    first: int,
    stop: int,
    spoken: Spoken,
    settings: ProposeSettings,
) -> Segment:
    begin, end = film.moment(first), film.moment(stop)
    low, high = np.searchsorted(film.searched_times, [begin - _EPSILON, end - _EPSILON])
    inside = film.searched[low:high]
    faces = _faces(inside, settings.background)
    share = spoken.said(begin, end) / (end - begin)
    return Segment(
        first=first,
        stop=stop,
        begin=round(begin, 6),
        end=round(end, 6),
        shot=piece.shot + 1,
        begins_at=piece.begins_at,
        ends_at=piece.ends_at,
        pictures=len(inside),
        one_face_share=faces.one,
        no_face_share=faces.none,
        other_face_share=faces.other,
        same_face_share=faces.same,
        face_size=faces.size,
        speech_share=round(share, 4),
        verdict=_verdict(piece, end - begin, faces, share, settings),
    )


class _Faces(NamedTuple):
    """Shares with the speaker's face alone, no face, another one, and the speaker's; its size."""

    one: float = 0.0
    none: float = 1.0
    other: float = 0.0
    same: float = 0.0
    size: float = 0.0


def _faces(inside: Sequence[Searched], background: float) -> _Faces:
    weight: dict[int, float] = defaultdict(float)
    for picture in inside:
        for face in picture.faces:
            weight[face.track] += face.size
    if not inside or not weight:
        return _Faces()
    speaker = max(weight, key=lambda track: (weight[track], -track))
    sizes = [f.size for p in inside for f in p.faces if f.track == speaker]
    size = float(np.median(sizes))
    one = none = other = 0
    for picture in inside:
        counted = [f for f in picture.faces if f.size >= background * size]
        own = any(f.track == speaker for f in counted)
        none += not counted
        other += len(counted) > 1
        one += own and len(counted) == 1
    total = len(inside)
    return _Faces(
        round(one / total, 4),
        round(none / total, 4),
        round(other / total, 4),
        round(len(sizes) / total, 4),
        round(size, 1),
    )


def _verdict(
    piece: Piece, seconds: float, faces: _Faces, speech_share: float, settings: ProposeSettings
) -> str:
    """Return the first reason to leave a segment, or `TAKEN`."""
    allowed = 1 - settings.one_face_share + _EPSILON
    if seconds < settings.shortest - _EPSILON:
        return "too short"
    if faces.none > allowed:
        return "no face"
    if faces.other > allowed:
        return "several faces"
    if faces.one < settings.one_face_share - _EPSILON:
        return "face changes"
    if faces.size < settings.min_face:
        return "small face"
    if speech_share < settings.speech_share:
        return "little speech"
    if settings.speech_over_shots == "leave" and "shot" in (piece.begins_at, piece.ends_at):
        return "cut speech"
    return TAKEN
