"""Faces that fit OpenFace tables."""

from __future__ import annotations

import numpy as np

from benchmarks.belongs import CROP, Table
from pipeline.openface.belongs import FaceTrack
from pipeline.openface.points import five_points

SIZE = (320, 240)
SCALE = 0.8


def face_of(table: Table, frames: int | None = None) -> FaceTrack:
    """Return the face that MTCNN finds where a table's 224-pixel crops were cut from.

    The face drifts to the right and trembles by a third of a pixel.
    """
    count = len(table)
    noise = np.random.default_rng(0).normal(0, 0.3, (count, 5, 2))
    centre = np.stack([np.linspace(140, 190, count), np.full(count, 120.0)], 1)
    points = (five_points(table) - CROP / 2) * SCALE + centre[:, None] + noise
    half = np.array([50, 65])
    box = np.hstack([centre - half, centre + half])
    rows = np.linspace(0, count - 1, frames or count).round().astype(int)
    return FaceTrack(box[rows], points[rows], (SIZE,), CROP)
