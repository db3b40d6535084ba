"""The five sentiment classes of the multimodal label M (paper, section 3.3)."""

from __future__ import annotations

import math
from bisect import bisect_left

CLASSES = ("NG", "WN", "NU", "WP", "PS")
"""Negative, weakly negative, neutral, weakly positive, positive."""

EDGES = (-0.7, -0.1, 0.1, 0.7)
"""Halfway between the labels of neighbouring classes; a label on an edge is of the lower class."""

_ROUNDING = 9


def class_of(label: float) -> int:
    """Return the index in `CLASSES` of a label.

    Parameters
    ----------
    label : float
        M, usually on the grid -1.0, -0.8 ... 1.0. A label off the grid is of the class of
        the nearest label on it.

    Raises
    ------
    ValueError
        If the label is NaN.
    """
    if math.isnan(label):
        raise ValueError("a clip without the label M has no class")
    return bisect_left(EDGES, round(label, _ROUNDING))
