"""How many pictures of a clip are held in memory while another stage reads them."""

from __future__ import annotations

MOST_HELD = 256_000_000
"""Bytes of a video that is held in memory: 24 s of 640x360 pixels at 30 Hz, 2.7 s of full HD."""

_PIXEL = 1.5
"""Bytes of a pixel that is stored as it is, in the form of nearly all videos (4:2:0)."""


def held_bytes(size: tuple[int, int], seconds: float, fps: float) -> float:
    """Return what the pictures of a clip take in memory; 0 if they are written to the disk.

    Parameters
    ----------
    size : tuple of int
        Width and height as displayed.
    seconds : float
        Length of the clip.
    fps : float
        Frames per second of the grid.

    Examples
    --------
    >>> held_bytes((640, 360), 4.0, 30.0) / 1e6, held_bytes((1920, 1080), 60.0, 30.0)
    (41.472, 0)
    """
    needed = _PIXEL * size[0] * size[1] * seconds * fps
    return needed if needed < MOST_HELD else 0
