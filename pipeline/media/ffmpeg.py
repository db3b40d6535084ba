"""Finding ffmpeg, and running it on one media file.

ffmpeg runs as a child process with an argument list made by ffmpeg-python. It may open
plain files only (no network, no playlists that point elsewhere), reads no standard input
and uses one thread, since the build runs one process per core.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError, ClipError

LONGEST_SECONDS = 600.0
"""Clips are utterances of seconds; a longer file is refused before it fills the memory."""

CONTAINERS = "mov,mp4,m4a,3gp,matroska,webm,avi,flv,asf,mpegts,mpeg,ogg,wav"
"""Demuxers that may read a clip; playlists and scripts, which name other files, are not here."""

INPUT_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": CONTAINERS,
    # AVI alone has no timestamps: read by its index, packets after a damaged part keep theirs
    "fflags": "+sortdts",
}
"""How every media file is opened, here and by FFmpeg's libraries."""

REMEDY = "play the file; if it is damaged, replace it with a fresh copy and build again"

_DECODE_SECONDS = 900
_OLDEST = (5, 1)
"""The first ffmpeg with the option ``-fps_mode``."""


class HangingError(ClipError):
    """ffmpeg did not finish with a clip; another try would take as long again."""


@cache
def ffmpeg_program(choice: str = "wheel") -> str:
    """Return the path of an ffmpeg.

    Parameters
    ----------
    choice : str
        ``wheel``, ``system`` or a path (`MediaSettings.ffmpeg`).

    Raises
    ------
    BuildError
        If it is not there, does not run or is older than 5.1.
    """
    program = {"wheel": _of_the_wheel, "system": _of_the_system}.get(choice, lambda: choice)()
    path = Path(program).expanduser()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise BuildError(
            f"media.ffmpeg: {program} is not a program",
            "give wheel, system or the path of an ffmpeg",
        )
    return str(path.resolve())


def _of_the_wheel() -> str:
    import imageio_ffmpeg

    # not get_ffmpeg_exe(), which prefers an environment variable and falls back to the PATH
    folder = Path(imageio_ffmpeg.__file__).parent / "binaries"
    found = sorted(path for path in folder.glob("ffmpeg-*") if path.is_file())
    if len(found) != 1:
        raise BuildError(
            f"imageio-ffmpeg carries no ffmpeg for this platform (looked in {folder})",
            "install its wheel (make setup), or choose another: --set media.ffmpeg=system",
        )
    return str(found[0])


def _of_the_system() -> str:
    found = shutil.which("ffmpeg")
    if found is None:
        raise BuildError(
            "media.ffmpeg is system, and there is no ffmpeg on the PATH",
            "install one (apt-get install ffmpeg, conda install ffmpeg, brew install ffmpeg), or "
            "take the one of the wheel: --set media.ffmpeg=wheel",
        )
    return found


@cache
def ffmpeg_build(choice: str = "wheel") -> str:
    """Return all that an ffmpeg says of itself: version, configuration, libraries."""
    program = ffmpeg_program(choice)
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(
            f"{program} does not run ({error})", "see why: run it with -version"
        ) from error
    match = re.match(r"ffmpeg version n?(?:(\d+)\.(\d+))?", done.stdout)
    if match is None:
        raise BuildError(f"{program} is not an ffmpeg", "correct media.ffmpeg")
    if match[1] and (int(match[1]), int(match[2])) < _OLDEST:
        raise BuildError(
            f"{program} is ffmpeg {match[1]}.{match[2]}; 5.1 or newer is needed",
            "take the one of the wheel: --set media.ffmpeg=wheel",
        )
    return done.stdout


def ffmpeg_version(choice: str = "wheel") -> str:
    """Return an ffmpeg's version as it prints it, e.g. ``5.1.6-0+deb12u1``."""
    return ffmpeg_build(choice).split(maxsplit=3)[2]


def media_input(path: Path, **options: Any) -> Any:
    """Return a file as an input of ffmpeg-python, with everything but plain files forbidden."""
    import ffmpeg

    return ffmpeg.input(f"file:{path.resolve()}", **INPUT_OPTIONS, threads=1, **options)


def kept_open(source: Any, stream: int | None) -> list[Any]:
    """Return an output that reads a further stream of an input, and throws it away.

    ffmpeg begins to count at the first timestamp of the streams that are in use, and where a
    broadcast starts its clock anew it goes by them too. Picture and sound are decoded in two
    runs; with the same streams in use, both have the same clock.
    """
    if stream is None:
        return []
    return [source[str(stream)].output("-", format="null", codec="copy")]


def command(outputs: Any, choice: str) -> list[str]:
    """Return the argument list: bounded threads, no standard input, no console chatter."""
    import ffmpeg

    options = ("-nostdin", "-hide_banner", "-loglevel", "error")
    threads = ("-filter_threads", "1", "-filter_complex_threads", "1")
    return [
        *ffmpeg.compile(outputs.global_args(*options, *threads), cmd=ffmpeg_program(choice)),
    ]


def run(outputs: Any, path: Path, choice: str) -> tuple[bytes, str, int]:
    """Run ffmpeg on a clip; return its output, its last words, and how many errors it reported.

    Raises
    ------
    ClipError
        If it fails.
    HangingError
        If it does not end.
    BuildError
        If the disk is full.
    """
    try:
        done = subprocess.run(
            command(outputs, choice),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DECODE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HangingError(
            f"{path.name}: ffmpeg did not finish in {_DECODE_SECONDS} s", REMEDY
        ) from error
    words = last_words(done.stderr)
    if os.strerror(errno.ENOSPC).encode() in done.stderr:
        raise BuildError(
            f"{path.name}: ffmpeg found no space left on the disk",
            "free disk space and run the same command again: it continues here",
        )
    if done.returncode == -signal.SIGKILL:
        raise ClipError(
            f"{path.name}: ffmpeg was killed, perhaps because memory ran out",
            "the next build tries it again; give the job more memory, or use fewer --cores",
            passing=True,
        )
    if done.returncode != 0:
        raise ClipError(f"{path.name}: ffmpeg cannot decode it ({words})", REMEDY)
    return done.stdout, words, sum(1 for line in done.stderr.splitlines() if line.strip())


def last_words(stderr: bytes) -> str:
    """Return the last line a program wrote, without addresses that differ from run to run."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return "no message"
    line = re.sub(r"file:/\S*/", "", re.sub(r" @ 0x[0-9a-f]+", "", lines[-1])).strip()
    return "".join(c for c in line if c.isprintable())[:300]
