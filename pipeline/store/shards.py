"""Shard files: the clips that one job handles, as the extractors need them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.files import read_json, write_json


@dataclass(frozen=True)
class Clip:
    """One utterance, as the shard files carry it.

    Parameters
    ----------
    clip : str
        Its id, ``video_id/clip_id``.
    media : str
        Its media file, relative to the raw folder.
    media_digest : str
        SHA-256 of the media file's bytes.
    seconds : float
        Length of its video stream as the file announces it.
    text : str
        Its transcript.
    """

    clip: str
    media: str
    media_digest: str
    seconds: float
    text: str


def shard_name(number: int) -> str:
    """Return the name of a numbered shard: ``0000``, ``0001`` ..."""
    return f"{number:04d}"


def write_shard(path: Path, clips: list[dict[str, Any]]) -> None:
    """Write a shard file; each clip is a mapping of the fields of `Clip`."""
    write_json(path, {"clips": clips})


def read_shard(path: Path) -> list[Clip]:
    """Return the clips of a shard file."""
    return [Clip(**row) for row in read_json(path)["clips"]]
