"""One pass over all pictures of a film: when each is shown, and where shots begin.

The film is scanned in parts, which several processes share, and which a killed command need not
scan again. A part begins a little early, so that a shot that begins with it is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import ClipError
from pipeline.propose.film import Film, Index, pictures
from pipeline.propose.settings import ProposeSettings
from pipeline.store.features import Features

VERSION = 1
"""Raised by hand when the same film and settings would give another result."""

_WIDTH = 256
"""Shots are found in pictures of this width (PySceneDetect's own default)."""

SPAN_SECONDS = 60.0
_LEAD_SECONDS = 1.0
_BEYOND = 4
"""Pictures after a part's end that tell whether its last ones begin a shot."""

_SHORTEST = 0.4
"""Seconds: a shot that is shorter is a flash, part of its neighbour."""


@dataclass(frozen=True)
class Span:
    """A part of a film that is scanned in one go: pictures from `begin` to before `end`, in s."""

    number: int
    begin: float
    end: float


def spans(index: Index) -> list[Span]:
    """Divide a film at key pictures into parts of about a minute.

    A film that cannot be sought is one part: it is read from its start to its end.
    """
    bounds = [-np.inf]
    for key in index.keys.tolist() if index.continuous else ():
        if key - max(bounds[-1], float(index.keys[0])) >= SPAN_SECONDS:
            bounds.append(key)
    ends = [*bounds[1:], np.inf]
    return [Span(n, *each) for n, each in enumerate(zip(bounds, ends, strict=True))]


def scan(film: Film, index: Index, span: Span, settings: ProposeSettings) -> Features:
    """Find the pictures and the shots of a part of a film.

    Parameters
    ----------
    film : Film
        The film.
    index : Index
        Where decoding can begin.
    span : Span
        The part.
    settings : ProposeSettings
        ``shot_threshold`` and ``shot_change``.

    Returns
    -------
    Features
        ``times [n]`` (s), when each picture is shown; ``shots [m]`` (s), when shots begin;
        ``end [1]`` (s), when the last picture ends, as far as the file says.
    """
    from av.video.reformatter import VideoReformatter

    detector = _Detector(settings, film.fps)
    scaled = VideoReformatter()
    size = _small(film)
    times: list[float] = []
    seen: list[float] = []
    last, beyond = 0.0, 0
    for time, frame in pictures(film, span.begin - _LEAD_SECONDS, index=index):
        detector.add(len(seen), scaled.reformat(frame, *size, "bgr24", interpolation="AREA"))
        seen.append(time)
        if time >= span.end:
            beyond += 1
            if beyond == _BEYOND:
                break
        elif time >= span.begin:
            times.append(time)
            last = float((frame.duration or 0) * frame.time_base)
    found = [seen[number] for number in detector.cuts]
    return Features(
        {
            "times": np.array(times),
            "shots": np.array([each for each in found if span.begin <= each < span.end]),
            "end": np.array([times[-1] + last if times and last else np.nan]),
        }
    )


def joined(film: Film, parts: Sequence[Features]) -> Features:
    """Put the parts of a film together.

    Returns
    -------
    Features
        ``times [n]`` (s), when each picture is shown; ``shots [m]``, the number of each shot's
        first picture, from 0. ``end`` (s) is when the last picture ends.

    Raises
    ------
    ClipError
        If no picture can be decoded.
    """
    times = np.concatenate([part.arrays["times"] for part in parts])
    if not len(times):
        raise ClipError(
            f"{film.path.name}: none of its pictures can be decoded", "play it; copy it again"
        )
    cuts = np.concatenate([part.arrays["shots"] for part in parts])
    shots = np.union1d([0], np.searchsorted(times, cuts))
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / film.fps
    told = [float(part.arrays["end"][0]) for part in parts if len(part.arrays["times"])][-1]
    end = times[-1] + step if np.isnan(told) else told
    return Features({"times": times, "shots": shots.astype(np.int64)}, {"end": round(end, 6)})


def _small(film: Film) -> tuple[int, int]:
    height = max(2, round(film.height * _WIDTH / film.width))
    return (_WIDTH, height) if film.rotation in (0, 180) else (height, _WIDTH)


class _Detector:
    """PySceneDetect's AdaptiveDetector, fed with pictures one by one."""

    def __init__(self, settings: ProposeSettings, fps: float) -> None:
        from scenedetect import AdaptiveDetector

        self.cuts: list[int] = []
        self._fps = min(max(fps, 1.0), 240.0)
        self._detector = AdaptiveDetector(
            adaptive_threshold=settings.shot_threshold,
            min_content_val=settings.shot_change,
            min_scene_len=max(1, round(_SHORTEST * self._fps)),
        )

    def add(self, number: int, picture: Any) -> None:
        """Take the next picture; a shot may be found a few pictures later."""
        from scenedetect import FrameTimecode

        moment = FrameTimecode(number, self._fps)
        self.cuts += [
            cut.frame_num for cut in self._detector.process_frame(moment, picture.to_ndarray())
        ]
