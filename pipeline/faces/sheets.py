"""Parts of pyramid levels, laid out on few pictures, so that P-Net is called once for many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CELL = 12
"""Side of P-Net's windows, in pixels of a pyramid level."""
STRIDE = 2
SHARED = 16_384
"""Largest part, in pixels, that shares a sheet; a larger one keeps the caches busy alone."""
ROUNDED = 16
"""Sides of shared sheets are multiples of this: oneDNN prepares each new shape anew."""

Index = NDArray[np.int64]
Float = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """A part of one level of the pyramid: the level's scale and shape, rows and columns."""

    scale: float
    shape: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


@dataclass(frozen=True)
class Sheet:
    """A picture of parts: its shape, and the row and column of each part's first pixel."""

    shape: tuple[int, int]
    places: list[tuple[Part, int, int]]

    def windows(self) -> tuple[Index, Float]:
        """Return P-Net's windows on the sheet, those that cross from part to part left out.

        Returns
        -------
        places : ndarray, int64 [parts, 6]
            Of each part: its first window's row and column, counted in `STRIDE`; rows and columns
            of windows; the part's first row and column on its level.
        scales : ndarray, float32 [parts]
            Of the parts' levels.
        """
        places = [
            (row // STRIDE, column // STRIDE, *map(_window_count, part.size),
             part.rows[0], part.columns[0])
            for part, row, column in self.places
        ]  # fmt: skip
        scales = [part.scale for part, _, _ in self.places]
        return np.array(places, np.int64), np.array(scales, np.float32)


def _window_count(side: int) -> int:
    """Return how many windows P-Net's layers make of so many pixels; of odd ones, one more."""
    return -(-(side - CELL + STRIDE) // STRIDE)


def arrange(parts: list[Part]) -> list[Sheet]:
    """Lay small parts out on one sheet, shelf by shelf; every other part has one of its own.

    P-Net pools pixels in pairs. A part with an odd side has a last window of its own kind, which
    needs the edge of the picture, so such a part shares no sheet.
    """
    shared = [p for p in parts if not (p.size[0] % 2 or p.size[1] % 2)]
    shared = [p for p in shared if p.size[0] * p.size[1] <= SHARED]
    if len(shared) < 2:
        shared = []
    alone = [Sheet(p.size, [(p, 0, 0)]) for p in parts if p not in shared]
    return alone + ([_shelves(shared)] if shared else [])


def _shelves(parts: list[Part]) -> Sheet:
    area = sum(p.size[0] * p.size[1] for p in parts)
    width = _rounded(max(*(p.size[1] for p in parts), int(area**0.5)))
    places: list[tuple[Part, int, int]] = []
    top = bottom = column = 0
    for part in sorted(parts, key=lambda p: -p.size[0]):
        if column + part.size[1] > width:
            top, column = bottom, 0
        places.append((part, top, column))
        column += part.size[1]
        bottom = max(bottom, top + part.size[0])
    return Sheet((_rounded(bottom), width), places)


def _rounded(side: int) -> int:
    return -(-side // ROUNDED) * ROUNDED
