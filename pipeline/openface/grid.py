"""How the rows of an OpenFace table meet the common frame grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.openface.columns import TIMESTAMP

Grid = Literal["frame", "timestamp"]

_END_TOLERANCE = 0.25
"""Seconds by which a CSV's last timestamp may miss the end of the clip: players and converters
disagree about a clip's last frames by this much, a file that was cut off by more."""


def choose_grid(
    table: NDArray[np.float32], by: Literal["auto", "frame", "timestamp"], name: str
) -> Grid:
    """Decide how rows meet frames: by timestamp where there are real ones, else by number.

    OpenFace writes 0.000 on every row of an image folder (``-fdir``) and the video's own times
    for a video (``-f``).
    """
    times = table[:, TIMESTAMP]
    if by == "auto":
        return "timestamp" if times.any() else "frame"
    if by == "timestamp" and not times.any() and len(times) > 1:
        raise ClipError(
            f"{name}: every timestamp is 0, so the rows cannot be matched by time",
            "set openface.import_by to auto or frame: these rows come from images (-fdir)",
        )
    return by


def check_grid(
    table: NDArray[np.float32], frames: int, fps: float, grid: Grid, name: str
) -> list[str]:
    """Check that a table covers a clip, and say what is not exact.

    Parameters
    ----------
    table : ndarray, float32 [rows, 714]
        An OpenFace table.
    frames : int
        Frames of the clip on the common grid.
    fps : float
        Frames per second of the common grid.
    grid : {'frame', 'timestamp'}
        Row i is frame i, or rows lie at their timestamps.
    name : str
        The file's name, for messages.

    Returns
    -------
    list of str
        Notes for the report.

    Raises
    ------
    ClipError
        If rows and frames differ by more than one (frame), or if the timestamps do not rise or
        miss the end of the clip by more than a quarter of a second or two rows (timestamp).
    """
    if grid == "frame":
        return _check_rows(len(table), frames, fps, name)
    return _check_times(table[:, TIMESTAMP].astype(np.float64), frames, fps, name)


def nearest_rows(
    table: NDArray[np.float32], frames: int, fps: float, grid: Grid
) -> NDArray[np.int64]:
    """Return for each frame of the grid the row that stands for it, int64 [frames].

    Frame i lies at i / fps seconds. By timestamp, it takes the row nearest in time, the earlier
    of two equally near ones; values are never interpolated (presences are 0 or 1, and a loss
    of the face must not bleed into its neighbours). By frame, it takes row i, or the last
    row where the table is one short.
    """
    if grid == "frame":
        return np.minimum(np.arange(frames), len(table) - 1)
    times = table[:, TIMESTAMP].astype(np.float64)
    wanted = np.arange(frames) / fps
    after = np.searchsorted(times, wanted).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    # OpenFace prints milliseconds, so two distances that agree to one are a tie
    earlier = wanted - times[before] <= times[after] - wanted + 1e-3
    return np.where(earlier, before, after)


def _check_rows(rows: int, frames: int, fps: float, name: str) -> list[str]:
    if abs(rows - frames) > 1:
        raise ClipError(
            f"{name} has {rows} rows, the clip has {frames} frames at {fps:g} Hz; they may "
            "differ by one at most",
            f"run OpenFace again on the clip's frames at {fps:g} Hz, one row a frame"
            + (" (the CSV was cut off)" if rows < frames else ""),
        )
    if rows == frames:
        return []
    meaning = "the last row stands for both" if rows < frames else "the last row was left out"
    return [f"{name}: {rows} rows for {frames} frames; {meaning}"]


def _check_times(times: NDArray[np.float64], frames: int, fps: float, name: str) -> list[str]:
    steps = np.diff(times)
    if len(steps) and steps.min() <= 0:
        line = int(np.argmax(steps <= 0)) + 3
        raise ClipError(
            f"{name} line {line}: the timestamp {times[line - 2]:.3f} does not come after "
            f"{times[line - 3]:.3f}",
            "run OpenFace again on this clip's video",
        )
    step = float(np.median(steps)) if len(steps) else 0.0
    last = (frames - 1) / fps
    tolerance = max(_END_TOLERANCE, 2 * step)
    if abs(times[-1] - last) > tolerance:
        raise ClipError(
            f"{name} ends at {times[-1]:.2f} s, the clip's last frame is at {last:.2f} s",
            "run OpenFace again on this clip's whole video; the CSV was cut off or belongs to "
            "another video",
        )
    rate = f" ({1 / step:.1f} rows/s)" if step else ""
    return [f"{name}: {len(times)} rows{rate} matched by time to {frames} frames at {fps:g} Hz"]
