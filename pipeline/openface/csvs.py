"""Finding the OpenFace CSVs that a user has, in the layouts that people use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import BuildError, ClipError
from pipeline.openface.settings import OpenFaceSettings

LAYOUTS = "VIDEO/CLIP.csv, VIDEO/CLIP/CLIP.csv or VIDEO_CLIP.csv (or .csv.gz)"
"""Where a clip's CSV may lie in the folder, in words."""

_SUFFIXES = (".csv", ".csv.gz")
_PATTERNS = tuple(f"{stem}{suffix}" for stem in ("*", "*/*", "*/*/*") for suffix in _SUFFIXES)
_SHOWN = 3


def import_folder(settings: OpenFaceSettings) -> Path:
    """Return the folder of CSVs.

    Raises
    ------
    BuildError
        If it is not set or is no folder.
    """
    if settings.import_folder is None:
        raise BuildError(
            "openface.runtime is import, but openface.import_folder is not set",
            f"set openface.import_folder to the folder that holds {LAYOUTS}",
        )
    if not settings.import_folder.is_dir():
        raise BuildError(
            f"openface.import_folder is {settings.import_folder}, which is not a folder",
            f"correct the path; the folder holds {LAYOUTS}, one per clip",
        )
    return settings.import_folder


def all_csvs(folder: Path) -> list[Path]:
    """Return every file below a folder that may be some clip's CSV, in order."""
    return sorted(path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file())


def clip_csvs(folder: Path, clip: str) -> list[Path]:
    """Return a clip's CSVs: one, if all is well.

    A link is followed only within the folder.

    Parameters
    ----------
    folder : Path
        The folder of CSVs.
    clip : str
        The clip's id, ``video_id/clip_id``.
    """
    video_id, _, clip_id = clip.partition("/")
    stems = (f"{video_id}/{clip_id}", f"{video_id}/{clip_id}/{clip_id}", f"{video_id}_{clip_id}")
    paths = [folder / f"{stem}{suffix}" for stem in stems for suffix in _SUFFIXES]
    root = folder.resolve()
    return [path for path in paths if path.is_file() and path.resolve().is_relative_to(root)]


def one_csv(folder: Path, clip: str, raw: Path) -> Path:
    """Return a clip's CSV.

    Raises
    ------
    ClipError
        If there is none or more than one, or if its name is another clip's as well.
    """
    paths = clip_csvs(folder, clip)
    if len(paths) != 1:
        found = " and ".join(str(path.relative_to(folder)) for path in paths)
        raise ClipError(
            f"expected one OpenFace CSV in {folder}, named {_names(clip)}; found "
            + (found or f"none{_alike(folder, clip)}"),
            "leave one CSV of this clip there"
            if paths
            else "run OpenFace on the clip, or rename the file",
        )
    if paths[0].parent == folder:
        for other in _same_name(clip):
            if _has_media(raw, other):
                raise ClipError(
                    f"{paths[0].name} may belong to clip {clip} or to clip {other}",
                    f"put it where its clip is plain: {clip}.csv or {other}.csv",
                )
    return paths[0]


def _names(clip: str) -> str:
    video_id, _, clip_id = clip.partition("/")
    return f"{clip}.csv, {clip}/{clip_id}.csv or {video_id}_{clip_id}.csv (each may end in .csv.gz)"


def _same_name(clip: str) -> Iterator[str]:
    """Yield the other clips whose file in a flat folder would have the same name."""
    flat = clip.replace("/", "_", 1)
    for mark in re.finditer("_", flat):
        other = f"{flat[: mark.start()]}/{flat[mark.end() :]}"
        if other != clip and not other.startswith("/") and not other.endswith("/"):
            yield other


def _has_media(raw: Path, clip: str) -> bool:
    video_id, _, clip_id = clip.partition("/")
    return any(
        path.stem == clip_id
        for place in (raw, raw / "Raw", raw / "raw")
        for path in _files(place / video_id)
    )


def _alike(folder: Path, clip: str) -> str:
    """Name files that a person would take for the clip's, for the message that there is none."""
    video_id, _, clip_id = clip.partition("/")
    video, number = _plain(video_id), _plain(clip_id)
    near = [path for path in _files(folder) if _plain(path.name).startswith(f"{video}{number}")]
    for place in (folder / video_id, folder / video_id / clip_id):
        near += [path for path in _files(place) if _plain(_stem(path)) == number]
        near += [path for path in _files(place) if path.name.startswith(clip_id)]
    shown = list(dict.fromkeys(str(path.relative_to(folder)) for path in near))[:_SHOWN]
    return f", but {' and '.join(shown)}" if shown else ""


def _plain(name: str) -> str:
    """Reduce a name to what people do not vary: no case, no separators, no leading zeros."""
    unpadded = re.sub(r"(?<![0-9])0+(?=[0-9])", "", name.casefold())
    return re.sub(r"[\W_]+", "", unpadded)


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _files(folder: Path) -> Iterable[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return []
