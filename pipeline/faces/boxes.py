"""facenet-pytorch's box arithmetic, compiled: from the nets' numbers to boxes.

Each of its steps is a dozen operations on a few boxes, which cost torch as much time as the nets.
The types are named, so that a function is compiled, or read from the cache, when this module is
imported: see `pipeline.faces.kernels`.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.faces.sheets import CELL, STRIDE

Float = NDArray[np.float32]
Index = NDArray[np.int64]

ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)

_SCORES, _ROWS, _GRID = "float32[::1]", "float32[:, ::1]", "float32[:, :, ::1]"
_INDEX, _TABLE = "int64[::1]", "int64[:, ::1]"


def best_first(scores: Float) -> Index:
    """Return the order of scores, the highest first; of equal ones the first."""
    return np.argsort(-scores, kind="stable")


@numba.njit(f"{_INDEX}({_ROWS}, {_INDEX}, {_INDEX}, float64)", cache=True, error_model="numpy")
def suppress(boxes: Float, owners: Index, order: Index, limit: float) -> Index:
    """Return the boxes that no better one overlaps by more than `limit` (`torchvision.ops.nms`).

    Parameters
    ----------
    boxes : ndarray, float32 [n, 4 or more]
        x1, y1, x2, y2.
    owners : ndarray, int64 [n]
        Only boxes of the same owner suppress each other.
    order : ndarray, int64 [n]
        The boxes' numbers, best first.
    limit : float
        Intersection over union.

    Returns
    -------
    ndarray, int64
        Their numbers, best first.
    """
    gone = np.zeros(len(order), np.bool_)
    kept = np.empty(len(order), np.int64)
    count = 0
    for place in range(len(order)):
        if gone[place]:
            continue
        one = order[place]
        kept[count] = one
        count += 1
        area = (boxes[one, 2] - boxes[one, 0]) * (boxes[one, 3] - boxes[one, 1])
        for later in range(place + 1, len(order)):
            other = order[later]
            if owners[other] != owners[one]:
                continue
            width = min(boxes[one, 2], boxes[other, 2]) - max(boxes[one, 0], boxes[other, 0])
            height = min(boxes[one, 3], boxes[other, 3]) - max(boxes[one, 1], boxes[other, 1])
            common = max(ZERO, width) * max(ZERO, height)
            size = (boxes[other, 2] - boxes[other, 0]) * (boxes[other, 3] - boxes[other, 1])
            if common / (area + size - common) > limit:
                gone[later] = True
    return kept[:count]


@numba.njit(f"{_INDEX}({_ROWS}, {_INDEX}, float64)", cache=True, error_model="numpy")
def apart(boxes: Float, order: Index, limit: float) -> Index:
    """Return the boxes of which no better one covers more than `limit` (``nms_numpy``, ``Min``).

    The share is that of the smaller of two boxes; `order` as for `suppress`.
    """
    gone = np.zeros(len(order), np.bool_)
    kept = np.empty(len(order), np.int64)
    count = 0
    for place in range(len(order)):
        if gone[place]:
            continue
        one = order[place]
        kept[count] = one
        count += 1
        area = (boxes[one, 2] - boxes[one, 0] + ONE) * (boxes[one, 3] - boxes[one, 1] + ONE)
        for later in range(place + 1, len(order)):
            b = order[later]
            width = min(boxes[one, 2], boxes[b, 2]) - max(boxes[one, 0], boxes[b, 0]) + ONE
            height = min(boxes[one, 3], boxes[b, 3]) - max(boxes[one, 1], boxes[b, 1]) + ONE
            size = (boxes[b, 2] - boxes[b, 0] + ONE) * (boxes[b, 3] - boxes[b, 1] + ONE)
            if max(ZERO, width) * max(ZERO, height) / min(area, size) > limit:
                gone[later] = True
    return kept[:count]


@numba.njit(f"{_ROWS}({_ROWS}, {_ROWS}, {_INDEX}, float32, boolean)", cache=True)
def moved(boxes: Float, shift: Float, kept: Index, more: float, squared: bool) -> Float:
    """Move the edges of boxes by shares of their sides (``bbreg``), and make squares (``rerec``).

    Parameters
    ----------
    boxes, shift : ndarray, float32 [n, 4]
        The boxes, and what a net says of each edge.
    kept : ndarray, int64 [m]
        Numbers of the boxes to return.
    more : float32
        Pixels that a side counts beyond the difference of its edges: 1, but for P-Net 0.
    squared : bool
        Whether to make them squares around their centres.

    Returns
    -------
    ndarray, float32 [m, 4]
    """
    out = np.empty((len(kept), 4), np.float32)
    for place in range(len(kept)):
        n = kept[place]
        width = boxes[n, 2] - boxes[n, 0] + more
        height = boxes[n, 3] - boxes[n, 1] + more
        out[place, 0] = boxes[n, 0] + shift[n, 0] * width
        out[place, 1] = boxes[n, 1] + shift[n, 1] * height
        out[place, 2] = boxes[n, 2] + shift[n, 2] * width
        out[place, 3] = boxes[n, 3] + shift[n, 3] * height
        if squared:
            width, height = out[place, 2] - out[place, 0], out[place, 3] - out[place, 1]
            side = max(width, height)
            out[place, 0] = out[place, 0] + width * HALF - side * HALF
            out[place, 1] = out[place, 1] + height * HALF - side * HALF
            out[place, 2], out[place, 3] = out[place, 0] + side, out[place, 1] + side
    return out


@numba.njit(
    f"Tuple(({_INDEX}, {_ROWS}))({_ROWS}, {_GRID}, float64, {_TABLE}, {_SCORES})", cache=True
)
def windows(
    scores: Float, shift: Float, least: float, places: Index, scales: Float
) -> tuple[Index, Float]:
    """Return P-Net's windows that may show a face, part by part.

    Parameters
    ----------
    scores : ndarray, float32 [rows, columns]
        Of the windows of a sheet.
    shift : ndarray, float32 [rows, columns, 4]
        What P-Net says of each edge.
    least : float
        Smallest score.
    places : ndarray, int64 [parts, 6]
        Of each part of a level: its first window's row and column on the sheet, rows and columns
        of windows, and its own first row and column on the level.
    scales : ndarray, float32 [parts]
        Of the levels.

    Returns
    -------
    parts : ndarray, int64 [n]
        The part that each window belongs to.
    found : ndarray, float32 [n, 9]
        Its box in the picture, score and shift.
    """
    most = 0
    for row in range(scores.shape[0]):
        for column in range(scores.shape[1]):
            most += scores[row, column] >= least
    parts, found = np.empty(most, np.int64), np.empty((most, 9), np.float32)
    n = 0
    for part in range(len(places)):
        scale, row0, column0 = scales[part], places[part, 0], places[part, 1]
        for row in range(row0, row0 + places[part, 2]):
            for column in range(column0, column0 + places[part, 3]):
                if scores[row, column] >= least:
                    y = STRIDE * (row - row0) + places[part, 4]
                    x = STRIDE * (column - column0) + places[part, 5]
                    parts[n] = part
                    found[n, 0] = np.floor(np.float32(x + 1) / scale)
                    found[n, 1] = np.floor(np.float32(y + 1) / scale)
                    found[n, 2] = np.floor(np.float32(x + CELL) / scale)
                    found[n, 3] = np.floor(np.float32(y + CELL) / scale)
                    found[n, 4] = scores[row, column]
                    for edge in range(4):
                        found[n, 5 + edge] = shift[row, column, edge]
                    n += 1
    return parts[:n], found[:n]


@numba.njit(f"Tuple(({_INDEX}, {_TABLE}))({_ROWS}, int64, int64)", cache=True)
def inside(boxes: Float, width: int, height: int) -> tuple[Index, Index]:
    """Clip boxes to a picture (``pad``).

    Returns
    -------
    kept : ndarray, int64 [n]
        The boxes of which something is left.
    edges : ndarray, int64 [n, 4]
        Their first column and row, and their last column and row plus one.
    """
    kept, edges = np.empty(len(boxes), np.int64), np.empty((len(boxes), 4), np.int64)
    count = 0
    for n in range(len(boxes)):
        left, top = max(int(boxes[n, 0]), 1), max(int(boxes[n, 1]), 1)
        right, bottom = min(int(boxes[n, 2]), width), min(int(boxes[n, 3]), height)
        if bottom >= top and right >= left:
            kept[count] = n
            edges[count] = np.array([left - 1, top - 1, right, bottom])
            count += 1
    return kept[:count], edges[:count]
