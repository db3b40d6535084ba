"""Runtime ``import``: OpenFace CSVs that the user already has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.errors import BuildError
from pipeline.extractor import Extractor
from pipeline.openface.grid import check_grid, choose_grid
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.table import parse_table
from pipeline.store.features import Features


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
        `import_by` decides how rows are matched to frames.

    Examples
    --------
    >>> csv = Path("raw/demo/openface/video_0001/0001.csv.gz")
    >>> clip = ImportInputs(csv.read_bytes(), csv.name, frames=125, fps=30)
    >>> features = ImportedOpenFace(OpenFaceSettings(runtime="import")).extract(clip)
    >>> features.arrays["table"].shape, features.info["grid"]
    ((125, 714), 'frame')
    """

    version: ClassVar[int] = 1

    def __init__(self, settings: OpenFaceSettings) -> None:
        self.settings = settings

    def extract(self, inputs: ImportInputs) -> Features:
        """Read and check one CSV.

        Parameters
        ----------
        inputs : ImportInputs
            The CSV and the clip's number of frames.

        Returns
        -------
        Features
            ``table [rows, 714]`` float32, one row for each row of the CSV (columns:
            `pipeline.openface.columns.COLUMNS`). ``info`` holds ``runtime`` (``import``),
            ``rows``, ``grid`` (``frame`` or ``timestamp``) and ``notes``.

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
