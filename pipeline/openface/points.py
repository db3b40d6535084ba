"""What an OpenFace table says about the picture: five points of the face, and the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.openface.columns import COLUMNS

Array = NDArray[np.float64]

_POINTS = 68
_CLOSE = 1.0
"""Pixels by which landmarks may miss their projection: OpenFace rounds both to a decimal."""


@dataclass(frozen=True)
class Camera:
    """The camera that maps a table's millimetres to its pixels.

    Parameters
    ----------
    focal : float
        Focal length, in pixels.
    width, height : float
        Twice the picture's centre: the picture's size, unless OpenFace was given ``-cx -cy``.
    exact : bool
        Whether all rows agree on it, as in every table that OpenFace wrote.
    """

    focal: float
    width: float
    height: float
    exact: bool

    @property
    def default(self) -> bool:
        """Whether it is the camera that OpenFace assumes for a picture of this size.

        OpenFace takes the mean of 500 width / 640 and 500 height / 480 as its focal length
        (``SequenceCapture::SetCameraIntrinsics``).
        """
        return self._fits(self.width, self.height)

    def was_moved_from(self, width: float, height: float) -> bool:
        """Tell whether it is the camera of a picture of this size, but for its centre."""
        return self._fits(width, height) and not self.has_size(width, height)

    def _fits(self, width: float, height: float) -> bool:
        expected = 250 * (width / 640 + height / 480)
        return self.exact and abs(self.focal / expected - 1) < 0.01

    def has_size(self, width: float, height: float) -> bool:
        """Tell whether the picture has this size, within a pixel."""
        return self.default and abs(self.width - width) < 1 and abs(self.height - height) < 1


def landmarks(table: NDArray[np.float32]) -> Array:
    """Return a table's 68 landmarks in pixels, float64 [rows, 68, 2]."""
    return np.stack([_block(table, "x_0"), _block(table, "y_0")], -1)


def five_points(table: NDArray[np.float32]) -> Array:
    """Return the points that MTCNN finds too, float64 [rows, 5, 2], in pixels.

    Left and right eye (as seen in the picture), tip of the nose, left and right mouth corner.
    """
    points = landmarks(table)
    eyes = [points[:, 36:42].mean(1), points[:, 42:48].mean(1)]
    return np.stack([*eyes, points[:, 30], points[:, 48], points[:, 54]], 1)


def camera_of(table: NDArray[np.float32]) -> Camera:
    """Recover the camera from landmarks in pixels and in millimetres.

    OpenFace projects x = f X / Z + cx and y = f Y / Z + cy. Each row gives f, cx and cy by
    least squares over its 68 landmarks.
    """
    pixels = landmarks(table)
    depth = _block(table, "Z_0")
    with np.errstate(divide="ignore", invalid="ignore"):
        rays = np.stack([_block(table, "X_0"), _block(table, "Y_0")], -1) / depth[..., None]
        middle, centre = rays.mean(1), pixels.mean(1)
        across = rays - middle[:, None]
        focal = (across * (pixels - centre[:, None])).sum((1, 2)) / (across**2).sum((1, 2))
        origin = centre - focal[:, None] * middle
        missed = np.abs(focal[:, None, None] * rays + origin[:, None] - pixels).mean((1, 2))
    spread = np.abs(origin - np.median(origin, 0)).max(1)
    agree = (missed < _CLOSE) & (spread < _CLOSE)
    width, height = 2 * np.median(origin, 0)
    exact = bool(agree.mean() > 0.9) and bool(np.median(focal) > 0)
    return Camera(float(np.median(focal)), float(width), float(height), exact)


def _block(table: NDArray[np.float32], first: str) -> Array:
    start = COLUMNS.index(first)
    return table[:, start : start + _POINTS].astype(np.float64)
