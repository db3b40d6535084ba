"""Area-averaged images of any part of a frame, at any size, from one summed-area table."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


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
        self, shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return a part of the frame resized to `shape`, without computing the rest.

        Parameters
        ----------
        shape : tuple of int
            Height and width of the whole resized frame.
        rows, columns : tuple of int
            Range of its rows and columns to compute: the first, and one after the last.

        Returns
        -------
        ndarray, shape (1, rows, columns, 3)
            Values in MTCNN's range, [-1, 1].
        """
        top, bottom = _blocks(np.arange(*rows), np.int64(self.height), shape[0])
        left, right = _blocks(np.arange(*columns), np.int64(self.width), shape[1])
        needed = slice(left[0], right[-1] + 1)
        strips = self.sums[bottom, needed] - self.sums[top, needed]
        sums = strips[:, right - left[0]] - strips[:, left - left[0]]
        return _scaled(sums, (bottom - top)[:, None] * (right - left))[None]

    def crops(self, boxes: Index, size: int) -> NDArray[np.float32]:
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
        left, top = boxes[:, :1], boxes[:, 1:2]
        x0, x1 = _blocks(cells, boxes[:, 2:3] - left, size)
        y0, y1 = _blocks(cells, boxes[:, 3:4] - top, size)
        flat = self.sums.reshape(-1, 3)
        upper = ((y0 + top) * (self.width + 1))[:, :, None]
        lower = ((y1 + top) * (self.width + 1))[:, :, None]
        x0, x1 = (x0 + left)[:, None], (x1 + left)[:, None]
        sums = np.take(flat, lower + x1, 0)
        sums -= np.take(flat, upper + x1, 0)
        sums -= np.take(flat, lower + x0, 0)
        sums += np.take(flat, upper + x0, 0)
        return _scaled(sums, (y1 - y0)[:, :, None] * (x1 - x0))


def _scaled(sums: NDArray[Any], area: Index) -> NDArray[np.float32]:
    means = sums.astype(np.float32)
    means /= area[..., None].astype(np.float32)
    means -= np.float32(127.5)
    means *= np.float32(0.0078125)
    return means


def _blocks(cells: Index, length: Index | np.int64, count: int) -> tuple[Index, Index]:
    """Return the start and end of each cell's block of pixels, as in torch's adaptive pooling."""
    return cells * length // count, -(-(cells + 1) * length // count)
