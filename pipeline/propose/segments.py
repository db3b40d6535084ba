"""Which parts of a film could be clips: utterances within shots, and why each is taken or left.

Nothing here reads a file, so that the report can try other thresholds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.propose.settings import ProposeSettings
from pipeline.propose.speech import SECONDS, Phrase, phrases
from pipeline.propose.tracks import Searched

TAKEN = "taken"

_SLIVER = 0.25
"""Seconds: speech that reaches less than this far over a shot's boundary is not cut by it."""

REASONS = {
    "too short": "shorter than propose.shortest",
    "no face": "in too many of the pictures, no face was found",
    "several faces": "too many of the pictures show another face as well",
    "face changes": "the face on screen is not the same throughout",
    "small face": "the face is smaller than propose.min_face",
    "little speech": "less of it is speech than propose.speech_share",
}
"""Why a segment is left, in the order in which it is judged."""


@dataclass(frozen=True)
class Analysis:
    """All that is known of a film when its segments are chosen.

    Parameters
    ----------
    times : ndarray, float64 [n]
        When each picture is shown, in seconds.
    end : float
        When the last one ends.
    shots : tuple of int
        The number of each shot's first picture, rising from 0.
    speech : ndarray, float32 [m]
        Probability of speech in each 32 ms.
    searched : tuple of Searched
        The pictures that were searched for faces, rising.
    """

    times: NDArray[np.float64]
    end: float
    shots: tuple[int, ...]
    speech: NDArray[np.float32]
    searched: tuple[Searched, ...]

    @cached_property
    def searched_times(self) -> NDArray[np.float64]:
        """When each searched picture is shown."""
        return np.array([each.time for each in self.searched])

    def moment(self, picture: int) -> float:
        """Return when a picture is shown; the one after the last stands for the end."""
        return float(self.times[picture]) if picture < len(self.times) else self.end


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


@dataclass(frozen=True)
class Piece:
    """Phrases that are spoken in one shot, which may cut the first and the last of them."""

    phrases: tuple[Phrase, ...]
    shot: int
    begins_at: str
    ends_at: str

    @property
    def begin(self) -> float:
        """When its speech begins."""
        return self.phrases[0].begin

    @property
    def end(self) -> float:
        """When its speech ends."""
        return self.phrases[-1].end

    @property
    def seconds(self) -> float:
        """From the begin of its speech to the end."""
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
    spoken = _Spoken.of(phrases(film.speech, settings.speech_threshold))
    room = settings.longest - 2 * settings.pad - 2 * _frame(film)
    pieces: list[Piece] = []
    for piece in _in_shots(film, spoken.phrases):
        for utterance in _at_pauses(piece, settings.pause):
            pieces += _no_longer(utterance, max(room, settings.longest / 2), film)
    judged = [_segment(film, piece, spoken, settings) for piece in _joined(pieces, film, settings)]
    return [each for each in judged if each is not None]


@dataclass(frozen=True)
class _Spoken:
    """The phrases of a film, and their begins and ends as arrays."""

    phrases: Sequence[Phrase]
    begins: NDArray[np.float64]
    ends: NDArray[np.float64]

    @classmethod
    def of(cls, found: Sequence[Phrase]) -> _Spoken:
        return cls(found, np.array([p.begin for p in found]), np.array([p.end for p in found]))

    def pause_before(self, moment: float) -> float:
        """Return the seconds from the speech before a moment to it."""
        place = int(np.searchsorted(self.ends, moment, side="right"))
        return moment - float(self.ends[place - 1]) if place else np.inf

    def pause_after(self, moment: float) -> float:
        """Return the seconds from a moment to the next speech."""
        place = int(np.searchsorted(self.begins, moment, side="left"))
        return float(self.begins[place]) - moment if place < len(self.begins) else np.inf

    def said(self, begin: float, end: float) -> float:
        """Return the seconds of speech between two moments."""
        low = int(np.searchsorted(self.ends, begin, side="right"))
        high = int(np.searchsorted(self.begins, end, side="left"))
        inside = np.minimum(self.ends[low:high], end) - np.maximum(self.begins[low:high], begin)
        return float(inside.sum())


def _frame(film: Analysis) -> float:
    return (film.end - float(film.times[0])) / len(film.times)


def _in_shots(film: Analysis, spoken: Sequence[Phrase]) -> Iterator[Piece]:
    """Yield the speech of each shot; a phrase over a shot's boundary is cut there."""
    bounds = [film.moment(shot) for shot in film.shots]
    ends = [*bounds[1:], film.end]
    place = 0
    for shot, (begin, end) in enumerate(zip(bounds, ends, strict=True)):
        while place and spoken[place - 1].end > begin:
            place -= 1
        while place < len(spoken) and spoken[place].end <= begin:
            place += 1
        inside: list[Phrase] = []
        cut = [False, False]
        while place < len(spoken) and spoken[place].begin < end:
            phrase = spoken[place]
            place += 1
            part = Phrase(max(phrase.begin, begin), min(phrase.end, end))
            if part != phrase and part.end - part.begin < _SLIVER:
                continue  # the end of a word that was said in the next shot, or begun in this one
            inside.append(part)
            cut[0] |= phrase.begin < begin - _SLIVER
            cut[1] |= phrase.end > end + _SLIVER
        if inside:
            yield Piece(tuple(inside), shot, *("shot" if each else "pause" for each in cut))


def _at_pauses(piece: Piece, pause: float) -> Iterator[Piece]:
    """Divide a piece at every pause that is long enough."""
    gaps = [b.begin - a.end for a, b in pairwise(piece.phrases)]
    places = [i + 1 for i, gap in enumerate(gaps) if gap >= pause]
    yield from _divided(piece, places)


def _divided(piece: Piece, places: Sequence[int]) -> Iterator[Piece]:
    bounds = [0, *places, len(piece.phrases)]
    for a, b in pairwise(bounds):
        yield Piece(
            piece.phrases[a:b],
            piece.shot,
            piece.begins_at if a == 0 else "pause",
            piece.ends_at if b == len(piece.phrases) else "pause",
        )


def _no_longer(piece: Piece, longest: float, film: Analysis) -> Iterator[Piece]:
    """Split what is too long at its longest pause; speech without one, where it is weakest."""
    if piece.seconds <= longest:
        yield piece
        return
    if len(piece.phrases) > 1:
        gaps = [b.begin - a.end for a, b in pairwise(piece.phrases)]
        middle = (piece.begin + piece.end) / 2
        # of pauses that are about as long, the one nearest the middle
        best = max(
            range(len(gaps)),
            key=lambda i: (round(gaps[i], 1), -abs(piece.phrases[i].end - middle)),
        )
        parts = list(_divided(piece, [best + 1]))
    else:
        moment = _weakest(piece.phrases[0], longest, film)
        phrase = piece.phrases[0]
        parts = [
            Piece((Phrase(phrase.begin, moment),), piece.shot, piece.begins_at, "speech"),
            Piece((Phrase(moment, phrase.end),), piece.shot, "speech", piece.ends_at),
        ]
    for part in parts:
        yield from _no_longer(part, longest, film)


def _weakest(phrase: Phrase, longest: float, film: Analysis) -> float:
    """Return when speech is least probable, not within a quarter of the longest of an end."""
    margin = min(longest, phrase.end - phrase.begin) / 4
    low = int((phrase.begin + margin) / SECONDS)
    high = int((phrase.end - margin) / SECONDS)
    if high - low < 1:
        return (phrase.begin + phrase.end) / 2
    return (low + int(np.argmin(film.speech[low:high])) + 0.5) * SECONDS


def _joined(pieces: list[Piece], film: Analysis, settings: ProposeSettings) -> list[Piece]:
    """Join an utterance that is too short with the nearer neighbour of its shot."""
    room = settings.longest - 2 * settings.pad - 2 * _frame(film)
    done: list[Piece] = []
    for piece in pieces:
        before = done[-1] if done else None
        if before is not None and _may_join(before, piece, room, settings):
            done[-1] = Piece(
                before.phrases + piece.phrases, piece.shot, before.begins_at, piece.ends_at
            )
        else:
            done.append(piece)
    return done


def _may_join(a: Piece, b: Piece, room: float, settings: ProposeSettings) -> bool:
    short = min(a.seconds, b.seconds) + 2 * settings.pad < settings.shortest
    near = b.begin - a.end <= settings.join
    return short and near and a.shot == b.shot and b.end - a.begin <= room


def _segment(
    film: Analysis, piece: Piece, spoken: _Spoken, settings: ProposeSettings
) -> Segment | None:
    """Find a piece's first and last picture, and judge it; None if it holds no picture."""
    low, high = film.shots[piece.shot], _stop(film, piece.shot)
    begin = piece.begin - min(settings.pad, spoken.pause_before(piece.begin) / 2)
    end = piece.end + min(settings.pad, spoken.pause_after(piece.end) / 2)
    first = max(low, int(np.searchsorted(film.times, begin, side="right")) - 1)
    stop = min(high, int(np.searchsorted(film.times, end, side="left")))
    first, stop = _within(film, first, stop, settings.longest)
    if stop <= first:
        return None
    return _judged(film, piece, first, stop, spoken, settings)


def _stop(film: Analysis, shot: int) -> int:
    return film.shots[shot + 1] if shot + 1 < len(film.shots) else len(film.times)


def _within(film: Analysis, first: int, stop: int, longest: float) -> tuple[int, int]:
    """Leave out pictures of the silence around until the length is allowed."""
    while stop - first > 1 and film.moment(stop) - film.moment(first) > longest + 1e-6:
        stop -= 1
    return first, stop


def _judged(
    film: Analysis,
    piece: Piece,
    first: int,
    stop: int,
    spoken: _Spoken,
    settings: ProposeSettings,
) -> Segment:
    begin, end = film.moment(first), film.moment(stop)
    low, high = np.searchsorted(film.searched_times, [begin - 1e-6, end - 1e-6])
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
        verdict=_verdict(end - begin, faces, share, settings),
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


def _verdict(seconds: float, faces: _Faces, speech_share: float, settings: ProposeSettings) -> str:
    """Return the first reason to leave a segment, or `TAKEN`."""
    allowed = 1 - settings.one_face_share + 1e-6
    if seconds < settings.shortest - 1e-6:
        return "too short"
    if faces.none > allowed:
        return "no face"
    if faces.other > allowed:
        return "several faces"
    if faces.one < settings.one_face_share - 1e-6:
        return "face changes"
    if faces.size < settings.min_face:
        return "small face"
    if speech_share < settings.speech_share:
        return "little speech"
    return TAKEN
