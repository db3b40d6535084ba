"""When each decoded picture of a clip's video is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.media.ffmpeg import INPUT_OPTIONS, LONGEST_SECONDS


@dataclass(frozen=True)
class Pictures:
    """The pictures of a clip's video, in the order in which they are shown.

    Parameters
    ----------
    times : ndarray, float64 [n]
        When each is shown, in seconds of the file's own clock.
    width, height : int
        Stored size in pixels: before a phone's rotation, and whatever the pixels' shape.
    """

    times: NDArray[np.float64]
    width: int
    height: int

    @property
    def rates(self) -> str:
        """The rate in words: ``25 a second``, or ``10 to 30 a second`` where it varies."""
        steps = np.diff(self.times)
        steps = steps[steps > 0]
        if not len(steps):
            return "one picture"
        slow, fast = (1 / np.quantile(steps, share) for share in (0.95, 0.05))
        usual = 1 / float(np.median(steps))
        if fast - slow < 0.1 * usual:
            return f"{usual:.4g} a second"
        return f"{slow:.3g} to {fast:.3g} a second"


def read_pictures(path: Path, stream: int) -> Pictures:
    """Decode a clip's video and keep the times.

    Parameters
    ----------
    path : Path
        The clip's media file.
    stream : int
        Index of its video stream in the file.

    Notes
    -----
    Pictures that an edit list hides, and data that cannot be decoded, give none: OpenFace,
    which decodes by the same library, has no row for them either.

    Raises
    ------
    ClipError
        If no picture can be decoded.
    """
    import av

    av.logging.set_level(None)
    try:
        with av.open(
            f"file:{path}", "r", options=INPUT_OPTIONS, metadata_errors="replace"
        ) as container:
            video: Any = container.streams[stream]
            video.thread_count = 1
            times = np.array(list(_times(container, video)))
            size = int(video.width), int(video.height)
    except (av.FFmpegError, ValueError, MemoryError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise ClipError(f"{path.name} cannot be decoded ({words})", "replace the file") from error
    if not len(times):
        raise ClipError(f"{path.name} holds no picture that can be decoded", "replace the file")
    return Pictures(times, *size)


def _times(container: Any, video: Any) -> Iterator[float]:
    """Yield each picture's time; one without (AVI) follows the last at the average rate."""
    import av

    step = 1 / float(video.average_rate or video.guessed_rate or 25)
    first, last = None, -step
    for packet in container.demux(video):
        with suppress(av.error.InvalidDataError):
            for frame in packet.decode():
                last = last + step if frame.time is None else frame.time
                first = last if first is None else first
                if last - first > LONGEST_SECONDS:
                    return
                yield last
