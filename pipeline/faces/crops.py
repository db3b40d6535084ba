"""Which of a clip's face crops are kept once nothing reads all of them any longer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.store.features import Features

if TYPE_CHECKING:
    from pipeline.config import Config


def trims(config: Config) -> Mapping[str, int] | None:
    """Return how crops are dropped: all but so many thumbnails; None if they are kept."""
    return None if config.faces.keep_crops else {"thumbnails": config.report.thumbnails}


def trimmed(features: Features, how: Mapping[str, Any]) -> Features:
    """Drop the crops that the report does not show.

    Parameters
    ----------
    features : Features
        The result of the faces stage for T frames.
    how : mapping
        ``thumbnails``, the number of crops to keep (`film_frames`).

    Returns
    -------
    Features
        The same, but ``crop_offsets [T + 1]`` has an empty range for each dropped crop. The box of
        such a frame stays; without a face it is NaN.
    """
    offsets, data = features.arrays["crop_offsets"], features.arrays["crop_bytes"]
    kept = set(film_frames(len(offsets) - 1, how["thumbnails"]))
    parts = [
        data[start:end] if frame in kept else data[:0]
        for frame, (start, end) in enumerate(pairwise(offsets.tolist()))
    ]
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    crops = np.concatenate([data[:0], *parts])
    arrays = {**features.arrays, "crop_offsets": ends, "crop_bytes": crops}
    return Features(arrays, features.info, trimmed=how)


def film_frames(total: int, count: int, kept: int | None = None) -> list[int]:
    """Return the frames that a film strip shows.

    Parameters
    ----------
    total : int
        Frames of the clip.
    count : int
        Pictures of the strip, at most; they are evenly spread.
    kept : int, optional
        So many crops were kept of a clip whose other crops are gone.

    Examples
    --------
    >>> film_frames(90, 3)
    [15, 45, 75]
    >>> film_frames(90, 2, kept=3), film_frames(90, 6, kept=3)
    ([15, 75], [15, 45, 75])
    """
    if kept is not None:
        there = film_frames(total, kept)
        return [there[i] for i in film_frames(len(there), count)]
    count = min(count, total)
    return [int((i + 0.5) * total / count) for i in range(count)]
