"""Small odd media files, and the right outcome of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.media import ffmpeg

SECONDS = 1.2
Maker = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One media file and its right outcome.

    Parameters
    ----------
    name : str
        What is special about it.
    file : str
        Its name; the extension chooses the container.
    make : callable
        Writes the file at a path.
    refused : str
        Words of the error, where the clip is refused.
    frames : int or None
        Frames of the 30 Hz grid, up to two more or fewer; None without a picture.
    seconds : float or None
        Length of the sound, within 0.12 s; None without sound.
    size : tuple of int
        Width and height as displayed.
    damaged : bool
        Whether decoding reports damage.
    """

    name: str
    file: str
    make: Maker
    refused: str = ""
    frames: int | None = 36
    seconds: float | None = SECONDS
    size: tuple[int, int] = (160, 120)
    damaged: bool = False


def picture(size: str = "160x120", rate: str = "25", seconds: float = SECONDS) -> tuple[str, ...]:
    """Return the input of a moving test picture."""
    return ("-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}:duration={seconds}")


def sound(rate: int = 44100, seconds: float = SECONDS) -> tuple[str, ...]:
    """Return the input of a tone."""
    return ("-f", "lavfi", "-i", f"sine=frequency=220:sample_rate={rate}:duration={seconds}")


def made(
    *options: str, picture_is: tuple[str, ...] = picture(), sound_is: tuple[str, ...] = sound()
) -> Maker:
    """Return a maker that encodes the test picture and the tone as the options say."""
    return lambda path: ffmpeg(*picture_is, *sound_is, *options, path)


def changed(change: Callable[[bytes], bytes], *options: str) -> Maker:
    """Return a maker that encodes a good file and changes its bytes."""

    def make(path: Path) -> None:
        made(*options)(path)
        path.write_bytes(change(path.read_bytes()))

    return make


def holding(data: bytes) -> Maker:
    """Return a maker that writes just these bytes."""
    return lambda path: path.write_bytes(data) and None


def first(share: float) -> Callable[[bytes], bytes]:
    """Return a change that keeps the first part of a file."""
    return lambda data: data[: int(len(data) * share)]


def zeroed(begin: float, end: float) -> Callable[[bytes], bytes]:
    """Return a change that overwrites a part with zeros."""

    def change(data: bytes) -> bytes:
        low, high = int(len(data) * begin), int(len(data) * end)
        return data[:low] + bytes(high - low) + data[high:]

    return change
