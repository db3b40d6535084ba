"""The vision feature: OpenFace's 709 values on the common frame grid, with a validity mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.openface.columns import COLUMNS, CONFIDENCE, FEATURE_NAMES, FIRST_FEATURE, SUCCESS
from pipeline.openface.grid import Grid, check_grid, nearest_rows
from pipeline.store.features import Features
from pipeline.vision.settings import VisionSettings


def feature_names() -> tuple[str, ...]:
    """Return the names of the 709 dimensions, in order."""
    return FEATURE_NAMES


@dataclass(frozen=True)
class VisionInputs:
    """The inputs of one clip's vision feature.

    Parameters
    ----------
    table : ndarray, float32 [rows, 714]
        OpenFace's rows (columns: `pipeline.openface.columns.COLUMNS`).
    frames : int
        Number of frames of the clip on the common grid.
    fps : float
        Rate of the common grid, in Hz.
    grid : {'frame', 'timestamp'}
        Whether row i is frame i, or each row is placed at its timestamp.
    """

    table: NDArray[np.float32]
    frames: int
    fps: float
    grid: Grid


class VisionExtractor(Extractor):
    """Put OpenFace's rows on the frame grid, mask those without a face, pool.

    Parameters
    ----------
    settings : VisionSettings
        What happens to frames without a face, and how many frames are averaged.

    Notes
    -----
    Each frame takes the row nearest in time (`pipeline.openface.grid.nearest_rows`). Rows that
    OpenFace marks ``success`` 0 hold stale or made-up landmarks; they never enter a feature.
    Groups of `pool` successive frames are averaged over their valid frames; the last group may
    be shorter. A group without a valid frame is a row of zeros with ``valid`` 0
    (``invalid: zero``), or left out (``invalid: drop``, the published recipe).

    Examples
    --------
    >>> table = np.ones((90, 714), np.float32)
    >>> table[10:20, SUCCESS] = 0  # no face in these frames
    >>> inputs = VisionInputs(table, frames=90, fps=30, grid="frame")
    >>> features = VisionExtractor(VisionSettings()).extract(inputs)
    >>> features.arrays["vision"].shape, int(features.arrays["valid"].sum())
    ((90, 709), 80)
    """

    version: ClassVar[int] = 1

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
            ``vision [T', 709]`` float32 (see `feature_names`) and ``valid [T']`` uint8, with
            T' = ceil(T / `pool`). ``info`` holds ``frames`` (T), ``success_share`` (share of
            valid frames), ``mean_confidence`` (over valid frames; 0 if there are none) and
            ``notes``.

        Raises
        ------
        ClipError
            If the table does not cover the clip, or nothing is left after dropping.
        """
        table = _checked(inputs)
        notes = check_grid(table, inputs.frames, inputs.fps, inputs.grid, "the OpenFace table")
        on_grid = table[nearest_rows(table, inputs.frames, inputs.fps, inputs.grid)]
        success = on_grid[:, SUCCESS] == 1
        vision, valid = _pool(on_grid[:, FIRST_FEATURE:], success, self.settings.pool)
        if self.settings.invalid == "drop":
            vision, valid = vision[valid], valid[valid]
        if not len(vision):
            raise ClipError(
                "OpenFace found no face in any frame, so no vision feature is left",
                "look at the clip's face crops; vision.invalid: zero keeps such clips as zeros",
            )
        return Features(
            arrays={"vision": vision, "valid": valid.astype(np.uint8)},
            info=_quality(on_grid, success, notes),
        )


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
    starts = np.arange(0, len(rows), size)
    counts = np.add.reduceat(valid.astype(np.int64), starts)
    kept = np.where(valid[:, None], rows, 0).astype(np.float64)
    sums = np.add.reduceat(kept, starts, axis=0)
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32), counts > 0


def _quality(
    table: NDArray[np.float32], success: NDArray[np.bool_], notes: list[str]
) -> dict[str, Any]:
    confidence = table[success, CONFIDENCE].astype(np.float64)
    return {
        "frames": len(table),
        "success_share": round(float(success.mean()), 6),
        "mean_confidence": round(float(confidence.mean()), 6) if len(confidence) else 0.0,
        "notes": notes,
    }
