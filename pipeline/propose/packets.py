"""A container's packets, with times that go on where its clock starts anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import ClipError
from pipeline.manifest.probe import continuous
from pipeline.media.ffmpeg import INPUT_OPTIONS, REMEDY


def decode(packet: Any) -> list[Any]:
    """Decode a packet; a damaged one gives nothing."""
    import av

    try:
        return list(packet.decode())
    except (av.error.InvalidDataError, av.error.EOFError):
        return []


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a media file that may name no other file.

    Raises
    ------
    ClipError
        If FFmpeg's libraries cannot open it, or reading it fails.
    """
    import av

    av.logging.set_level(None)
    try:
        with av.open(
            f"file:{path.resolve()}", "r", options=INPUT_OPTIONS, metadata_errors="replace"
        ) as container:
            yield container
    except av.FFmpegError as error:
        raise ClipError(
            f"{path.name} cannot be read as media ({error.strerror})", REMEDY
        ) from error


class Clock:
    """The packets of a container, whose clock may start anew (MPEG-TS, MPEG-PS).

    Times go on from where they were, as in ffmpeg.

    Parameters
    ----------
    container : av.container.InputContainer
        An opened file.
    """

    def __init__(self, container: Any) -> None:
        self._container = container
        self.shift = 0.0

    def packets(self, streams: Sequence[Any]) -> Iterator[Any]:
        """Yield the packets of some streams."""
        for packet, shift in continuous(self._container, list(streams)):
            self.shift = shift
            if shift and packet.dts is not None:
                _move(packet, round(shift / float(packet.time_base)))
            yield packet


def _move(packet: Any, ticks: int) -> None:
    packet.dts += ticks
    if packet.pts is not None:
        packet.pts += ticks
