"""Which decoded picture each frame of the grid shows, and which frames have none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.media.pictures import CLOCK, Pictures

HELD_SECONDS = 0.5
"""Without a new one for longer than this a picture is gone, unless the clip is always so slow;
phones and cameras go down to 5 pictures a second, lost packets leave longer holes."""

EDGE_SECONDS = 0.1
"""The first and last picture stand in for up to this much before and after them: an encoder's
delay of some frames, and the last packet of sound, are in nearly every file."""

Numbers = NDArray[np.int32]


def grid_length(pictures_end: float, seconds: float, fps: float) -> int:
    """Return T: the frames that have pictures, or those of the clip where that is longer.

    Parameters
    ----------
    pictures_end : float
        End of the last frame that has a picture, in seconds.
    seconds : float
        Length of the clip, sound included, in seconds.
    fps : float
        Frames per second of the grid.
    """
    longest = seconds if seconds > pictures_end + EDGE_SECONDS else pictures_end
    return max(round(longest * fps), 1)


def place(pictures: Pictures, seconds: float, fps: float) -> tuple[Numbers, Numbers]:
    """Say for each frame of the grid which picture it shows.

    Parameters
    ----------
    pictures : Pictures
        As decoded and written.
    seconds : float
        Length of the clip, sound included, in seconds.
    fps : float
        Frames per second of the grid.

    Returns
    -------
    shown : ndarray, int32 [T]
        Picture of the written video, -1 for none.
    source : ndarray, int32 [T]
        Decoded picture of the clip, -1 for none.
    """
    numbers, ticks = pictures.numbers, pictures.ticks
    frames = np.arange(grid_length((numbers[-1] + 1) / fps, seconds, fps))
    shown = np.searchsorted(numbers, frames, side="right") - 1
    # the fps filter puts a picture on the nearest frame, ties upwards, where it stays until
    # the next one comes
    order = np.argsort(ticks, kind="stable")
    starts = np.floor(ticks[order] * fps / CLOCK + 0.5)
    source = order[np.maximum(np.searchsorted(starts, frames, side="right") - 1, 0)]
    times = ticks[order] / CLOCK
    empty = _holes(times, pictures.last / CLOCK, frames / fps, numbers[-1] / fps)
    if times[0] <= EDGE_SECONDS:
        shown = np.maximum(shown, 0)
    empty |= shown < 0
    return np.where(empty, -1, shown).astype(np.int32), np.where(empty, -1, source).astype(np.int32)


def _holes(
    times: NDArray[np.float64], last: float, frames: NDArray[np.float64], end: float
) -> NDArray[np.bool_]:
    """Find the frames in long gaps between pictures, and after the last one."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else last
    before = np.maximum(np.searchsorted(times, frames + 1e-9, side="right") - 1, 0)
    following = np.append(times, np.inf)[before + 1]
    gap = following - times[before]
    long = (gap > max(HELD_SECONDS, 2 * usual)) & np.isfinite(gap)
    # a frame nearer to a picture than half a frame shows that one
    stale = (frames - times[before] >= usual) & (following - frames > 0.5 * usual)
    return np.asarray((long & stale) | (frames > end + 1e-9), np.bool_)
