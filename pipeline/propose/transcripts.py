"""Which words belong to which segment, and whether subtitles fit the film at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.propose.segments import Segment
from pipeline.propose.speech import Phrase
from pipeline.propose.subtitles import Cue

_STEP = 0.1
_FURTHEST = 120.0
"""Seconds: subtitles are compared with the speech at shifts up to this."""

_FITTING = 0.5
"""Subtitles of which less than this share of the time is speech are pointed out."""
_BETTER = 0.15
"""A shift that raises the share by this much is pointed out."""
_TOUCHED = 0.1
"""A cue of which at least this share lies in a clip that it does not belong to cuts it."""


@dataclass(frozen=True)
class Transcript:
    """The words of a segment.

    Parameters
    ----------
    text : str
        The words; empty if none are known.
    note : str
        What a person should check.
    """

    text: str = ""
    note: str = ""


def transcripts(
    segments: Sequence[Segment],
    cues: Sequence[Cue],
    spoken: Sequence[Phrase],
    share: float,
    language: str,
) -> list[Transcript]:
    """Give each segment the words of the cues that are spoken in it.

    A cue belongs to a segment if at least `share` of its time lies in it. Only the time in which
    somebody speaks counts, since cues stay on screen longer.

    Parameters
    ----------
    segments : sequence of Segment
        The segments.
    cues : sequence of Cue
        In the order of time.
    spoken : sequence of Phrase
        The speech of the film.
    share : float
        From `ProposeSettings.subtitle_share`.
    language : str
        Chinese words are joined without a space, but for one that ends a sentence.
    """
    spans = [_spans(cue, spoken) for cue in cues]
    found = []
    for segment in segments:
        words: list[str] = []
        cut = False
        for cue, span in zip(cues, spans, strict=True):
            if cue.end <= segment.begin or cue.begin >= segment.end:
                continue
            total = sum(b - a for a, b in span)
            inside = sum(max(0.0, min(b, segment.end) - max(a, segment.begin)) for a, b in span)
            part = inside / total
            if part >= share:
                words.append(cue.text)
            cut = cut or _TOUCHED <= part <= 1 - _TOUCHED
        note = "a subtitle goes on over the cut" if cut else ""
        found.append(Transcript(_join(words, language), note))
    return found


def _spans(cue: Cue, spoken: Sequence[Phrase]) -> list[tuple[float, float]]:
    """Return the parts of a cue in which somebody speaks; all of it if nobody does."""
    inside = [
        (max(p.begin, cue.begin), min(p.end, cue.end))
        for p in spoken
        if p.begin < cue.end and p.end > cue.begin
    ]
    return inside or [(cue.begin, cue.end)]


def _join(words: Sequence[str], language: str) -> str:
    text = " ".join(word for word, _ in groupby(words))  # some subtitles repeat a line
    if language != "zh":
        return text
    made = ""
    for part in text.split(" "):
        between = " " if made and (made[-1].isascii() or part[:1].isascii()) else ""
        comma = "，" if made and not between and made[-1].isalnum() else ""
        made += f"{comma or between}{part}"
    return made


def fit(cues: Sequence[Cue], spoken: Sequence[Phrase], end: float) -> list[str]:
    """Compare subtitles with the speech.

    Returns
    -------
    list of str
        Warnings: what makes it likely that they are shifted, or of another film.
    """
    late = [cue for cue in cues if cue.begin >= end]
    warnings = []
    if len(late) > max(2, len(cues) // 20):
        warnings.append(
            f"{len(late)} of {len(cues)} subtitles begin after the film's end ({end:.0f} s): they "
            "may belong to another film, or to a longer version of it"
        )
    size = int(end / _STEP) + 1
    shown = _active([(cue.begin, cue.end) for cue in cues], size)
    heard = _active([(p.begin, p.end) for p in spoken], size)
    if not shown.any():
        return warnings
    share = float((shown & heard).sum() / shown.sum())
    shift, best = _best_shift(shown, heard)
    if best >= share + _BETTER and abs(shift) >= 5 * _STEP:
        warnings.append(
            f"only {share:.0%} of the subtitles' time is speech, but {best:.0%} if they came "
            f"{abs(shift):.1f} s {'later' if shift > 0 else 'earlier'}: shift them "
            f"(pysubs2 --shift{'' if shift > 0 else '-back'} {abs(shift):.1f}s FILE)"
        )
    elif share < _FITTING:
        warnings.append(
            f"only {share:.0%} of the subtitles' time is speech (expected at least "
            f"{_FITTING:.0%}): they may belong to another film; compare some of them"
        )
    return warnings


def _active(spans: Sequence[tuple[float, float]], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, bool)
    for begin, end in spans:
        found[max(0, round(begin / _STEP)) : max(0, round(end / _STEP))] = True
    return found


def _best_shift(shown: NDArray[np.bool_], heard: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the shift in seconds at which most of the subtitles' time is speech, and the share."""
    from scipy.signal import correlate

    both = correlate(heard.astype(np.float64), shown.astype(np.float64), "full", "fft")
    shifts = np.arange(len(both)) - (len(shown) - 1)
    near = np.abs(shifts) <= _FURTHEST / _STEP
    best = int(np.argmax(np.round(both[near], 3)))
    return float(shifts[near][best] * _STEP), float(both[near][best] / shown.sum())
