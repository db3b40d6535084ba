"""One pass over all pictures of a film: when each is shown, and where shots begin."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import ClipError
from pipeline.propose.film import Film, Index, opened, pictures, starts_anew
from pipeline.propose.settings import ProposeSettings
from pipeline.store.features import Features

VERSION = 1
"""Raised by hand when the same film and settings would give another result."""

_WIDTH = 256
"""Shots are found in pictures of this width (PySceneDetect's own default)."""

_SHORTEST = 0.4
"""Seconds: a shot that is shorter is a flash, part of its neighbour."""


def scan(film: Film, settings: ProposeSettings, threads: int = 1) -> Features:
    """Find the shots of a film.

    Parameters
    ----------
    film : Film
        The film.
    settings : ProposeSettings
        ``shot_threshold`` and ``shot_change``.
    threads : int
        Threads that decode.

    Returns
    -------
    Features
        ``times [n]`` (s), when each picture is shown; ``keys [k]`` (s), when the key pictures
        are; ``shots [m]``, the number of each shot's first picture, from 0. ``end`` (s) is when
        the last picture ends, and ``continuous`` tells whether the file can be sought.

    Raises
    ------
    ClipError
        If no picture can be decoded.
    """
    from av.video.reformatter import VideoReformatter

    detector = _Detector(settings, film.fps)
    scaled = VideoReformatter()
    height = max(2, round(film.height * _WIDTH / film.width)) if film.width else 2
    size = (_WIDTH, height) if film.rotation in (0, 180) else (height, _WIDTH)
    times: list[float] = []
    keys: list[float] = []
    last = 0.0
    for time, frame in pictures(film, -np.inf, threads=threads):
        small = scaled.reformat(frame, *size, "bgr24", interpolation="AREA")
        detector.add(len(times), small.to_ndarray())
        times.append(time)
        if frame.key_frame:
            keys.append(time)
        last = float((frame.duration or 0) * frame.time_base)
    if not times:
        raise ClipError(
            f"{film.path.name}: none of its pictures can be decoded", "play it; copy it again"
        )
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / film.fps
    return Features(
        {
            "times": np.array(times),
            "keys": np.array(keys),
            "shots": np.array(detector.shots, np.int64),
        },
        {
            "end": round(times[-1] + (last or step), 6),
            "continuous": _is_continuous(film, times),
        },
    )


def index_of(scanned: Features) -> Index:
    """Return where decoding the scanned film can begin."""
    return Index(scanned.arrays["keys"], bool(scanned.info["continuous"]))


def _is_continuous(film: Film, times: list[float]) -> bool:
    """Tell whether the last picture's time is the file's own: the clock never started anew."""
    with opened(film.path) as container:
        if not starts_anew(container):
            return True
        stream = container.streams[film.video]
        found: list[Any] = [
            packet.pts for packet in container.demux(stream) if packet.pts is not None
        ]
        latest = float(max(found, default=0) * stream.time_base) - film.zero
        return abs(latest - times[-1]) < 1.0


class _Detector:
    """PySceneDetect's AdaptiveDetector, fed with pictures one by one."""

    def __init__(self, settings: ProposeSettings, fps: float) -> None:
        from scenedetect import AdaptiveDetector

        self.shots = [0]
        self._fps = min(max(fps, 1.0), 240.0)
        self._detector = AdaptiveDetector(
            adaptive_threshold=settings.shot_threshold,
            min_content_val=settings.shot_change,
            min_scene_len=max(1, round(_SHORTEST * self._fps)),
        )

    def add(self, number: int, picture: Any) -> None:
        """Take the next picture; a shot may be found a few pictures later."""
        from scenedetect import FrameTimecode

        for cut in self._detector.process_frame(FrameTimecode(number, self._fps), picture):
            self.shots.append(cut.frame_num)
