"""Small real clips, made once a session by the ffmpeg that imageio-ffmpeg carries."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from pipeline.config import Config, make_config

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=1.6")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=220:sample_rate=16000:duration=1.6")

RECIPES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*PICTURE, *SOUND, "-c:v", "mpeg4", "-c:a", "aac", "-shortest"),
    "silent.mp4": (*PICTURE, "-c:v", "mpeg4"),
    "sound.mp4": (*SOUND, "-c:a", "aac"),
    "short.mp4": (*PICTURE, *SOUND, "-c:v", "mpeg4", "-c:a", "aac", "-t", "0.4"),
    "film.mkv": (
        *("-f", "lavfi", "-i", "testsrc=size=160x120:rate=24000/1001:duration=2"),
        *("-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2"),
        *("-c:v", "ffv1", "-c:a", "pcm_s16le", "-ac", "2"),
    ),
    "live.webm": (
        *PICTURE,
        *SOUND,
        "-c:v",
        "libvpx",
        "-c:a",
        "libopus",
        "-f",
        "webm",
        "-live",
        "1",
    ),
}


def ffmpeg(*arguments: str) -> None:
    """Run ffmpeg quietly."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"]
    subprocess.run([*command, *arguments], check=True, timeout=60)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clips: plain, silent, sound only, short, 23.976 Hz, live WebM, rotated."""
    folder = tmp_path_factory.mktemp("media")
    for name, arguments in RECIPES.items():
        ffmpeg(*arguments, str(folder / name))
    plain = str(folder / "plain.mp4")
    ffmpeg("-display_rotation", "-90", "-i", plain, "-c", "copy", str(folder / "phone.mov"))
    return folder


@pytest.fixture
def corpus(tmp_path: Path, media: Path) -> Callable[..., Config]:
    """Lay out raw/ from a mapping of places to clips, write a sheet, return the config."""

    def lay_out(
        files: dict[str, str], sheet: str | bytes, name: str = "label.csv", **settings: Any
    ) -> Config:
        raw = tmp_path / "raw"
        for place, source in files.items():
            target = raw / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(media / source, target)
        raw.mkdir(exist_ok=True)
        data = sheet if isinstance(sheet, bytes) else sheet.encode()
        (raw / name).write_bytes(data)
        return make_config({"raw": str(raw), "processed": str(tmp_path / "processed"), **settings})

    return lay_out
