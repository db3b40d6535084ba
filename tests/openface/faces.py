"""Faces that fit OpenFace tables, and tables of other pictures made from right ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.openface.belongs import FaceTrack
from pipeline.openface.columns import COLUMNS
from pipeline.openface.points import five_points

Table = NDArray[np.float32]

SIZE = (320, 240)
CROP = 224

# the landmark that stands in each one's place in a mirrored face
_MIRRORED = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
]


def block(first: str) -> slice:
    """Return where the 68 columns from `first` on lie."""
    start = COLUMNS.index(first)
    return slice(start, start + 68)


def face_of(table: Table, frames: int | None = None) -> FaceTrack:
    """Return the face that MTCNN finds where a table's 224-pixel crops were cut from.

    The face drifts to the right and trembles by a third of a pixel.
    """
    count = len(table)
    noise = np.random.default_rng(0).normal(0, 0.3, (count, 5, 2))
    centre = np.stack([np.linspace(140, 190, count), np.full(count, 120.0)], 1)
    points = (five_points(table) - CROP / 2) * 0.8 + centre[:, None] + noise
    half = np.array([50, 65])
    box = np.hstack([centre - half, centre + half])
    rows = np.linspace(0, count - 1, frames or count).round().astype(int)
    return FaceTrack(box[rows], points[rows], (SIZE,), CROP)


def on_whole_picture(table: Table, face: FaceTrack) -> Table:
    """Return a table as OpenFace writes it for the clip's whole picture."""
    made = table.copy()
    centre = (face.box[:, :2] + face.box[:, 2:]) / 2
    focal = 250 * (SIZE[0] / 640 + SIZE[1] / 480)
    for axis in (0, 1):
        pixels, metric = block("xy"[axis] + "_0"), block("XY"[axis] + "_0")
        made[:, pixels] = (table[:, pixels] - CROP / 2) * 0.8 + centre[:, axis, None]
        made[:, metric] = (made[:, pixels] - SIZE[axis] / 2) * table[:, block("Z_0")] / focal
    return made


def mirrored(table: Table, width: int) -> Table:
    """Return the table that OpenFace writes for the mirrored picture."""
    made = table.copy()
    for first in ("x_0", "y_0", "X_0", "Y_0", "Z_0"):
        made[:, block(first)] = table[:, block(first)][:, _MIRRORED]
    made[:, block("x_0")] = width - made[:, block("x_0")]
    made[:, block("X_0")] *= -1
    return made


def moved(table: Table, *, by: float = 0.0, times: float = 1.0) -> Table:
    """Return a table whose landmarks in pixels were shifted to the right or scaled."""
    made = table.copy()
    made[:, block("x_0")] = table[:, block("x_0")] * times + by
    made[:, block("y_0")] = table[:, block("y_0")] * times
    return made
