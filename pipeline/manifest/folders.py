"""The media folders below raw, and the names that a spreadsheet made into numbers."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".asf"),
    *(".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob", ".ogv", ".ogg"),
)
"""Media files that are looked for; case does not matter."""

_NUMBER = re.compile(r"([0-9]{1,12})(?:\.0+)?")


class MediaFolders:
    """One listing of raw's folders, so that a sheet of thousands of clips reads each once.

    Parameters
    ----------
    raw : Path
        The folder that media files are named relative to. A link that leads out of it is never
        followed.
    corpus : Path, optional
        The corpus folder, `raw` or a folder below it. Videos lie in ``corpus/VIDEO/`` or, as in
        the CH-SIMS download, in ``corpus/Raw/VIDEO/``. Clips in ``corpus`` itself are of a
        video of its name.
    """

    def __init__(self, raw: Path, corpus: Path | None = None) -> None:
        self.raw = raw
        self.root = Path(os.path.realpath(raw))  # unlike resolve(), it takes links in a circle
        self.corpus = raw if corpus is None else corpus
        self._places = _places(Path(os.path.realpath(self.corpus)))
        self._files: dict[str, dict[str, tuple[str, ...]]] = {}
        self._refusals: dict[str, str] = {}
        self._padded_ids: dict[tuple[str, str], tuple[str, str, str | None]] = {}
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}

    @cached_property
    def videos(self) -> dict[str, Path]:
        """Video folders by name; a corpus folder that holds clips itself is one of them."""
        found: dict[str, Path] = {}
        for place in self._places:
            for path in _listed(place) if self.inside(place) else ():
                if path.is_dir():
                    found.setdefault(_composed(path.name), path)
        corpus = self._places[0]
        if any(_is_media(path) for path in _listed(corpus)):
            found.setdefault(_composed(corpus.name), corpus)
        return found

    def inside(self, path: Path) -> bool:
        """Tell whether a path, links followed, lies in raw."""
        return Path(os.path.realpath(path)).is_relative_to(self.root)

    def shown(self, folder: Path) -> Path:
        """Return a folder's path below raw as the user gave it, for messages."""
        return self.raw / folder.relative_to(self.root)

    def refusal(self, video_id: str) -> str:
        """Say why a video's folder cannot be listed; empty if it can, or if there is none."""
        if video_id not in self._refusals:
            self._refusals[video_id] = self._refusal(video_id)
        return self._refusals[video_id]

    def _refusal(self, video_id: str) -> str:
        places = [place / video_id for place in self._places if os.path.lexists(place / video_id)]
        folder = self.videos.get(_composed(video_id), (*places, self._places[0] / video_id)[0])
        if folder.is_symlink() and not folder.exists():
            return f"{video_id} is a broken link ({folder.readlink()}), expected a folder"
        if folder.exists() and not folder.is_dir():
            return f"{video_id} is a file, expected a folder"
        try:
            with os.scandir(folder):
                return ""
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"the folder {video_id} cannot be read ({error.strerror})"

    def files(self, video_id: str) -> dict[str, tuple[str, ...]]:
        """Return the names of a video folder's media files by name without extension."""
        if video_id not in self._files:
            folder = self.videos.get(_composed(video_id))
            found: dict[str, tuple[str, ...]] = {}
            if folder is not None and self.inside(folder):
                for path in _listed(folder):
                    if _is_media(path):
                        stem = sys.intern(_composed(path.stem))
                        found[stem] = self._once((*found.get(stem, ()), path.name))
            self._files[video_id] = found
        return self._files[video_id]

    def _once(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names that memory holds already: those of clips repeat in each video."""
        return self._names.setdefault(names, names)

    def candidates(self, video_id: str, clip_id: str) -> list[Path]:
        """Return the media files of one clip: one, when all is well."""
        names = self.files(video_id).get(_composed(clip_id), ())
        return [self.videos[_composed(video_id)] / name for name in names]

    def full_ids(self, video_id: str, clip_id: str) -> tuple[str, str, str | None]:
        """Give numeric ids the zeros of the folder's and file's names.

        Returns
        -------
        video_id, clip_id : str
            ``"1"``, ``"1.0"`` or ``"1.mp4"`` becomes ``"0001"`` where ``0001.mp4`` exists.
        problem : str or None
            Set when more than one name has this number.
        """
        known = self._padded_ids.get((video_id, clip_id))
        if known is None:
            known = self._full_ids(video_id, clip_id)
            if known != (video_id, clip_id, None):  # only these take long to find
                self._padded_ids[video_id, clip_id] = known
        return known

    def _full_ids(self, video_id: str, clip_id: str) -> tuple[str, str, str | None]:
        video, problem = _padded(video_id, self.videos)
        if problem is not None:
            return video, clip_id, problem
        files = self.files(video)
        clip, problem = _padded(_without_extension(clip_id, files), files)
        return video, clip, problem


def _without_extension(name: str, names: Mapping[str, object]) -> str:
    """Take the extension from a clip id that is a media file's whole name."""
    stem, dot, extension = name.rpartition(".")
    is_media = bool(stem) and f"{dot}{extension}".lower() in EXTENSIONS
    return stem if is_media and _composed(name) not in names else name


def _padded(name: str, names: Mapping[str, object]) -> tuple[str, str | None]:
    match = _NUMBER.fullmatch(name)
    if match is None or _composed(name) in names:
        return name, None
    number = int(match[1])
    same = [n for n in names if n.isascii() and n.isdigit() and int(n) == number]
    if len(same) > 1:
        return name, f"the number {name} may mean any of {', '.join(sorted(same))}"
    return (same[0], None) if same else (name, None)


def _places(corpus: Path) -> tuple[Path, ...]:
    """Return the folders that video folders lie in: the corpus, and Raw in it."""
    inner = (path for path in _listed(corpus) if path.name.casefold() == "raw")
    return (corpus, *inner)


def _listed(folder: Path) -> list[Path]:
    try:
        return [Path(e.path) for e in sorted(os.scandir(folder), key=lambda entry: entry.name)]
    except OSError:
        return []


def _is_media(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
