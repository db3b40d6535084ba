"""Compiled loops of the face search: picture resizing, and an activation with the pooling after it.

The types are named, so that a function is compiled, or read from numba's cache, when this module is
imported: a job does so once, before its workers are forked (`pipeline.runner.pool.preload`).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]
Float = NDArray[np.float32]


_PART = "void({}[:, :, ::1], {}, {}, {}, {}, float32[:, :, :])"
_CROPS = "void({}[:, :, ::1], {}, {}, {}, {}, float32[:, :, :, ::1])"


@numba.njit([_PART.format(sums, *4 * ["int64[::1]"]) for sums in ("int32", "float64")], cache=True)
def average_part(
    sums: NDArray[Any], top: Index, bottom: Index, left: Index, right: Index, out: Float
) -> None:
    """Write the means of blocks of a summed-area table to ``out [rows, columns, 3]``."""
    for row in range(len(top)):
        upper, lower, height = sums[top[row]], sums[bottom[row]], bottom[row] - top[row]
        for column in range(len(left)):
            x0, x1 = left[column], right[column]
            area = np.float32(height * (x1 - x0))
            for colour in range(3):
                total = (lower[x1, colour] - upper[x1, colour]) - (
                    lower[x0, colour] - upper[x0, colour]
                )
                mean = np.float32(total) / area
                out[row, column, colour] = (mean - np.float32(127.5)) * np.float32(0.0078125)


@numba.njit(
    [_CROPS.format(sums, *4 * ["int64[:, ::1]"]) for sums in ("int32", "float64")], cache=True
)
def average_crops(
    sums: NDArray[Any], top: Index, bottom: Index, left: Index, right: Index, out: Float
) -> None:
    """Write the means of the blocks of several boxes to ``out [boxes, rows, columns, 3]``."""
    for box in range(len(out)):
        average_part(sums, top[box], bottom[box], left[box], right[box], out[box])


@numba.njit("float32[:, :, :, ::1](float32[:, :, :, ::1], float32[::1], int64)", cache=True)
def activate_and_pool(values: Float, slopes: Float, size: int) -> Float:
    """Apply PReLU and then max-pooling (stride 2, ``ceil_mode``), in one pass.

    Parameters
    ----------
    values : ndarray, float32 [n, height, width, channels]
        Contiguous.
    slopes : ndarray, float32 [channels]
        PReLU's slope of each channel.
    size : int
        Side of the pooling window, 2 or 3.

    Returns
    -------
    ndarray, float32 [n, rows, columns, channels]
        A window that reaches past the edge counts the values inside, as in torch.
    """
    count, height, width, channels = values.shape
    rows, columns = (height - size + 1) // 2 + 1, (width - size + 1) // 2 + 1
    out = np.empty((count, rows, columns, channels), np.float32)
    length = width * channels
    slope = np.empty(length, np.float32)
    for place in range(length):
        slope[place] = slopes[place % channels]
    highest = np.empty(length, np.float32)
    for item in range(count):
        lines = values[item].reshape(height, length)
        for row in range(rows):
            first = lines[2 * row]
            for place in range(length):
                value = first[place]
                highest[place] = value if value > 0 else value * slope[place]
            for line in range(2 * row + 1, min(2 * row + size, height)):
                following = lines[line]
                for place in range(length):
                    value = following[place]
                    value = value if value > 0 else value * slope[place]
                    highest[place] = max(value, highest[place])
            for column in range(columns):
                start = 2 * column * channels
                target = out[item, row, column]
                for channel in range(channels):
                    target[channel] = highest[start + channel]
                for next_ in range(1, min(size, width - 2 * column)):
                    begin = start + next_ * channels
                    for channel in range(channels):
                        target[channel] = max(target[channel], highest[begin + channel])
    return out
