"""Area-averaged images of any part of a frame, at any size, from one summed-area table."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.faces.kernels import Float, Index, average_crops, average_part


class AreaTable:
    """One RGB frame that can be resized to any size at a cost that depends only on that size.

    MTCNN needs hundreds of resized images of a frame: a pyramid of the whole frame, and one
    crop per candidate. Each output pixel is the mean of a block of the frame's pixels, as in
    torch's area interpolation, and the sum of a block takes four look-ups in the table.

    Parameters
    ----------
    frame : ndarray, shape (height, width, 3)
        RGB, 8 bits. Sums take 32 bits for up to 8 million pixels, and 64 bits above.
    """

    def __init__(self, frame: NDArray[np.uint8]) -> None:
        self.height, self.width = frame.shape[:2]
        wide = frame.shape[0] * frame.shape[1] * 255 >= 2**31
        # cv2 offers 32-bit integers or doubles, which are exact up to 2**53
        self.sums = cv2.integral(frame, sdepth=cv2.CV_64F if wide else cv2.CV_32S)

    def part(
        self,
        shape: tuple[int, int],
        rows: tuple[int, int],
        columns: tuple[int, int],
        out: Float | None = None,
    ) -> Float:
        """Return a part of the frame resized to `shape`, without computing the rest.

        Parameters
        ----------
        shape : tuple of int
            Height and width of the whole resized frame.
        rows, columns : tuple of int
            Range of its rows and columns to compute: the first, and one after the last.
        out : ndarray, float32 [rows, columns, 3], optional
            Where the result is written.

        Returns
        -------
        ndarray, shape (rows, columns, 3)
            Values in MTCNN's range, [-1, 1].
        """
        if out is None:
            out = np.empty((rows[1] - rows[0], columns[1] - columns[0], 3), np.float32)
        top, bottom = (edges[slice(*rows)] for edges in _level(self.height, shape[0]))
        left, right = (edges[slice(*columns)] for edges in _level(self.width, shape[1]))
        average_part(self.sums, top, bottom, left, right, out)
        return out

    def crops(self, boxes: Index, size: int) -> Float:
        """Return boxes of the frame, each resized to a square.

        Parameters
        ----------
        boxes : ndarray, shape (n, 4)
            First column and row, last column and row plus one; inside the frame, not empty.
        size : int
            Side of the squares.

        Returns
        -------
        ndarray, shape (n, size, size, 3)
            Values in MTCNN's range, [-1, 1].
        """
        cells = np.arange(size)[None]
        x, y = boxes[:, :1], boxes[:, 1:2]
        left, right = _blocks(cells, boxes[:, 2:3] - x, size)
        top, bottom = _blocks(cells, boxes[:, 3:4] - y, size)
        out = np.empty((len(boxes), size, size, 3), np.float32)
        average_crops(self.sums, top + y, bottom + y, left + x, right + x, out)
        return out


@lru_cache(maxsize=256)
def _level(length: int, count: int) -> tuple[Index, Index]:
    """Return the starts and ends of all blocks of a frame's side on a level of the pyramid."""
    return _blocks(np.arange(count), np.int64(length), count)


def _blocks(cells: Index, length: Index | np.int64, count: int) -> tuple[Index, Index]:
    """Return the start and end of each cell's block of pixels, as in torch's adaptive pooling."""
    return cells * length // count, -(-(cells + 1) * length // count)
