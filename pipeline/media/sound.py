"""A clip's sound, each sample at its own time."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.media.ffmpeg import LONGEST_SECONDS, REMEDY, kept_open, media_input, run

JITTER_SECONDS = 0.01
"""Timestamps that miss the end of what came before by less than this are rounding, not gaps: a
lost packet is longer (AAC 21 ms, MP3 24 ms, Opus 20 ms), a container's rounding is shorter."""

EDGE_SECONDS = 0.1
"""Encoders and players disagree about a clip's end by this much."""

Samples = NDArray[np.float32]


def read_sound(
    path: Path,
    *,
    stream: int,
    other: int | None = None,
    origin: float = 0.0,
    seconds: float = 0.0,
    ffmpeg: str = "wheel",
) -> tuple[Samples, int, int]:
    """Decode one audio stream at its own rate and channels, from the clip's time zero.

    Sample n is what is heard at n / rate seconds: sound that starts late is preceded by
    silence, gaps are silence of their true length, and silence follows where the clip goes on.

    Parameters
    ----------
    path : Path
        Any media file ffmpeg can read.
    stream : int
        Index of the stream in the file.
    other : int, optional
        Index of the clip's video stream, which belongs to the same clock.
    origin : float
        Seconds from the file's first timestamp to the clip's time zero.
    seconds : float
        Length of the clip; sound that ends more than a tenth of a second before it is followed
        by silence up to there.
    ffmpeg : str
        Which ffmpeg (`MediaSettings.ffmpeg`).

    Returns
    -------
    samples : ndarray, shape (channels, n)
        Samples in [-1, 1].
    rate : int
        Sampling rate, in Hz.
    errors : int
        Errors that ffmpeg reported: what was damaged is silent or concealed.

    Raises
    ------
    ClipError
        If there is no sound to decode.
    """
    import av
    import ffmpeg as graph

    # NUT keeps the exact time of each decoded frame
    source = media_input(path, t=LONGEST_SECONDS)
    decoded = source[str(stream)].output("pipe:1", format="nut", acodec="pcm_f32le")
    outputs = graph.merge_outputs(decoded, *kept_open(source, other))
    data, words, errors = run(outputs, path, ffmpeg)
    try:
        with av.open(io.BytesIO(data), "r", format="nut") as nut:
            track = nut.streams.audio[0]
            rate, channels = int(track.codec_context.sample_rate), track.codec_context.channels
            pieces = [
                (
                    round((float(packet.pts * packet.time_base) - origin) * rate),
                    np.frombuffer(bytes(packet), np.float32).reshape(-1, channels),
                )
                for packet in nut.demux(track)
                if packet.size and packet.pts is not None and packet.time_base is not None
            ]
    except (av.FFmpegError, IndexError) as error:
        raise ClipError(f"{path.name}: no sound could be decoded ({words})", REMEDY) from error
    if not pieces:
        raise ClipError(f"{path.name}: its audio stream is empty", REMEDY)
    samples = in_place(pieces, round(JITTER_SECONDS * rate))
    missing = min(seconds, LONGEST_SECONDS) - len(samples) / rate
    if missing > EDGE_SECONDS:
        samples = np.pad(samples, ((0, round(missing * rate)), (0, 0)))
    if not np.isfinite(samples).all():
        raise ClipError(f"{path.name}: its audio holds values that are not numbers", REMEDY)
    return np.ascontiguousarray(samples.T), rate, errors


def in_place(pieces: Iterable[tuple[int, Samples]], jitter: int) -> Samples:
    """Put pieces of sound at their places, with silence between them.

    Parameters
    ----------
    pieces : iterable of (int, ndarray [n, channels])
        Place of each piece's first sample, in samples from time zero, and the piece.
    jitter : int
        A piece that misses the end of the one before by no more than this follows directly.

    Returns
    -------
    ndarray, shape (n, channels)
        What lies before time zero, or at the place of earlier sound, is left out.
    """
    placed: list[Samples] = []
    end = 0
    for start, piece in pieces:
        late = start - end
        if late > jitter:
            placed.append(np.zeros((late, piece.shape[1]), np.float32))
            end = start
        placed.append(piece[-late:] if late < -jitter else piece)
        end += len(placed[-1])
    return np.concatenate(placed)
