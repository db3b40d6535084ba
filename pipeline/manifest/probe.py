"""What a media file says about itself, asked in a child process that may crash.

``python -m pipeline.manifest.probe`` reads one path a line (JSON) and answers one line each.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.errors import ClipError
from pipeline.media import CONTAINERS

PROBE_VERSION = 1
"""Raised by hand whenever the same file would give another answer."""

READY = "ready\n"
"""What the child says before its first answer."""

_MEMORY = 4 * 1024**3
_REMEDY = "play the file; if it is damaged, replace it with a fresh copy and build again"


@dataclass(frozen=True)
class Probe:
    """Facts about a media file.

    Parameters
    ----------
    duration : float
        Of the video stream where it says so, else of the container, in seconds.
    fps : float or None
        Average frame rate, in Hz.
    width, height : int or None
        As displayed, rotation applied, in pixels; None without a video stream.
    rotation : int or None
        Clockwise quarter turns a player applies, in degrees: 0, 90, 180 or 270.
    video_codec, audio_codec : str or None
        FFmpeg's names.
    sample_rate, channels : int or None
        Of the first audio stream, in Hz.
    """

    duration: float
    fps: float | None
    width: int | None
    height: int | None
    rotation: int | None
    video_codec: str | None
    audio_codec: str | None
    sample_rate: int | None
    channels: int | None


def probe(path: Path) -> Probe:
    """Read a file's streams, and decode its first frame.

    Raises
    ------
    ClipError
        If FFmpeg's libraries cannot open it, or no frame can be decoded.
    """
    import av

    av.logging.set_level(None)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", "r", options=options, metadata_errors="replace") as container:
            return _facts(container)
    except (av.FFmpegError, ValueError, MemoryError) as error:
        words = getattr(error, "strerror", None) or type(error).__name__
        raise ClipError(f"it cannot be opened as media ({words})", _REMEDY) from error


def _facts(container: Any) -> Probe:
    import av

    attached = av.stream.Disposition.attached_pic
    videos = [s for s in container.streams.video if not s.disposition & attached]
    video = videos[0] if videos else None
    audio = container.streams.audio[0] if container.streams.audio else None
    turn, width, height = 0, None, None
    if video is not None:
        video.thread_count = 1
        frame = _first_frame(container, video)
        turn = round(-frame.rotation / 90) * 90 % 360
        width, height = frame.width, frame.height
        if turn in (90, 270):
            width, height = height, width
    duration = _seconds(video) or _container_seconds(container)
    if duration is None:
        duration = _last_time(container, video or audio)
    rate: Fraction | None = video and (video.average_rate or video.guessed_rate)
    return Probe(
        duration=round(duration, 6),
        fps=round(float(rate), 6) if rate else None,
        width=width,
        height=height,
        rotation=turn if video is not None else None,
        video_codec=video and video.codec_context.name,
        audio_codec=audio and audio.codec_context.name,
        sample_rate=audio and audio.codec_context.sample_rate,
        channels=audio and audio.codec_context.channels,
    )


def _first_frame(container: Any, video: Any) -> Any:
    """Decode one frame; a recording cut in mid-picture begins with some that cannot be."""
    import av

    for packet in container.demux(video):
        with suppress(av.error.InvalidDataError):
            for frame in packet.decode():
                return frame
    raise ClipError("its video stream holds no frame that can be decoded", _REMEDY)


def _seconds(stream: Any) -> float | None:
    if stream is None or not stream.duration or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def _container_seconds(container: Any) -> float | None:
    return container.duration / 1e6 if container.duration and container.duration > 0 else None


def _last_time(container: Any, stream: Any) -> float:
    """Read to the end of a file that does not say how long it is."""
    if stream is None:
        raise ClipError("it has neither a video nor an audio stream", _REMEDY)
    container.seek(0)
    times = [
        float((packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in container.demux(stream)
        if packet.pts is not None
    ]
    return max(times, default=0.0)


def answer(path: Path) -> dict[str, Any]:
    """Probe a file; a clip that cannot be used is an answer too."""
    try:
        return {"probe": asdict(probe(path))}
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
