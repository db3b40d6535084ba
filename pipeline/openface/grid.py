"""How the rows of an OpenFace table meet the common frame grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TIE = 1e-4
"""Seconds within which two rows count as equally near: clocks of media are no finer."""

_SLACK = 0.01
"""Seconds by which a frame may lie beyond half a step after the last picture."""


def nearest_rows(
    times: NDArray[np.float64], rows: int, frames: int, fps: float
) -> NDArray[np.int64]:
    """Return for each frame of the grid the row that stands for it, int64 [frames].

    Parameters
    ----------
    times : ndarray, float64 [pictures]
        When each picture is shown, in seconds of the clip's clock, not falling.
    rows : int
        Rows of the table: row i is picture i, and the last pictures may have none.
    frames : int
        Frames of the grid; frame k lies at k / fps seconds.
    fps : float
        Frames per second of the grid.

    Returns
    -------
    ndarray, int64 [frames]
        The row of the picture nearest in time, the earlier of two equally near ones. Values are
        never interpolated: presences are 0 or 1, and a loss of the face must not bleed into its
        neighbours. -1 where the picture has no row, more than half a frame before the first
        picture, and more than half the last picture's step (or a frame) after it.
    """
    wanted = np.arange(frames) / fps
    after = np.searchsorted(times, wanted).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    earlier = wanted - times[before] <= times[after] - wanted + _TIE
    nearest = np.where(earlier, before, after)
    last_step = times[-1] - times[-2] if len(times) > 1 else 0.0
    reach = max(0.5 * last_step + _SLACK, 1 / fps) + _TIE
    nothing = (wanted < times[0] - 0.5 / fps - _TIE) | (wanted > times[-1] + reach)
    nothing |= nearest >= rows
    return np.where(nothing, -1, nearest)
