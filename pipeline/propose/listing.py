"""Which files are the films: those that were named, and those in the folders that were named."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import BuildError, ClipError
from pipeline.manifest.examine import printable, printable_text
from pipeline.manifest.folders import EXTENSIONS


def listed(films: Sequence[Path]) -> list[Path]:
    """Return media files; of a folder, those in it, but for hidden ones.

    Raises
    ------
    BuildError
        If a path does not exist, or a folder holds no film.
    """
    found: list[Path] = []
    for path in films:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if _is_named_as_film(each))
            if not inside:
                raise BuildError(
                    f"the folder {shown(path)} holds no film", "name a film, or its folder"
                )
            found += inside
        elif not path.exists():
            raise BuildError(f"the film {shown(path)} does not exist", "correct its name")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _is_named_as_film(path: Path) -> bool:
    is_hidden = path.name.startswith(".")  # such as what macOS keeps of each file
    return path.suffix.lower() in EXTENSIONS and not is_hidden and not path.is_dir()


def require_file(path: Path) -> None:
    """Refuse a film that cannot be read, or whose name cannot be written down.

    Raises
    ------
    ClipError
        Says why.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
        str(path.resolve()).encode()
    except OSError as error:
        raise unreadable(error) from error
    except UnicodeEncodeError as error:
        raise ClipError(
            "its name, or the name of a folder above it, is not UTF-8",
            "rename it, for instance with convmv",
        ) from error
    if not is_file:
        raise ClipError("it is not a regular file", "name a media file")


def unreadable(error: OSError) -> ClipError:
    """Return what to say of a film that cannot be read."""
    return ClipError(
        f"it cannot be read ({error.strerror or error})", "correct its permissions, or leave it out"
    )


def shown(path: Path) -> str:
    """Return a path that can be shown: what a terminal would act on is spelled out."""
    return str(Path(*map(printable, path.parts)))


def plain(words: str) -> str:
    """Return a message of several lines without anything that a terminal would act on."""
    return "\n".join(map(printable_text, words.split("\n")))
