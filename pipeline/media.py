"""The one place that opens media: finding ffmpeg, decoding sound and frames.

ffmpeg runs as a child process with an argument list made by ffmpeg-python. It may open
plain files only (no network, no playlists that point elsewhere), reads no standard input
and uses one thread, since the build runs one process a core.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError

LONGEST_SECONDS = 600.0
"""Clips are utterances of seconds; a longer file is refused before it fills the memory."""

CONTAINERS = "mov,mp4,m4a,3gp,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,wav"
"""Demuxers that may read a clip; playlists and scripts, which name other files, are not here."""

_DECODE_SECONDS = 900
_REMEDY = "play the file; if it is damaged, replace it with a fresh copy and build again"


@dataclass(frozen=True)
class FrameSource:
    """Frames of one clip on the 30 Hz grid, decoded as they are asked for.

    Parameters
    ----------
    path : Path
        The lossless video made by the frames stage.
    frames, height, width : int
        Its shape.
    fps : float
        Its frame rate, in Hz.
    errors : int
        Errors that ffmpeg met when the clip was decoded for it.
    """

    path: Path
    frames: int
    height: int
    width: int
    fps: float
    errors: int = 0

    def batches(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """Yield RGB frames ``[B, height, width, 3]``, B = `size` but in the last batch."""
        yield from read_frames(self, size)


@cache
def ffmpeg_program() -> str:
    """Return the system's ffmpeg, or the one that imageio-ffmpeg carries.

    Raises
    ------
    BuildError
        If there is neither.
    """
    system = shutil.which("ffmpeg")
    if system is not None:
        return system
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise BuildError(
            "no ffmpeg: none on the PATH, and imageio-ffmpeg carries none for this platform",
            "install ffmpeg (apt-get install ffmpeg, conda install ffmpeg, brew install ffmpeg)",
        ) from error


@cache
def ffmpeg_version() -> str:
    """Return ffmpeg's version as it prints it, e.g. ``5.1.6-0+deb12u1``."""
    text = subprocess.run(
        [ffmpeg_program(), "-version"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    match = re.match(r"ffmpeg version (\S+)", text)
    return match.group(1) if match else text.splitlines()[0]


def _input(path: Path, **options: Any) -> Any:
    import ffmpeg

    return ffmpeg.input(
        f"file:{path.resolve()}",
        protocol_whitelist="file",
        format_whitelist=CONTAINERS,
        threads=1,
        **options,
    )


def _command(stream: Any) -> list[str]:
    """Return the argument list: bounded threads, no standard input, no console chatter."""
    import ffmpeg

    options = ("-nostdin", "-hide_banner", "-loglevel", "error", "-filter_threads", "1")
    return [*ffmpeg.compile(stream.global_args(*options), cmd=ffmpeg_program())]


def _run(stream: Any, path: Path) -> tuple[bytes, str, int]:
    """Run ffmpeg; return its output, its last words, and how many errors it has told of."""
    try:
        done = subprocess.run(
            _command(stream),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DECODE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ClipError(
            f"{path.name}: ffmpeg did not finish in {_DECODE_SECONDS} s", _REMEDY
        ) from error
    words = last_words(done.stderr)
    if os.strerror(errno.ENOSPC).encode() in done.stderr:
        raise BuildError(
            f"{path.name}: ffmpeg found no space left on the disk",
            "free disk space and run the same command again: it continues here",
        )
    if done.returncode != 0:
        raise ClipError(f"{path.name}: ffmpeg cannot decode it ({words})", _REMEDY)
    return done.stdout, words, sum(1 for line in done.stderr.splitlines() if line.strip())


def last_words(stderr: bytes) -> str:
    """Return the last line a program wrote, without addresses that differ from run to run."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return "no message"
    line = re.sub(r"file:/\S*/", "", re.sub(r" @ 0x[0-9a-f]+", "", lines[-1])).strip()
    return "".join(c for c in line if c.isprintable())[:300]


def read_sound(path: Path) -> tuple[NDArray[np.float32], int, int]:
    """Decode a clip's first audio stream at its own rate and channels.

    Parameters
    ----------
    path : Path
        Any media file ffmpeg can read.

    Returns
    -------
    samples : ndarray, shape (channels, n)
        Samples in [-1, 1].
    rate : int
        Sampling rate, in Hz.
    errors : int
        Errors that ffmpeg has told of: what was damaged is silent or concealed.

    Raises
    ------
    ClipError
        If there is no sound to decode.
    """
    import soundfile

    stream = _input(path, t=LONGEST_SECONDS)["a:0"].output(
        "pipe:1", format="wav", acodec="pcm_f32le"
    )
    sound, words, errors = _run(stream, path)
    try:
        samples, rate = soundfile.read(io.BytesIO(sound), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ClipError(f"{path.name}: no sound could be decoded ({words})", _REMEDY) from error
    if samples.shape[0] == 0:
        raise ClipError(f"{path.name}: its audio stream is empty", _REMEDY)
    if not np.isfinite(samples).all():
        raise ClipError(f"{path.name}: its audio holds values that are not numbers", _REMEDY)
    return np.ascontiguousarray(samples.T), int(rate), errors


def write_constant_rate(source: Path, target: Path, fps: float) -> tuple[int, int, int, int]:
    """Bring a clip to a constant frame rate, as a lossless video (Ut Video in Matroska).

    Phones' rotation is applied; variable and other rates are resampled by ffmpeg's ``fps``
    filter, which repeats or drops whole frames (nearest in time).

    Returns
    -------
    frames, height, width : int
        Shape of the written video.
    errors : int
        Errors that ffmpeg has told of: what was damaged is concealed or repeated.

    Raises
    ------
    ClipError
        If no frame can be decoded.
    """
    import av

    stream = (
        _input(source, t=LONGEST_SECONDS)["v:0"]
        .filter("fps", fps=fps)
        .output(
            f"file:{target.resolve()}",
            format="matroska",
            vcodec="utvideo",
            threads=1,
            **{"fflags": "+bitexact", "flags:v": "+bitexact", "fps_mode": "passthrough"},
        )
        .overwrite_output()
    )
    _, words, errors = _run(stream, source)
    with av.open(str(target)) as video:
        if not video.streams.video:
            raise ClipError(f"{source.name}: no frame could be decoded ({words})", _REMEDY)
        track = video.streams.video[0]
        frames = sum(1 for packet in video.demux(track) if packet.size)
        height, width = int(track.height), int(track.width)
    if frames == 0:
        raise ClipError(f"{source.name}: no frame could be decoded ({words})", _REMEDY)
    return frames, height, width, errors


def read_frames(source: FrameSource, batch: int) -> Iterator[NDArray[np.uint8]]:
    """Yield a constant-rate video's RGB frames in batches ``[B, height, width, 3]``."""
    stream = _input(source.path).output(
        "pipe:1", format="rawvideo", pix_fmt="rgb24", threads=1, fps_mode="passthrough"
    )
    size = source.height * source.width * 3
    process = subprocess.Popen(
        _command(stream),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    read = 0
    try:
        while data := process.stdout.read(size * batch):
            count = len(data) // size
            read += count
            yield np.frombuffer(data, np.uint8, count * size).reshape(
                count, source.height, source.width, 3
            )
    finally:
        process.stdout.close()
        process.terminate()
        process.wait()
    if read != source.frames:
        raise BuildError(
            f"{source.path} gave {read} frames where {source.frames} were written",
            "the file was changed or the disk is full: build the frames stage again with --force",
        )
