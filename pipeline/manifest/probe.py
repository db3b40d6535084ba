"""What a media file says about itself, asked in a child process that may crash.

``python -m pipeline.manifest.probe`` reads one path per line (JSON) and answers one line each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import ClipError
from pipeline.media.ffmpeg import INPUT_OPTIONS, LONGEST_SECONDS, REMEDY

PROBE_VERSION = 2
"""Raised by hand whenever the same file would give another answer."""

READY = "ready\n"
"""What the child says before its first answer."""

_MEMORY = 4 * 1024**3
_JUMP_SECONDS = 10.0
_BACK_SECONDS = 0.1
"""Where a format allows timestamps to start anew, ffmpeg takes such a jump for a new start."""


@dataclass(frozen=True)
class VideoFacts:
    """One video stream.

    Parameters
    ----------
    index : int
        Its place among the streams of the file.
    codec : str
        FFmpeg's name.
    begins : float
        Its first timestamp, in seconds.
    start, end : float
        When its first picture is shown and its last one ends, in seconds of the file's own
        timestamps. Edit lists and encoder delays are applied.
    announced : float
        Its length as the file's header says; what was found where it says nothing.
    pictures : int
        Packets found.
    width, height : int
        As displayed: rotation applied, pixels square.
    rotation : int
        Clockwise quarter turns that a player applies, in degrees: 0, 90, 180 or 270.
    fps : float or None
        Average frame rate, in Hz.
    default, attached : bool
        Whether the file marks it as the default, or as cover art.
    """

    index: int
    codec: str
    begins: float
    start: float
    end: float
    announced: float
    pictures: int
    width: int
    height: int
    rotation: int
    fps: float | None
    default: bool
    attached: bool


@dataclass(frozen=True)
class AudioFacts:
    """One audio stream; `start` is its first sample's time, the rest as in `VideoFacts`.

    Parameters
    ----------
    number : int
        Its place among the audio streams.
    packets : int
        Packets found.
    sample_rate, channels : int
        In Hz, and how many.
    language : str
        As the file says it, e.g. ``cmn``; empty where it does not.
    """

    index: int
    number: int
    codec: str
    begins: float
    start: float
    end: float
    packets: int
    sample_rate: int
    channels: int
    language: str
    default: bool


@dataclass(frozen=True)
class FileFacts:
    """A media file: where ffmpeg begins to count, and its streams that play.

    Parameters
    ----------
    start : float or None
        The file's first timestamp, in seconds; None for a format whose clock may start anew:
        ffmpeg then counts from the first timestamp of the streams in use.
    videos, audios : tuple
        Its streams.
    """

    start: float | None
    videos: tuple[VideoFacts, ...]
    audios: tuple[AudioFacts, ...]

    @classmethod
    def of(cls, answer: dict[str, Any]) -> FileFacts:
        """Return the facts that the child has written as JSON."""
        return cls(
            answer["start"],
            tuple(VideoFacts(**video) for video in answer["videos"]),
            tuple(AudioFacts(**audio) for audio in answer["audios"]),
        )


def read_file(path: Path) -> FileFacts:
    """Read a file's streams to their ends, and decode the first frame of each.

    Raises
    ------
    ClipError
        If FFmpeg's libraries cannot open it, no frame of its video can be decoded, or nothing
        in it plays.
    """
    import av

    av.logging.set_level(None)
    try:
        with av.open(
            f"file:{path}", "r", options=INPUT_OPTIONS, metadata_errors="replace"
        ) as container:
            return _facts(container)
    except (av.FFmpegError, ValueError, MemoryError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise ClipError(f"it cannot be opened as media ({words})", REMEDY) from error


@dataclass
class _Seen:
    """What was seen of a stream: its first decoded frame, and its packets' times and lengths."""

    stream: Any
    first: Any = None
    times: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def add(self, packet: Any, shift: float) -> None:
        if self.first is None:
            with suppress(_invalid_data()):
                frames = [f for f in packet.decode() if getattr(f, "samples", 1)]
                self.first = frames[0] if frames else None
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.is_discard:
            return
        self.times.append(float(time * packet.time_base) + shift)
        self.ends.append(self.times[-1] + float((packet.duration or 0) * packet.time_base))

    def begins(self) -> float:
        """Return the stream's first timestamp."""
        if self.stream.start_time is None:
            return round(min(self.times, default=0.0), 6)
        return round(float(self.stream.start_time * self.stream.time_base), 6)

    def start(self) -> float:
        """Return when the first decoded frame is shown."""
        if self.first is None or self.first.pts is None:
            return min(self.times, default=0.0)
        return float(self.first.pts * self.first.time_base)

    def end(self) -> float:
        """Return when the last packet ends; one of no known length is as long as those before."""
        times, last = sorted(self.times), max(self.ends, default=0.0)
        if len(times) > 1 and last <= times[-1]:
            return last + (times[-1] - times[0]) / (len(times) - 1)
        return last


def _invalid_data() -> type[Exception]:
    import av

    return av.error.InvalidDataError


def _facts(container: Any) -> FileFacts:
    import av

    streams = [*container.streams.video, *container.streams.audio]
    if not streams:
        raise ClipError("it has neither a video nor an audio stream", REMEDY)
    for stream in container.streams.video:
        stream.thread_count = 1
    seen = {stream.index: _Seen(stream) for stream in streams}
    for packet, shift in _of_a_clip(continuous(container, streams)):
        seen[packet.stream.index].add(packet, shift)
    start = container.start_time / 1e6 if container.start_time is not None else 0.0
    videos = [v for s in container.streams.video if (v := seen[s.index]).first is not None]
    audios = [(n, seen[s.index]) for n, s in enumerate(container.streams.audio)]
    playing = [(n, a) for n, a in audios if a.first is not None]
    cover = av.stream.Disposition.attached_pic
    if not videos and any(not s.disposition & cover for s in container.streams.video):
        raise ClipError("its video stream holds no frame that can be decoded", REMEDY)
    if not videos and not playing:
        raise ClipError("its audio stream holds no sound that can be decoded", REMEDY)
    reached = max(s.end() for s in [*videos, *(a for _, a in playing)])
    length = container.duration / 1e6 if container.duration and container.duration > 0 else 0.0
    # some formats count their length from 0, others from their first timestamp
    missing = max(length - max(reached, reached - start), 0.0)
    anew = _starts_anew(container)  # such formats have no header that announces a length
    return FileFacts(
        None if anew else round(start, 6),
        tuple(_video(v, None if anew else missing) for v in videos),
        tuple(_audio(a, number) for number, a in playing),
    )


def _starts_anew(container: Any) -> bool:
    import av

    return bool(container.format.flags & av.format.Flags.ts_discont.value)


def _demuxed(container: Any, streams: list[Any]) -> Iterator[Any]:
    """Yield the packets of some streams of a file that PyAV has opened.

    Where further streams come to light while a file is read, as in broadcasts, PyAV fails after
    the last packet, when it asks the decoders of streams that it does not know for their rest.
    """
    try:
        yield from container.demux(streams)
    except IndexError:
        return


def continuous(container: Any, streams: list[Any]) -> Iterator[tuple[Any, float]]:
    """Yield packets, each with the seconds that its timestamp must be moved by.

    As ffmpeg itself does: where a broadcast or a file put together from several starts its
    clock anew, it goes on from where it was.
    """
    anew = _starts_anew(container)
    shift = 0.0
    expected: dict[int, float] = {}
    for packet in _demuxed(container, streams):
        if packet.dts is not None:
            time = float(packet.dts * packet.time_base) + shift
            jump = time - expected.get(packet.stream.index, time)
            if anew and (abs(jump) > _JUMP_SECONDS or jump < -_BACK_SECONDS):
                shift, time = shift - jump, time - jump
            step = float((packet.duration or 0) * packet.time_base)
            expected[packet.stream.index] = time + step
        yield packet, shift


def _of_a_clip(packets: Iterator[tuple[Any, float]]) -> Iterator[tuple[Any, float]]:
    """Yield packets until there are more than a clip may have."""
    begin: float | None = None
    for packet, shift in packets:
        if packet.dts is not None:
            time = float(packet.dts * packet.time_base) + shift
            begin = time if begin is None else begin
            if time - begin > LONGEST_SECONDS + 1:
                return  # too long to be used, whatever follows
        yield packet, shift


def _video(seen: _Seen, missing: float | None) -> VideoFacts:
    import av

    stream, frame = seen.stream, seen.first
    turn = round(-frame.rotation / 90) * 90 % 360
    aspect = stream.sample_aspect_ratio or 1
    width, height = round(frame.width * aspect), frame.height
    if turn in (90, 270):
        width, height = height, width
    start, end = seen.start(), seen.end()
    announced = end - start + (missing or 0.0)
    if missing is not None and stream.duration and stream.time_base is not None:
        announced = float(stream.duration * stream.time_base)
    rate: Fraction | None = stream.average_rate or stream.guessed_rate
    flags = av.stream.Disposition
    return VideoFacts(
        index=stream.index,
        codec=stream.codec_context.name,
        begins=seen.begins(),
        start=round(start, 6),
        end=round(end, 6),
        announced=round(announced, 6),
        pictures=len(seen.times),
        width=max(width, 1),
        height=height,
        rotation=turn,
        fps=round(float(rate), 6) if rate else None,
        default=bool(stream.disposition & flags.default),
        attached=bool(stream.disposition & flags.attached_pic),
    )


def _audio(seen: _Seen, number: int) -> AudioFacts:
    import av

    stream = seen.stream
    language = stream.language or ""
    return AudioFacts(
        index=stream.index,
        number=number,
        codec=stream.codec_context.name,
        begins=seen.begins(),
        start=round(seen.start(), 6),
        end=round(seen.end(), 6),
        packets=len(seen.times),
        sample_rate=stream.codec_context.sample_rate,
        channels=stream.codec_context.channels,
        language="" if language == "und" else language,
        default=bool(stream.disposition & av.stream.Disposition.default),
    )


def answer(path: Path) -> dict[str, Any]:
    """Probe a file; a clip that cannot be used is an answer too."""
    try:
        return {"file": asdict(read_file(path))}
    except ClipError as error:
        return {"reason": error.reason, "remedy": error.remedy}


def main() -> None:
    """Answer until standard input ends."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever native code prints must not mix with the answers
    import av  # noqa: F401  # before it says that it is ready

    answers.write(READY)
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(answer(Path(json.loads(line)))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
