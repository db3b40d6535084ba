"""Runtime ``import``: OpenFace CSVs that the user already has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.openface.belongs import FaceTrack, check_belongs
from pipeline.openface.columns import COLUMNS, FIRST_FEATURE, FRAME
from pipeline.openface.pictures import Pictures, read_pictures
from pipeline.openface.placing import Clock, Placed, place_rows
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.table import parse_table
from pipeline.store.features import Features


@dataclass(frozen=True)
class ImportInputs:
    """One clip's CSV, and the clip that it must be of.

    Parameters
    ----------
    csv : bytes
        The file, plain or gzip; empty for a clip without pictures.
    name : str
        Its name, for messages.
    media : Path
        The clip's media file.
    stream : int or None
        Index of its video stream in the file.
    zero : float
        The clip's time zero on the file's own clock, in seconds.
    box : ndarray, float32 [frames, 4]
        The face that MTCNN found in each frame of the common grid, in pixels; NaN without one.
    points : ndarray, float32 [frames, 5, 2]
        Its eyes, nose and mouth corners, in pixels.
    pictured : ndarray, bool [frames]
        Frames that show a picture.
    width, height : int
        Of the clip's picture as displayed.
    fps : float
        Frames per second of the common grid.
    crop : int
        Side of the face crops, in pixels.
    """

    csv: bytes
    name: str
    media: Path
    stream: int | None
    zero: float
    box: NDArray[np.float32]
    points: NDArray[np.float32]
    pictured: NDArray[np.bool_]
    width: int
    height: int
    fps: float
    crop: int


class ImportedOpenFace(Extractor):
    """Check an imported CSV and turn it into a table.

    Parameters
    ----------
    settings : OpenFaceSettings
        `import_by` says what the rows are, `import_check` what happens to those of another face.

    Examples
    --------
    The CSV of the demo's first clip, once the demo is built:

    >>> from pipeline.config import load_config
    >>> from pipeline.openface.stage import OPENFACE
    >>> from pipeline.stage import Build
    >>> from pipeline.store.shards import read_shard
    >>> config = load_config((Path("config/demo.yaml"),))
    >>> clip = read_shard(config.layout.shard("0000"))[0]
    >>> inputs = OPENFACE.load(Build.of(config), clip)
    >>> features = ImportedOpenFace(config.openface).extract(inputs)
    >>> features.arrays["table"].shape[1], features.info["grid"]
    (714, 'frame')
    """

    version: ClassVar[int] = 2

    def __init__(self, settings: OpenFaceSettings) -> None:
        self.settings = settings

    def extract(self, inputs: ImportInputs) -> Features:
        """Read one CSV, check it against the clip and match its rows to pictures.

        Parameters
        ----------
        inputs : ImportInputs
            The CSV and the clip that it must belong to.

        Returns
        -------
        Features
            ``table [rows, 714]`` float32 and ``times [pictures]`` float64: row i is picture i,
            shown at ``times[i]`` seconds of the clip's clock. ``info`` holds ``runtime``
            (``import``), ``rows``, ``grid`` (``frame`` or ``picture``) and ``notes``.

        Raises
        ------
        ClipError
            If the CSV is not a whole OpenFace CSV, does not cover the clip, or is of another
            face.
        """
        stream = inputs.stream
        if stream is None:
            return _without_pictures(inputs)
        table = parse_table(inputs.csv, inputs.name)

        @lru_cache
        def pictures() -> Pictures:
            return read_pictures(inputs.media, stream)

        clock = Clock(
            ~np.isnan(inputs.box[:, 0]), inputs.fps, pictures, inputs.zero, inputs.pictured
        )
        placed = place_rows(table, clock, self.settings.import_by, inputs.name)
        notes = [*placed.notes, *_lost(table, inputs.name)]
        notes += self._check(table, placed, inputs, pictures)
        return Features(
            arrays={"table": table, "times": placed.times},
            info={"runtime": "import", "rows": len(table), "grid": placed.grid, "notes": notes},
        )

    def _check(
        self,
        table: NDArray[np.float32],
        placed: Placed,
        inputs: ImportInputs,
        pictures: Callable[[], Pictures],
    ) -> list[str]:
        shown = (inputs.width, inputs.height)
        stored = (pictures().width, pictures().height)
        face = FaceTrack(
            inputs.box.astype(np.float64),
            inputs.points.astype(np.float64),
            (shown,) if stored == shown else (shown, stored),
            inputs.crop,
        )
        frame = np.full(len(table), -1)
        rows = min(len(table), len(placed.times))
        frame[:rows] = np.rint(placed.times[:rows] * inputs.fps)
        try:
            return check_belongs(table, frame, face, inputs.name)
        except ClipError as error:
            if self.settings.import_check == "quarantine":
                raise
            return [error.reason]


def _lost(table: NDArray[np.float32], name: str) -> list[str]:
    lost = int((~np.isfinite(table[:, FIRST_FEATURE:])).any(1).sum())
    return [f"{name}: {lost} rows of success 0 hold no numbers and are masked"] if lost else []


def _without_pictures(inputs: ImportInputs) -> Features:
    if inputs.csv:
        raise ClipError(
            f"{inputs.media.name} has no pictures, but there is {inputs.name}",
            "remove the CSV; it belongs to another clip",
        )
    frames = len(inputs.box)
    table = np.zeros((frames, len(COLUMNS)), np.float32)
    table[:, FRAME] = np.arange(1, frames + 1)
    return Features(
        arrays={"table": table, "times": np.arange(frames) / inputs.fps},
        info={"runtime": "import", "rows": frames, "grid": "frame", "notes": []},
    )
