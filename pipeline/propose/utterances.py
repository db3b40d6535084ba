"""Utterances: the speech of a film, divided at shots and pauses, not too long and not too short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.propose.settings import ProposeSettings
from pipeline.propose.speech import SECONDS, Phrase, phrases
from pipeline.propose.tracks import Searched

_SLIVER = 0.25
"""Seconds: speech that reaches less than this far over a shot's boundary is not cut by it."""


@dataclass(frozen=True)
class Spoken:
    """The phrases of a film, and their begins and ends as arrays."""

    phrases: Sequence[Phrase]
    begins: NDArray[np.float64]
    ends: NDArray[np.float64]

    @classmethod
    def of(cls, found: Sequence[Phrase]) -> Spoken:
        """Return the phrases with their arrays."""
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


@dataclass(frozen=True, eq=False)
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
    _spoken: dict[float, Spoken] = field(default_factory=dict, repr=False)

    def spoken(self, threshold: float) -> Spoken:
        """Return the speech of the film; see `pipeline.propose.speech.phrases`."""
        if threshold not in self._spoken:
            self._spoken[threshold] = Spoken.of(phrases(self.speech, threshold))
        return self._spoken[threshold]

    @cached_property
    def searched_times(self) -> NDArray[np.float64]:
        """When each searched picture is shown."""
        return np.array([each.time for each in self.searched])

    def moment(self, picture: int) -> float:
        """Return when a picture is shown; the one after the last stands for the end."""
        return float(self.times[picture]) if picture < len(self.times) else self.end


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


def utterances(film: Analysis, settings: ProposeSettings) -> list[Piece]:
    """Return what is said in each shot of a film, utterance by utterance.

    Parameters
    ----------
    film : Analysis
        The film.
    settings : ProposeSettings
        Lengths and pauses.
    """
    spoken = film.spoken(settings.speech_threshold)
    room = settings.longest - 2 * settings.pad - 2 * _frame(film)
    pieces: list[Piece] = []
    for piece in _in_shots(film, spoken.phrases):
        for utterance in _at_pauses(piece, settings.pause):
            pieces += _no_longer(utterance, max(room, settings.longest / 2), film)
    return _joined(pieces, room, settings)


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
            length, whole = part.end - part.begin, phrase.end - phrase.begin
            if length < _SLIVER and length < whole / 2:
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
    yield from divided(piece, places)


def divided(piece: Piece, places: Sequence[int]) -> Iterator[Piece]:
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
        parts = list(divided(piece, [best + 1]))
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


def _joined(pieces: list[Piece], room: float, settings: ProposeSettings) -> list[Piece]:
    """Join an utterance that is too short with its neighbour, if that is near."""
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
