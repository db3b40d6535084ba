"""Runtime ``import``: OpenFace CSVs that the user already has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.errors import BuildError, ClipError
from pipeline.extractor import Extractor
from pipeline.openface.grid import check_grid, choose_grid
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.table import MAX_BYTES, parse_table
from pipeline.store import Features, is_plain_name


@dataclass(frozen=True)
class ImportInputs:
    """One clip's CSV and the grid that it must cover.

    Parameters
    ----------
    csv : bytes
        The file, plain or gzip.
    name : str
        Its name, for messages.
    frames : int
        Frames of the clip on the common grid.
    fps : float
        Frames per second of the common grid.
    """

    csv: bytes
    name: str
    frames: int
    fps: float


class ImportedOpenFace(Extractor):
    """Check an imported CSV and turn it into a table.

    Parameters
    ----------
    settings : OpenFaceSettings
        `import_by` says how rows meet frames.
    """

    version: ClassVar[int] = 1

    def __init__(self, settings: OpenFaceSettings) -> None:
        self.settings = settings

    def extract(self, inputs: ImportInputs) -> Features:
        """Return ``table`` float32 [rows, 714], one row for each row of the CSV.

        The information holds ``runtime`` (``import``), ``rows``, ``grid`` (``frame`` or
        ``timestamp``) and ``notes``.

        Raises
        ------
        ClipError
            If the CSV is not a whole OpenFace CSV, or does not cover the clip.
        """
        table = parse_table(inputs.csv, inputs.name)
        grid = choose_grid(table, self.settings.import_by, inputs.name)
        notes = check_grid(table, inputs.frames, inputs.fps, grid, inputs.name)
        return Features(
            arrays={"table": table},
            info={"runtime": "import", "rows": len(table), "grid": grid, "notes": notes},
        )


def imported_csv(settings: OpenFaceSettings, clip: str) -> Path:
    """Return the CSV of a clip: ``VIDEO/CLIP.csv`` or ``VIDEO/CLIP.csv.gz``.

    Raises
    ------
    BuildError
        If `import_folder` is not set or is no folder.
    ClipError
        If the folder has no such file, or both.
    """
    folder = import_folder(settings)
    video_id, _, clip_id = clip.partition("/")
    if not (is_plain_name(video_id) and is_plain_name(clip_id)):
        raise ClipError(f"not a clip id: {clip!r}")
    candidates = [folder / video_id / f"{clip_id}{suffix}" for suffix in (".csv", ".csv.gz")]
    found = [path for path in candidates if path.is_file()]
    if not found:
        raise ClipError(
            f"{candidates[0]} (or .csv.gz) does not exist",
            "run OpenFace on this clip and put its CSV there",
        )
    if len(found) == 2:
        raise ClipError(f"there are two CSVs, {found[0]} and {found[1].name}", "remove one of them")
    if found[0].stat().st_size > MAX_BYTES:
        raise ClipError(f"{found[0]} is larger than {MAX_BYTES >> 20} MiB: not one clip's CSV")
    return found[0]


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
            "set openface.import_folder to the folder that holds VIDEO/CLIP.csv",
        )
    if not settings.import_folder.is_dir():
        raise BuildError(
            f"openface.import_folder is {settings.import_folder}, which is not a folder",
            "correct the path; the folder holds one VIDEO/CLIP.csv (or .csv.gz) a clip",
        )
    return settings.import_folder
