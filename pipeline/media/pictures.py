"""A clip's pictures on the common grid, and the time of each decoded one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError
from pipeline.media.ffmpeg import (
    LONGEST_SECONDS,
    REMEDY,
    kept_open,
    media_input,
    run,
)

if TYPE_CHECKING:
    from pipeline.store.features import Features

CLOCK = 90_000
"""Ticks per second in which ffmpeg is asked for times: whole numbers at all usual rates."""

_UNSHARED = "yuv444p|gbrp"
"""Forms of 8 bits in which each pixel has its own colour; both fit into Ut Video."""

_STORED = "gbrp|gbrap|yuv422p|yuv420p|yuv444p"
"""All forms that fit into Ut Video, in the order in which ffmpeg is offered them for it."""

_PLAIN = "yuv420p"
"""The form of nearly all videos: 8 bits, with a colour for each square of four pixels."""

_MATRICES = (1, 2, 5, 6)
"""FFmpeg's numbers (ITU-T H.273's) of the matrix of BT.709, of an unknown one, which is read as
BT.601's, and of both that BT.601 has: Ut Video knows these two."""


@dataclass(frozen=True)
class Pictures:
    """What was decoded of a clip's video stream.

    Parameters
    ----------
    numbers : ndarray, int64 [stored]
        Frame of the grid that each picture of the written video belongs to, rising.
    ticks : ndarray, int64 [decoded]
        When each decoded picture is shown, in the order they come: ticks of `CLOCK` from the
        clip's time zero.
    last : int
        How long the last one is shown, in ticks.
    errors : int
        Errors that ffmpeg reported: what was damaged is concealed or repeated.
    """

    numbers: NDArray[np.int64]
    ticks: NDArray[np.int64]
    last: int
    errors: int


@dataclass(frozen=True)
class FrameSource:
    """Frames of one clip on the common grid, decoded as they are asked for.

    Parameters
    ----------
    path : Path
        The lossless video made by the frames stage, or one in memory.
    height, width : int
        Of its pictures, as displayed.
    fps : float
        Frames per second of the grid.
    shown : ndarray, int32 [T]
        The picture of that video that each frame of the grid shows, rising; -1 where the
        clip has no picture.
    source : ndarray, int32 [T]
        The decoded picture of the clip's own video that it is, from 0; -1 without one.
    times : ndarray, float64 [decoded]
        When each of these is shown, in seconds.
    errors : int
        Errors that ffmpeg met when the clip was decoded for it.
    scratch : Path, optional
        Folder for what would take too much memory; if None, that of `path`.
    """

    path: Path
    height: int
    width: int
    fps: float
    shown: NDArray[np.int32]
    source: NDArray[np.int32]
    times: NDArray[np.float64]
    errors: int = 0
    scratch: Path | None = None

    @classmethod
    def of(cls, frames: Features, path: Path, scratch: Path | None = None) -> Self:
        """Return the frames that the frames stage has described.

        Parameters
        ----------
        frames : Features
            Of the frames stage.
        path : Path
            The lossless video that belongs to it.
        scratch : Path, optional
            Folder for what would take too much memory.
        """
        return cls(
            path=path,
            height=frames.info["height"],
            width=frames.info["width"],
            fps=frames.info["fps"],
            shown=frames.arrays["shown"],
            source=frames.arrays["source"],
            times=frames.arrays["times"],
            errors=frames.info["errors"],
            scratch=scratch,
        )

    @property
    def frames(self) -> int:
        """T, the frames of the grid, with and without a picture."""
        return len(self.shown)

    def batches(
        self, size: int, scaled: tuple[int, int] | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield the RGB pictures of the frames that have one, in batches of about `size`.

        Each batch is ``[B, height, width, 3]``; all together they are as many as entries of
        `shown` that are not -1.

        Parameters
        ----------
        size : int
            Pictures decoded at once.
        scaled : tuple of int, optional
            Width and height to which pictures are scaled while they are decoded.
        """
        first = 0
        for batch in read_frames(self, size, scaled):
            which = self.shown[(self.shown >= first) & (self.shown < first + len(batch))] - first
            first += len(batch)
            if len(which):
                yield batch if np.array_equal(which, np.arange(len(batch))) else batch[which]


def write_constant_rate(
    source: Path,
    target: Path,
    *,
    stream: int,
    size: tuple[int, int],
    fps: float,
    other: int | None = None,
    origin: float = 0.0,
    ffmpeg: str = "wheel",
    raw: bool = False,
    most: int | None = None,
) -> Pictures:
    """Bring a clip to a constant frame rate, as a lossless video (Ut Video in Matroska).

    Phones' rotation is applied and pixels that are not square become so; variable and other
    rates are resampled by ffmpeg's ``fps`` filter, which repeats or drops whole frames
    (nearest in time).

    Parameters
    ----------
    source, target : Path
        The clip, and the video to write. Odd sizes are padded to even ones there.
    stream : int
        Index of the video stream in the file.
    size : tuple of int
        Width and height as displayed.
    fps : float
        Frames per second of the grid; frame k lies at k / fps seconds from time zero.
    other : int, optional
        Index of the clip's audio stream, which belongs to the same clock.
    origin : float
        Seconds from the file's first timestamp to the clip's time zero.
    ffmpeg : str
        Which ffmpeg (`MediaSettings.ffmpeg`).
    raw : bool
        Write the pictures as they are instead: faster, and several times as large. `is_plain`
        tells whether they then become the same RGB. The size must be even.
    most : int, optional
        Bytes after which writing ends. A video that has reached them may lack its end.

    Raises
    ------
    ClipError
        If no frame can be decoded.
    """
    import ffmpeg as graph

    opened = media_input(source, t=LONGEST_SECONDS)
    video = opened[str(stream)]
    if origin:
        video = video.filter("setpts", f"PTS-({origin:.6f})/TB")
    # a size that changes within the clip is brought to the first one's
    video = video.filter("scale", *size).filter("setsar", 1)
    if not is_even(size):
        # pad cuts an odd line or column off where two share a colour, and it writes into the
        # pictures that it gets, which the decoder still reads
        video = video.filter("format", _UNSHARED).filter("copy").filter("pad", *_even(size))
    parts = video.filter_multi_output("split")
    passed: dict[str, Any] = {"fps_mode": "passthrough", "threads": 1}
    # what comes earlier than half a frame before time zero is on no frame of the grid
    gridded = parts[0].filter("trim", start=-0.5 / fps).filter("fps", fps=fps)
    if raw:  # what ffmpeg does for Ut Video by itself
        gridded = gridded.filter("setfield", "prog").filter("scale", out_range="tv")
        gridded = gridded.filter("format", _STORED)
    written = gridded.output(
        f"file:{target.absolute()}",
        format="matroska",
        vcodec="rawvideo" if raw else "utvideo",
        **{"fflags": "+bitexact", "flags:v": "+bitexact", **passed},
        **({} if most is None else {"fs": most}),
    ).overwrite_output()
    # a corner of each decoded picture is enough to learn its time
    timed = (
        parts[1]
        .filter("crop", 2, 2, 0, 0)
        .output("pipe:1", format="framecrc", enc_time_base=f"1/{CLOCK}", **passed)
    )
    outputs = graph.merge_outputs(written, timed, *kept_open(opened, other))
    told, words, errors = run(outputs, source, ffmpeg)
    ticks, lengths = _times(told)
    numbers = _grid_numbers(target, fps)
    if not len(numbers) or not len(ticks):
        raise ClipError(f"{source.name}: no frame could be decoded ({words})", REMEDY)
    return Pictures(numbers, ticks, int(lengths[-1]), errors)


def is_plain(raw: Path) -> bool:
    """Tell whether a raw video becomes the same RGB as the Ut Video of the same clip.

    Parameters
    ----------
    raw : Path
        Written by `write_constant_rate`.
    """
    import av

    with av.open(f"file:{raw.absolute()}") as container:
        video: Any = container.streams.video[0].codec_context
        return video.pix_fmt == _PLAIN and video.colorspace in _MATRICES


def is_even(size: tuple[int, int]) -> bool:
    """Tell whether pictures of a width and height need not be padded."""
    return size == _even(size)


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _times(framecrc: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the time and length of each picture, in ticks, from ``stream, dts, pts, length``."""
    lines = [line.split(b",") for line in framecrc.splitlines() if not line.startswith(b"#")]
    table = np.array([[int(line[2]), int(line[3])] for line in lines], np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _grid_numbers(video: Path, fps: float) -> NDArray[np.int64]:
    import av

    with av.open(str(video)) as container:
        tracks = container.streams.video
        times = [
            float(packet.pts * packet.time_base)
            for packet in (container.demux(tracks[0]) if tracks else ())
            if packet.size and packet.pts is not None and packet.time_base is not None
        ]
    return np.rint(np.array(times) * fps).astype(np.int64)


def read_frames(
    source: FrameSource, batch: int, scaled: tuple[int, int] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of a constant-rate video, RGB ``[B, height, width, 3]``.

    They are decoded in this process (PyAV), which costs neither the start of another one nor a
    pipe. At most one batch is decoded ahead of what the caller holds.

    Parameters
    ----------
    source : FrameSource
        The video.
    batch : int
        Pictures per batch; the last one may hold fewer.
    scaled : tuple of int, optional
        Width and height to which pictures are scaled while they are decoded.

    Raises
    ------
    BuildError
        If the video holds fewer pictures than were written.
    """
    announced = int(source.shown.max(initial=-1)) + 1
    if not announced:
        return
    width, height = scaled or (source.width, source.height)
    pictures = _decoded(source.path, scaled, _even((source.width, source.height)))
    read = 0
    while True:
        frames, count = np.empty((batch, height, width, 3), np.uint8), 0
        for picture in islice(pictures, batch):
            frames[count] = picture[:height, :width]
            count += 1
        if not count:
            break
        read += count
        yield frames[:count]
        del frames  # else two batches would be held while the next is read
    if read < announced:
        raise BuildError(
            f"{source.path} gave {read} pictures where {announced} were written",
            "the file was changed or the disk is full: run the same command again; if it lies in "
            "processed/frames, build that stage first: chsims-build --stage frames --force",
        )


def _decoded(
    video: Path, scaled: tuple[int, int] | None, size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Yield each picture of a constant-rate video, until the first that cannot be read.

    The arrays ``[height, width, 3]`` are views that hold until the next one is asked for.
    """
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    av.logging.set_level(None)
    rgb = VideoReformatter()
    width, height = scaled or size
    method = Interpolation.AREA if scaled else Interpolation.BICUBIC
    with suppress(av.FFmpegError), av.open(f"file:{video.absolute()}") as container:
        for stream in container.streams.video[:1]:
            stream.thread_count = 1
            for frame in container.decode(stream):
                shown = rgb.reformat(frame, width, height, "rgb24", interpolation=method, threads=1)
                plane: Any = shown.planes[0]
                lines = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
                yield lines[:, : 3 * width].reshape(height, width, 3)
