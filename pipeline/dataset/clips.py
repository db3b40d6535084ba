"""The clips that go into the dataset, column by column: some two hundred bytes each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.corpus import LABELS, class_of
from pipeline.dataset.split import are_unlabelled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Clips:
    """Some clips of the manifest, in an order of their own.

    Parameters
    ----------
    table : pyarrow.Table
        The manifest's columns that the dataset needs; all its rows.
    rows : ndarray
        The rows of these clips.
    all_steps, all_widths : dict of str to ndarray
        Steps before cutting, and feature dimensions, of each modality and row.
    all_quality : dict of str to ndarray
        The clip's duration in seconds, and the figures of the stages; NaN where a stage has none.
    warnings_of : mapping of int to tuple of str
        What the dataset's own rules warn about, by row.
    sources : dict of str to set of str
        Where the features of all clips come from, by the dataset's attributes (`Stage.sources`).
    """

    table: Any
    rows: NDArray[np.int64]
    all_steps: dict[str, NDArray[np.int32]]
    all_widths: dict[str, NDArray[np.int32]]
    all_quality: dict[str, NDArray[np.float64]]
    warnings_of: Mapping[int, tuple[str, ...]]
    sources: Mapping[str, set[str]]

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, places: Sequence[int] | NDArray[Any]) -> Clips:
        """Return the clips at these places, in this order."""
        return replace(self, rows=self.rows[np.asarray(places, np.int64)])

    def words(self, name: str) -> list[str | None]:
        """Return a column of strings; None where the sheet is silent."""
        values: list[str | None] = self.table.column(name).take(self.rows).to_pylist()
        return values

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers; NaN where the sheet is silent."""
        column = self.table.column(name).take(self.rows)
        values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
        return values

    @property
    def ids(self) -> list[str]:
        """The clips' ids."""
        return [str(clip) for clip in self.words("clip")]

    @property
    def classes(self) -> list[int | None]:
        """Index in `CLASSES` of each clip; None without M."""
        return [None if np.isnan(m) else class_of(m) for m in self.numbers("M").tolist()]

    @property
    def warnings(self) -> list[tuple[str, ...]]:
        """The rules that each clip breaks, and that only warn."""
        own = self.table.column("warnings").take(self.rows).to_pylist()
        return [
            (*first, *self.warnings_of.get(row, ()))
            for first, row in zip(own, self.rows.tolist(), strict=True)
        ]

    def steps(self, slot: str) -> NDArray[np.int32]:
        """Return each clip's steps of a modality, before cutting."""
        return self.all_steps[slot][self.rows]

    def widths(self, slot: str) -> NDArray[np.int32]:
        """Return each clip's feature dimensions of a modality."""
        return self.all_widths[slot][self.rows]

    def quality(self, name: str) -> NDArray[np.float64]:
        """Return a figure of each clip."""
        return self.all_quality[name][self.rows]

    def has_numbers(self, name: str) -> bool:
        """Tell whether a column that the user keeps holds numbers."""
        from pyarrow import types

        is_number = types.is_floating(self.table.schema.field(name).type)
        return is_number and bool((~np.isnan(self.numbers(name))).any())

    @property
    def unlabelled(self) -> NDArray[np.bool_]:
        """Whether each clip belongs to the part unlabelled."""
        labels = np.stack([self.numbers(label) for label in LABELS], axis=1)
        return are_unlabelled(self.words("mode"), labels)
