"""Arrays that are rows of another stage's array: the numbers of the rows are stored, not the rows.

The vision feature is mostly OpenFace's table over again, which is the larger part of a build's
numbers. A view names the table by the digest of its file, so it never shows rows of another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = ".rows"
"""Suffix of the array that holds a view's row numbers."""


@dataclass(frozen=True)
class View:
    """Which rows and columns of another stage's array make an array.

    Parameters
    ----------
    stage, array : str
        The stage, and the array ``[rows, columns]`` in its feature file of the same clip.
    rows : ndarray, int32 [n]
        The row of each step; -1 for a step of zeros.
    columns : sequence of (int, int)
        Ranges of columns: the first, and one after the last.
    """

    stage: str
    array: str
    rows: NDArray[Any]
    columns: tuple[tuple[int, int], ...]

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(end - start for start, end in self.columns)

    def of(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return the array, copied from the table.

        Raises
        ------
        ValueError
            If the table has not all of its rows or columns.
        """
        import numpy as np

        highest = int(self.rows.max(initial=-1))
        if table.ndim != 2 or highest >= len(table) or self.columns[-1][1] > table.shape[1]:
            raise ValueError(f"{self.array} of {self.stage} has the shape {list(table.shape)}")
        array = np.zeros((len(self.rows), self.width), table.dtype)
        shown = self.rows >= 0
        place = 0
        for start, end in self.columns:
            array[shown, place : place + end - start] = table[self.rows[shown], start:end]
            place += end - start
        return array

    def described(self, digest: str) -> dict[str, Any]:
        """Return what a header says of the view: all but its rows, and its file's digest."""
        columns = [list(each) for each in self.columns]
        return {"stage": self.stage, "array": self.array, "columns": columns, "digest": digest}

    @classmethod
    def from_header(cls, described: Mapping[str, Any], rows: NDArray[Any]) -> View:
        """Return the view that `described` returned the description of."""
        columns = tuple((int(start), int(end)) for start, end in described["columns"])
        return cls(described["stage"], described["array"], rows, columns)
