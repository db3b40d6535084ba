"""Which frames of the common grid are the pictures at another, lower rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest_frames(frames: int, grid: float, fps: float) -> NDArray[np.int64]:
    """Return the frame that is nearest to each picture's time.

    Parameters
    ----------
    frames : int
        Frames of the clip on the grid; frame i lies at i / grid seconds.
    grid, fps : float
        Frames per second of the grid, and of the pictures; picture k lies at k / fps seconds.

    Returns
    -------
    ndarray, int64
        One frame per picture, those that lie before the clip's end.

    Examples
    --------
    >>> nearest_frames(30, 30, 4).tolist()
    [0, 8, 15, 23]
    """
    count = int(np.ceil(frames * fps / grid - 1e-9))
    places: NDArray[np.float64] = np.floor(np.arange(count) * (grid / fps) + 0.5)
    return np.asarray(np.minimum(places, frames - 1), np.int64)
