"""frames: a clip of any rate as a lossless video at a constant 30 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError
from pipeline.extractor import Extractor
from pipeline.frames.grid import grid_length, place
from pipeline.frames.held import MOST_HELD, held_bytes
from pipeline.frames.settings import FramesSettings
from pipeline.media.ffmpeg import HangingError
from pipeline.media.memory import MemoryFile, memory_file
from pipeline.media.pictures import CLOCK, Pictures, is_even, is_plain, write_constant_rate
from pipeline.store.features import Features
from pipeline.store.scratch import scratch_folder

if TYPE_CHECKING:
    from pipeline.stage import Build
    from pipeline.store.shards import Clip

SHORTEST_SHARE = 0.9
"""A clip that gives fewer of its announced frames than this is taken for a truncated file."""


@dataclass(frozen=True)
class FrameInputs:
    """A clip's media file, what is known of it, and where the video goes.

    Parameters
    ----------
    media, target : Path
        The file, and the video to write.
    stream : int or None
        Index of the video stream; None for a clip without pictures.
    size : tuple of int
        Width and height as displayed.
    announced : float
        Length of the video stream as the file announces it, in seconds.
    seconds : float
        Length of the whole clip, in seconds.
    other : int, optional
        Index of the audio stream.
    origin : float
        Seconds from the file's first timestamp to the clip's time zero.
    ffmpeg : str
        Which ffmpeg decodes it.
    scratch : Path, optional
        Where the folder of a large video that is only lent is made; if None, next to `target`.
    """

    media: Path
    target: Path
    stream: int | None
    size: tuple[int, int]
    announced: float
    seconds: float
    other: int | None = None
    origin: float = 0.0
    ffmpeg: str = "wheel"
    scratch: Path | None = None

    @classmethod
    def of(cls, build: Build, clip: Clip, target: Path) -> Self:
        """Return the inputs of a clip of a build, whose video goes to `target`."""
        return cls(
            media=build.media(clip),
            target=target,
            scratch=build.config.layout.scratch,
            stream=clip.streams.video,
            other=clip.streams.audio,
            size=(clip.streams.width, clip.streams.height),
            announced=clip.streams.announced,
            seconds=clip.seconds,
            origin=clip.streams.origin,
            ffmpeg=build.config.media.ffmpeg,
        )


class FrameExtractor(Extractor):
    """Resample a clip to the common grid (paper, section 3.2: 30 Hz).

    Parameters
    ----------
    settings : FramesSettings
        The frame rate, in Hz.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "0001.mkv"
    >>> media = Path("raw/demo/video_0001/0001.mp4")
    >>> clip = FrameInputs(media, target, 0, size=(320, 240), announced=4.16, seconds=4.16)
    >>> info = FrameExtractor(FramesSettings()).extract(clip).info
    >>> info["height"], info["width"], info["fps"], info["errors"]
    (240, 320, 30.0, 0)
    """

    version: ClassVar[int] = 3
    packages: ClassVar[tuple[str, ...]] = ("ffmpeg-python",)

    def __init__(self, settings: FramesSettings) -> None:
        self.settings = settings

    def extract(self, inputs: FrameInputs) -> Features:
        """Write the constant-rate video, and say which picture each frame shows.

        Parameters
        ----------
        inputs : FrameInputs
            The media file and where to write the video.

        Returns
        -------
        Features
            ``shown [T]`` and ``source [T]``: the picture of the written video, and of the
            clip's own, that each frame shows, -1 where there is none (yet, or any longer);
            ``times [decoded]``: when each picture of the clip is shown, in seconds. Frame k
            lies at k / fps seconds on the clip's clock.

        Raises
        ------
        ClipError
            If nothing can be decoded, or much less than the file announces.
        """
        if inputs.stream is None:
            return _without_pictures(inputs, self.settings.fps)
        inputs.target.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._described(inputs, self._written(inputs, inputs.stream), inputs.target)
        except BaseException:
            inputs.target.unlink(missing_ok=True)
            raise

    @contextmanager
    def lend(self, inputs: FrameInputs) -> Iterator[Features]:
        """Decode a clip for a stage that reads the pictures at once.

        The pictures of an ordinary clip lie in memory. A video of more than `MOST_HELD` bytes, or
        one that cannot be written there, is written into a folder of its own. The RGB values are
        those of a kept video.

        Parameters
        ----------
        inputs : FrameInputs
            As for `extract`; nothing is written to ``target``.

        Yields
        ------
        Features
            As from `extract`; the video, their ``file``, is gone afterwards.

        Raises
        ------
        ClipError
            As `extract`.
        """
        with memory_file() as memory:
            features = None if memory is None else self._held(inputs, memory)
            if features is not None:
                yield features
                return
        with scratch_folder(inputs.scratch or inputs.target.parent, "frames-") as folder:
            yield self.extract(replace(inputs, target=folder / "frames.mkv"))

    def _held(self, inputs: FrameInputs, memory: MemoryFile) -> Features | None:
        """Decode a clip into memory, if it fits and can be decoded there."""
        length = max(inputs.seconds, inputs.announced)
        if inputs.stream is None or not held_bytes(inputs.size, length, self.settings.fps):
            return None
        for raw in (True, False) if is_even(inputs.size) else (False,):
            try:
                pictures = self._written(inputs, inputs.stream, memory.path, raw=raw)
            except HangingError:
                raise
            except (BuildError, ClipError):
                continue  # the disk will show whether it is the clip's fault
            if not 0 < memory.size < MOST_HELD:  # the clip is longer than its file announces
                return None
            if not raw or is_plain(memory.path):
                return self._described(inputs, pictures, memory.path)
        return None

    def _written(
        self,
        inputs: FrameInputs,
        stream: int,
        memory: Path | None = None,
        *,
        raw: bool = False,
    ) -> Pictures:
        return write_constant_rate(
            inputs.media,
            memory or inputs.target,
            stream=stream,
            other=inputs.other,
            size=inputs.size,
            fps=self.settings.fps,
            origin=inputs.origin,
            ffmpeg=inputs.ffmpeg,
            raw=raw,
            most=MOST_HELD if memory else None,
        )

    def _described(self, inputs: FrameInputs, pictures: Pictures, video: Path) -> Features:
        fps = self.settings.fps
        _check_whole(inputs, pictures, fps)
        shown, source = place(pictures, inputs.seconds, fps)
        times = pictures.ticks / CLOCK
        info = {
            **_info(inputs, shown, fps),
            "errors": pictures.errors,
            "pictures": len(times),
            "picture_start": round(float(times.min()), 6),
            "picture_end": round(float(times.max()) + pictures.last / CLOCK, 6),
        }
        arrays: dict[str, NDArray[Any]] = {"shown": shown, "source": source, "times": times}
        return Features(arrays, info, video)


def _without_pictures(inputs: FrameInputs, fps: float) -> Features:
    nothing = np.full(grid_length(0.0, inputs.seconds, fps), -1, np.int32)
    return Features(
        {"shown": nothing, "source": nothing, "times": np.zeros(0)},
        {
            **_info(inputs, nothing, fps),
            "errors": 0,
            "pictures": 0,
            "picture_start": None,
            "picture_end": None,
        },
    )


def _info(inputs: FrameInputs, shown: NDArray[np.int32], fps: float) -> dict[str, Any]:
    return {
        "frames": len(shown),
        "without_picture": int((shown < 0).sum()),
        "height": inputs.size[1],
        "width": inputs.size[0],
        "fps": fps,
    }


def _check_whole(inputs: FrameInputs, pictures: Pictures, fps: float) -> None:
    announced = inputs.announced * fps
    frames = int(pictures.numbers[-1] - pictures.numbers[0]) + 1
    if frames < SHORTEST_SHARE * announced - 2:
        raise ClipError(
            f"{inputs.media.name}: truncated: {frames} frames could be decoded, but its "
            f"header announces {inputs.announced:.2f} s of picture ({announced:.0f} frames)",
            "replace the file with a complete copy and build again",
        )
