"""Which picture of the clip each row of an imported CSV belongs to, and when it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.openface.columns import TIMESTAMP
from pipeline.openface.pictures import Pictures

Grid = Literal["frame", "picture"]

_END_TOLERANCE = 0.25
"""Seconds of a clip's end for which rows may be missing: decoders disagree about the last
pictures by this much, a file that was cut off by more."""

_SURPLUS = 2
"""Rows that a CSV may have more than the clip has pictures."""


@dataclass(frozen=True)
class Clock:
    """The clip's frames and pictures.

    Parameters
    ----------
    faces : ndarray, bool [frames]
        Where the clip's face was found, for each frame of the grid.
    fps : float
        Frames per second of the grid; frame k lies at k / fps seconds.
    pictures : callable
        Returns the decoded pictures of the clip's video; called where they are needed.
    zero : float
        The clip's time zero on the file's own clock, in seconds.
    pictured : ndarray, bool [frames], optional
        Frames of the grid that show a picture; by default all.
    """

    faces: NDArray[np.bool_]
    fps: float
    pictures: Callable[[], Pictures]
    zero: float
    pictured: NDArray[np.bool_] | None = None

    @property
    def frames(self) -> int:
        """Frames of the grid."""
        return len(self.faces)

    def shown(self) -> NDArray[np.float64]:
        """Return when each decoded picture is shown, in seconds of the clip's clock."""
        return self.pictures().times - self.zero

    def shown_to(self, rows: int) -> tuple[NDArray[np.int64], str] | None:
        """Return the frames that a folder of `rows` images may hold, and what they have."""
        for mask, has in ((self.pictured, "a picture"), (self.faces, "a face")):
            if mask is not None and rows == mask.sum():
                return np.flatnonzero(mask), has
        return None


@dataclass(frozen=True)
class Placed:
    """Where the rows of a table lie.

    Parameters
    ----------
    grid : {'frame', 'picture'}
        Whether rows are frames of the common grid, or pictures of the clip's own video.
    times : ndarray, float64 [pictures]
        When each picture is shown, in seconds of the clip's clock; row i is picture i. A CSV
        may lack rows for the last pictures, or have some that belong to none.
    notes : list of str
        What the report says about it.
    """

    grid: Grid
    times: NDArray[np.float64]
    notes: list[str]


def place_rows(
    table: NDArray[np.float32], clock: Clock, by: Literal["auto", "frame", "picture"], name: str
) -> Placed:
    """Say when each row's picture is shown.

    A row's number tells: row i of a video's CSV is decoded picture i, at that picture's own
    time. The CSV's timestamps only tell videos from folders of images, where all are 0;
    OpenFace computes them from the average rate, which is wrong for phones' variable rates.

    Parameters
    ----------
    table : ndarray, float32 [rows, 714]
        An OpenFace table.
    clock : Clock
        The clip's frames and pictures.
    by : {'auto', 'frame', 'picture'}
        Rows are frames of the grid, pictures of the video, or what fits.
    name : str
        The file's name, for messages.

    Raises
    ------
    ClipError
        If the number of rows fits neither.
    """
    rows = len(table)
    of_images = by == "auto" and not np.nan_to_num(table[:, TIMESTAMP]).any()
    if by == "frame" or (of_images and _near(rows, clock)):
        return _on_frames(rows, clock, name)
    some = clock.shown_to(rows)
    if of_images and some is not None:
        frames, has = some
        note = f"{name}: {rows} rows for the {rows} of {clock.frames} frames with {has}"
        return Placed("frame", frames / clock.fps, [note])
    pictures = clock.pictures()
    count = len(pictures.times)
    if by == "auto" and abs(rows - count) > 1 and _near(rows, clock):
        placed = _on_frames(rows, clock, name)
        copied = f"{name}: its rows are the clip's {clock.frames} frames at {clock.fps:g} Hz, not "
        copied += f"the {count} pictures of its video"
        return Placed(placed.grid, placed.times, [copied, *placed.notes])
    span = pictures.times[-1] - pictures.times[0]
    lacking = max(_SURPLUS, int(_END_TOLERANCE * (count - 1) / span) if span > 0 else 0)
    if not -lacking <= rows - count <= _SURPLUS:
        raise _fits_nothing(rows, count, clock, by, pictures, name)
    return Placed("picture", clock.shown(), [_said(table, pictures, clock, name)])


def _near(rows: int, clock: Clock) -> bool:
    return abs(rows - clock.frames) <= 1


def _on_frames(rows: int, clock: Clock, name: str) -> Placed:
    if not _near(rows, clock):
        raise ClipError(
            f"{name} has {rows} rows, the clip has {clock.frames} frames at {clock.fps:g} Hz; they "
            "may differ by one at most",
            f"run OpenFace again on the clip's frames at {clock.fps:g} Hz, one row per frame"
            + (" (the CSV was cut off)" if rows < clock.frames else ""),
        )
    notes = []
    if rows != clock.frames:
        short = rows < clock.frames
        meaning = "the last row stands for both" if short else "the last row was left out"
        notes = [f"{name}: {rows} rows for {clock.frames} frames; {meaning}"]
    return Placed("frame", np.arange(min(rows, clock.frames)) / clock.fps, notes)


def _fits_nothing(
    rows: int, count: int, clock: Clock, by: str, pictures: Pictures, name: str
) -> ClipError:
    found = f"{name} has {rows} rows; the clip's video has {count} pictures ({pictures.rates})"
    if by == "auto":
        found += f", which make {clock.frames} frames at {clock.fps:g} Hz"
    return ClipError(
        f"{found}: it "
        + ("was cut off, or " if rows < count else "")
        + "belongs to another video or another rate",
        "run OpenFace again on this clip's whole video",
    )


def _said(table: NDArray[np.float32], pictures: Pictures, clock: Clock, name: str) -> str:
    rows, count = len(table), len(pictures.times)
    said = (
        f"{name}: its {rows} rows are the video's {count} pictures ({pictures.rates}), "
        f"matched to {clock.frames} frames at {clock.fps:g} Hz"
    )
    if rows < count:
        said += f"; the last {count - rows} have no row and are masked"
    elif rows > count:
        said += f"; the last {rows - count} rows were left out"
    times = table[:, TIMESTAMP].astype(np.float64)
    if rows > 1 and times[-1] > times[0]:
        # pictures are not placed by it, but a reader may wonder
        claimed = (rows - 1) / (times[-1] - times[0])
        span = pictures.times[-1] - pictures.times[0]
        true = (count - 1) / span if span > 0 else claimed
        if abs(claimed / true - 1) > 0.02:
            said += f"; its timestamps, which say {claimed:.1f} a second, are wrong and not used"
    return said
