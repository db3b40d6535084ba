"""Settings of decoding."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from pipeline.settings import Settings


class MediaSettings(Settings):
    """How media files are opened."""

    ffmpeg: str = "wheel"
    """wheel: the ffmpeg that the locked imageio-ffmpeg carries, the same on every machine;
    system: the one on the PATH; or the path of a program."""
    audio_track: int | str | None = None
    """Which audio track of a file with several: its number from 0, or its language (cmn);
    without it, the one that ffmpeg and players choose (default, then most channels)."""

    @field_validator("ffmpeg", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"give wheel, system or the path of an ffmpeg (found {value!r})")
        return value

    @field_validator("audio_track", mode="before")
    @classmethod
    def _number_or_language(cls, value: Any) -> Any:
        if value is None or (type(value) is int and value >= 0):
            return value
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            return int(value)  # a config file's words are text where a setting may be text
        if isinstance(value, str) and value.isascii() and value.isalpha() and len(value) in (2, 3):
            return value.lower()
        raise ValueError(
            "give a track's number from 0, or the two or three letters of its language "
            f"(found {value!r})"
        )
