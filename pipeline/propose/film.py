"""A film's streams, and decoding any part of it on its one clock, in constant memory.

A time is in seconds from what a player shows or plays first, as everywhere in this project. Where
a format's clock starts anew within a file (MPEG-TS and MPEG-PS), time goes on from where it was.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.manifest.streams import probe
from pipeline.media.ffmpeg import REMEDY
from pipeline.media.sound import JITTER_SECONDS
from pipeline.propose.packets import Clock, decode, opened

Times = NDArray[np.float64]
Samples = NDArray[np.float32]

_LONGEST_GAP = 3600.0
"""Seconds: what comes later than this after the frame before has a damaged timestamp."""

_BEFORE_SECONDS = 1.0
"""Decoding begins at least this long before a part, so that its first samples are complete."""

_EPSILON = 1e-6

_RETRIES = 3
"""How often a seek that came out too late is repeated further back, before packets are skipped."""


@dataclass(frozen=True)
class Film:
    """The streams of a film that are used.

    Parameters
    ----------
    path : Path
        The file.
    video, audio : int
        Index of each stream in the file.
    zero : float
        The file's own timestamp of time zero, in seconds.
    width, height : int
        As displayed: rotation applied, pixels square.
    rotation : int
        Clockwise quarter turns that a player applies, in degrees.
    rate : int
        Sampling rate of the sound, in Hz.
    channels : int
        Channels in which the sound is decoded: 1, or 2 where it has more.
    fps : float
        Average frame rate, in Hz.
    origin : float
        Seconds from the file's first timestamp, where ffmpeg begins to count, to time zero.
    tracks : tuple of str
        The audio tracks that there are, as `Probe.audio_tracks` describes them.
    """

    path: Path
    video: int
    audio: int
    zero: float
    width: int
    height: int
    rotation: int
    rate: int
    channels: int
    fps: float
    origin: float = 0.0
    tracks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """Where decoding a film can begin.

    Parameters
    ----------
    keys : ndarray, float64 [k]
        When its key pictures are shown, in seconds, rising.
    continuous : bool
        Whether its timestamps are those of the file throughout, so that they can be sought.
    """

    keys: Times
    continuous: bool


def open_film(path: Path, audio_track: int | str | None = None) -> Film:
    """Read what a file says about itself, and choose its streams as ffmpeg does.

    Raises
    ------
    ClipError
        If it cannot be opened, has no picture or no sound, or not the audio track asked for.
    """
    if not path.stat().st_size:
        raise ClipError("it is empty (0 bytes)", "copy the file again")
    facts = probe(path, audio_track)
    if facts.video_stream is None or facts.audio_stream is None:
        lacking = "video" if facts.video_stream is None else "audio"
        raise ClipError(
            f"{path.name} has no {lacking} stream; expected a film with picture and sound",
            "leave it out, or name the file that has both",
        )
    return Film(
        path,
        facts.video_stream,
        facts.audio_stream,
        facts.time_zero,
        facts.width or 1,
        facts.height or 1,
        facts.rotation or 0,
        facts.sample_rate or 48000,
        1 if facts.channels == 1 else 2,
        facts.fps or 25.0,
        facts.origin,
        facts.audio_tracks,
    )


def index_film(film: Film) -> Index:
    """Read all packets of a film, without decoding them, and return where decoding can begin.

    Raises
    ------
    ClipError
        If it has no picture.
    """
    keys: list[float] = []
    with opened(film.path) as container:
        clock = Clock(container)
        for packet in clock.packets(_chosen(container, film)):
            time = packet.pts if packet.pts is not None else packet.dts
            if packet.stream.index == film.video and packet.is_keyframe and time is not None:
                keys.append(round(float(time * packet.time_base) - film.zero, 6))
        return Index(np.unique(keys), not clock.shift)


def pictures(
    film: Film, start: float = 0.0, *, index: Index | None = None, threads: int = 1
) -> Iterator[tuple[float, Any]]:
    """Decode the pictures of a film from a moment on, one at a time.

    Parameters
    ----------
    film : Film
        The film.
    start : float
        The first picture is the first one at or after this time, in seconds.
    index : Index, optional
        Where decoding can begin; without it, it begins at the start of the file.
    threads : int
        Threads that decode; the pictures do not depend on it.

    Yields
    ------
    time, frame : float, av.VideoFrame
        Times rise; a picture that does not come later than the one before is left out.

    Raises
    ------
    ClipError
        If the file can no longer be opened.
    """
    for frame_time, frame in _decoded(film, film.video, start, index, threads):
        if frame_time >= start - _EPSILON:
            yield frame_time, frame


def sound(
    film: Film, start: float = 0.0, end: float = np.inf, *, index: Index | None = None
) -> Iterator[Samples]:
    """Decode the sound of a film from one moment to another, piece by piece.

    Parameters
    ----------
    film : Film
        The film.
    start, end : float
        In seconds. Without an end, to the end of the stream.
    index : Index, optional
        As in `pictures`.

    Yields
    ------
    ndarray, float32 [n, channels]
        All together, sample k is heard at ``start + k / film.rate`` seconds. Gaps are silence.
        If an end is given, silence follows where the stream ends before it.
    """
    first = round(start * film.rate)
    last = np.inf if np.isinf(end) else round(end * film.rate)
    jitter = round(JITTER_SECONDS * film.rate)
    reached = first
    expected: int | None = None
    convert = _Converter(film)
    for time, frame in _decoded(film, film.audio, start, index, 1):
        piece = convert(frame)
        place = round(time * film.rate)
        if expected is not None and abs(place - expected) <= jitter:
            place = expected  # a container's rounding
        expected = place + len(piece)
        if place > reached:
            gap = int(min(place, last) - reached)
            yield from _silence(gap, film.channels)
            reached += gap
        piece = piece[reached - place :] if place < reached else piece
        piece = piece[: int(last - reached)] if reached + len(piece) > last else piece
        if len(piece):
            yield piece
            reached += len(piece)
        if reached >= last:
            return
    if not np.isinf(last):
        yield from _silence(int(last - reached), film.channels)


def _silence(samples: int, channels: int) -> Iterator[Samples]:
    while samples > 0:
        piece = min(samples, 1 << 20)
        yield np.zeros((piece, channels), np.float32)
        samples -= piece


class _Converter:
    """Sound frames as interleaved float32, in the film's channels and at its sampling rate.

    Both may change within a film.
    """

    def __init__(self, film: Film) -> None:
        self._film = film
        self._kind: tuple[Any, ...] | None = None
        self._resampler: Any = None

    def __call__(self, frame: Any) -> Samples:
        import av

        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            self._kind = kind
            layout = "mono" if self._film.channels == 1 else "stereo"
            self._resampler = av.AudioResampler(format="flt", layout=layout, rate=self._film.rate)
        frame.pts = None  # the place of each frame is known here
        made = [
            each.to_ndarray().reshape(-1, self._film.channels)
            for each in self._resampler.resample(frame)
        ]
        return np.concatenate(made) if made else np.zeros((0, self._film.channels), np.float32)


def _decoded(
    film: Film, stream: int, start: float, index: Index | None, threads: int
) -> Iterator[tuple[float, Any]]:
    """Yield the decoded frames of a stream with their times, from before `start` on."""
    begin = start - _BEFORE_SECONDS
    before = index.keys[index.keys <= begin] if index is not None else np.zeros(0)
    if not len(before):
        yield from _from(film, stream, None, threads)
        return
    assert index is not None
    for back in range(_RETRIES if index.continuous else 0):
        target = float(before[max(len(before) - 1 - back, 0)])
        frames = _from(film, stream, target, threads, seek=True)
        head = next(frames, None)
        if head is not None and head[0] <= start + _EPSILON:
            yield head
            yield from frames
            return
        frames.close()
    yield from _from(film, stream, float(before[-1]), threads)


def _from(
    film: Film, stream: int, target: float | None, threads: int, *, seek: bool = False
) -> Generator[tuple[float, Any], None, None]:
    """Decode a stream from a key picture on, which is sought, or reached by skipping packets."""
    with opened(film.path) as container:
        video, audio = _chosen(container, film)
        wanted = video if stream == film.video else audio
        if wanted.type == "video":
            wanted.codec_context.thread_count = threads
            wanted.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
        if seek and target is not None:
            place = round((target + film.zero) / float(video.time_base))
            container.seek(place, stream=video, backward=True)
            target = None
        last = -np.inf
        for packet in Clock(container).packets([video, audio]):
            if packet.stream.index != stream:
                continue
            if target is not None and packet.size:
                if _comes_before(packet, target + film.zero):
                    continue
                target = None
            for frame in decode(packet):
                if frame.pts is None:
                    continue
                time = round(float(frame.pts * frame.time_base) - film.zero, 6)
                if last > -np.inf and time - last > _LONGEST_GAP:
                    continue
                if time > last or wanted.type == "audio":
                    last = time
                    yield time, frame


def _chosen(container: Any, film: Film) -> tuple[Any, Any]:
    """Return the film's video and audio stream."""
    if max(film.video, film.audio) >= len(container.streams):
        raise ClipError(f"{film.path.name} no longer shows the streams that it had", REMEDY)
    return container.streams[film.video], container.streams[film.audio]


def _comes_before(packet: Any, target: float) -> bool:
    """Tell whether decoding from a packet on would begin before a key picture, or within one."""
    time = packet.pts if packet.pts is not None else packet.dts
    early = time is None or float(time * packet.time_base) < target - _EPSILON
    return early or not packet.is_keyframe
