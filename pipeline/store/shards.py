"""Shard files: the clips that one job handles, as the extractors need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
        return [self.media_digest, self.seconds, vars(self.streams)]


def shard_name(number: int) -> str:
    """Return the name of a numbered shard: ``0000``, ``0001`` ..."""
    return f"{number:04d}"


def shard_content(
    clips: Iterable[Mapping[str, Any]], places: Sequence[str] = (), size: int = 0
) -> dict[str, Any]:
    """Return what a shard file holds, apart from its seal.

    Parameters
    ----------
    clips : iterable of mapping
        The usable clips, each with the fields of `Clip`.
    places : sequence of str
        The ids of all clips that belong to the shard, including those that cannot be used now.
    size : int
        The largest number of places; 0 for the shard of ``--clip``.
    """
    content: dict[str, Any] = {"clips": [dict(clip) for clip in clips]}
    return {**content, "places": list(places), "size": size} if size else content


def write_shard(path: Path, content: Mapping[str, Any]) -> None:
    """Write a shard file, unless it holds the same content already.

    Snakemake runs a shard's jobs again if its file is newer than their records.
    """
    if not holds(path, content):
        write_sealed(path, content)


def holds(path: Path, content: Mapping[str, Any]) -> bool:
    """Tell whether a shard file has this content."""
    try:
        return path.is_file() and read_sealed(path) == content
    except (OSError, ValueError):
        return False


def read_places(path: Path) -> tuple[int, list[str]]:
    """Return the number of places of a shard, and the ids of the clips that have one.

    Raises
    ------
    OSError, ValueError
        If there is no such file, it is damaged, or it is from a version without places.
    """
    content = read_sealed(path)
    try:
        return int(content["size"]), [str(clip) for clip in content["places"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} does not say which clips have a place in it") from error


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
