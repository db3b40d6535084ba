"""Shard files: the clips that one job handles, as the extractors need them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import read_sealed, write_sealed


@dataclass(frozen=True)
class Streams:
    """Which streams of a media file make a clip, and where its clock begins.

    Parameters
    ----------
    video, audio : int or None
        Index of each in the file; None without one.
    origin : float
        Seconds from the file's first timestamp to the clip's time zero, which is what a player
        shows or plays first.
    zero : float
        That moment on the file's own clock, in seconds.
    width, height : int
        Of the picture as displayed.
    announced : float
        Length of the video stream as the file announces it, in seconds.
    """

    video: int | None = None
    audio: int | None = None
    origin: float = 0.0
    zero: float = 0.0
    width: int = 0
    height: int = 0
    announced: float = 0.0


@dataclass(frozen=True)
class Clip:
    """One utterance, as stored in the shard files.

    Parameters
    ----------
    clip : str
        Its id, ``video_id/clip_id``.
    media : str
        Its media file, relative to the raw folder.
    media_digest : str
        SHA-256 of the media file's bytes.
    seconds : float
        Its length: of its picture, or of its sound where that goes on.
    text : str
        Its transcript.
    streams : Streams
        Where its picture and sound are.
    """

    clip: str
    media: str
    media_digest: str
    seconds: float
    text: str
    streams: Streams = Streams()

    def source(self) -> list[Any]:
        """Return all that its picture and sound are made from, for a key."""
        return [self.media_digest, self.seconds, asdict(self.streams)]


def shard_name(number: int) -> str:
    """Return the name of a numbered shard: ``0000``, ``0001`` ..."""
    return f"{number:04d}"


def write_shard(path: Path, clips: list[dict[str, Any]]) -> None:
    """Write a shard file; each clip is a mapping of the fields of `Clip`."""
    write_sealed(path, {"clips": clips})


def read_shard(path: Path) -> list[Clip]:
    """Return the clips of a shard file.

    Raises
    ------
    BuildError
        If there is no such file, or it is damaged.
    """
    try:
        rows = read_sealed(path)["clips"]
        return [Clip(**{**row, "streams": Streams(**row["streams"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(
            f"{path} is missing or damaged ({error})",
            "make it again: chsims-build --stage manifest --force",
        ) from error
