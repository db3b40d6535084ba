"""The vision feature: OpenFace's values on the common frame grid, with a validity mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.openface.columns import (
    COLUMNS,
    CONFIDENCE,
    FEATURE_GROUPS,
    FEATURE_NAMES,
    FIRST_FEATURE,
    SUCCESS,
)
from pipeline.openface.grid import nearest_rows
from pipeline.store.features import Features
from pipeline.store.views import View
from pipeline.vision.settings import VisionSettings

OPENFACE_STAGE, TABLE = "openface", "table"
"""Where OpenFace's rows are stored: the stage, and the array in its feature files."""


def feature_names(settings: VisionSettings | None = None) -> tuple[str, ...]:
    """Return the names of the chosen dimensions, in order: by default, all 709."""
    return tuple(FEATURE_NAMES[place] for place in _chosen(settings or VisionSettings()))


def _chosen(settings: VisionSettings) -> NDArray[np.int64]:
    """Return the places of the chosen columns among the 709."""
    every = np.arange(len(FEATURE_NAMES))
    if settings.columns == "all":
        return every
    return np.concatenate([every[FEATURE_GROUPS[group]] for group in settings.columns])


@dataclass(frozen=True)
class VisionInputs:
    """What the vision feature of one clip is made from.

    Parameters
    ----------
    table : ndarray, float32 [rows, 714]
        OpenFace's rows.
    times : ndarray, float64 [pictures]
        When each picture is shown, in seconds of the clip's clock; row i is picture i.
    frames : int
        Frames of the clip on the common grid.
    fps : float
        Frames per second of the common grid.
    seen : ndarray, bool [rows], optional
        Rows that OpenFace wrote; the others stand for frames that it was not shown.
    pictured : ndarray, bool [frames], optional
        Frames at which the clip shows a picture: not before its first, after its last or in a
        hole left by lost packets.
    """

    table: NDArray[np.float32]
    times: NDArray[np.float64]
    frames: int
    fps: float
    seen: NDArray[np.bool_] | None = None
    pictured: NDArray[np.bool_] | None = None


class VisionExtractor(Extractor):
    """Put OpenFace's rows on the frame grid, mask those without a face, pool.

    Parameters
    ----------
    settings : VisionSettings
        Which rows count, and how many make a vector.

    Notes
    -----
    With ``rows: grid`` each frame takes the row nearest in time
    (`pipeline.openface.grid.nearest_rows`); with ``rows: csv`` the rows that OpenFace wrote
    follow one another. Rows that OpenFace marks ``success`` 0 hold stale or made-up landmarks;
    they enter a feature with ``invalid: keep`` alone. Groups of `pool` successive rows are
    averaged over those in use; the last group may be shorter. A group without one is a row of
    zeros with ``valid`` 0, or left out (``invalid: drop``). The published recipe is
    ``rows: csv``, ``invalid: keep``, ``pool: 5``.

    Examples
    --------
    >>> table = np.ones((90, 714), np.float32)
    >>> table[10:20, SUCCESS] = 0  # no face in these frames
    >>> inputs = VisionInputs(table, times=np.arange(90) / 30, frames=90, fps=30)
    >>> features = VisionExtractor(VisionSettings()).extract(inputs)
    >>> features.arrays["vision"].shape, int(features.arrays["valid"].sum())
    ((90, 709), 80)
    """

    version: ClassVar[int] = 2

    def __init__(self, settings: VisionSettings) -> None:
        self.settings = settings

    def extract(self, inputs: VisionInputs) -> Features:
        """Compute the feature of one clip.

        Parameters
        ----------
        inputs : VisionInputs
            OpenFace's table, and the clip's grid of T frames.

        Returns
        -------
        Features
            ``vision [T', d]`` float32 (see `feature_names`; d = 709 for all columns) and
            ``valid [T']`` uint8.
            ``info`` holds ``frames`` (rows before pooling), ``success_share`` (the share of them
            with success 1), ``mean_confidence`` (over these; 0 if there are none) and ``notes``.
            Without pooling, ``vision`` is a view of the table.

        Raises
        ------
        ClipError
            If nothing is left after dropping, or OpenFace was shown no face.
        """
        table = _checked(inputs)
        index = self._rows(inputs)
        rows, there = table[index], index >= 0
        if inputs.seen is not None:
            there &= inputs.seen[index]
        if inputs.pictured is not None and self.settings.rows == "grid":
            there &= inputs.pictured
        success = there & (rows[:, SUCCESS] == 1)
        values, used = rows[:, FIRST_FEATURE:], success
        if self.settings.columns != "all":
            values = values[:, _chosen(self.settings)]
        if self.settings.invalid == "keep":
            used = there & np.isfinite(values).all(1)  # NaN and infinity have no mean
        vision, valid = _pool(values, used, self.settings.pool)
        if self.settings.invalid == "drop":
            vision, valid = vision[valid], valid[valid]
        if not len(vision):
            raise ClipError(
                "OpenFace found no face in any frame, so no vision feature is left",
                "look at the clip's face crops; vision.rows: grid with vision.invalid: zero keeps "
                "such clips as zeros",
            )
        return Features(
            arrays={"vision": vision, "valid": valid.astype(np.uint8)},
            info=_quality(rows, success),
            views={} if self.settings.pool > 1 else {"vision": self._view(index, used)},
        )

    def _view(self, index: NDArray[np.int64], used: NDArray[np.bool_]) -> View:
        """Say which rows of OpenFace's table make the feature, so that it need not be stored."""
        rows = np.where(used, index, -1).astype(np.int32)
        if self.settings.invalid == "drop":
            rows = rows[used]
        places = FIRST_FEATURE + _chosen(self.settings)
        runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
        columns = tuple((int(run[0]), int(run[-1]) + 1) for run in runs)
        return View(OPENFACE_STAGE, TABLE, rows, columns)

    def _rows(self, inputs: VisionInputs) -> NDArray[np.int64]:
        """Return which row of the table each row before pooling is; -1 for none."""
        rows = len(inputs.table)
        if self.settings.rows == "grid":
            return nearest_rows(inputs.times, rows, inputs.frames, inputs.fps)
        return np.arange(rows) if inputs.seen is None else np.flatnonzero(inputs.seen)


def _checked(inputs: VisionInputs) -> NDArray[np.float32]:
    table = inputs.table
    if inputs.frames < 1 or table.ndim != 2 or table.shape[0] < 1:
        raise ClipError(
            f"an OpenFace table of shape {list(table.shape)} for {inputs.frames} frames"
        )
    if table.shape[1] != len(COLUMNS):
        raise ClipError(f"an OpenFace table of {table.shape[1]} columns, expected {len(COLUMNS)}")
    return table


def _pool(
    rows: NDArray[np.float32], valid: NDArray[np.bool_], size: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if not len(rows):
        return rows, valid
    starts = np.arange(0, len(rows), size)
    counts = np.add.reduceat(valid.astype(np.int64), starts)
    kept = np.where(valid[:, None], rows, 0).astype(np.float64)
    sums = np.add.reduceat(kept, starts, axis=0)
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32), counts > 0


def _quality(table: NDArray[np.float32], success: NDArray[np.bool_]) -> dict[str, Any]:
    confidence = table[success, CONFIDENCE].astype(np.float64)
    return {
        "frames": len(table),
        "success_share": round(float(success.mean()), 6),
        "mean_confidence": round(float(confidence.mean()), 6) if len(confidence) else 0.0,
        "notes": [],
    }
