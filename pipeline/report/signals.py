"""Signals and thumbnails small enough for a page: one printed character per sample."""

from __future__ import annotations

import base64
import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Character i stands for level i of 64; a full stop stands for a missing sample."""

LEVELS = len(ALPHABET)
_BYTES = np.frombuffer(f"{ALPHABET}.".encode(), np.uint8)


@dataclass(frozen=True)
class Detail:
    """How finely clips are drawn.

    Parameters
    ----------
    columns : int
        Samples per track.
    pixels, quality : int
        Side of a face thumbnail and its WebP quality.
    clips : int
        Clips that get tracks at all, those with the gravest findings.
    """

    columns: int
    pixels: int
    quality: int
    clips: int


# (columns, pixels, quality, bytes per clip with six thumbnails, measured on the demo's faces)
_STEPS = ((120, 112, 75, 22_050), (80, 72, 60, 11_650), (48, 48, 35, 5_750))
_PAGE = 300_000
_TABLE = 0.6
"""Largest share of the page that the rows of the clips' table may take."""


def fitting_rows(sizes: Sequence[int], megabytes: float) -> int:
    """Return how many of the table's rows, which take so many bytes each, go into a page."""
    room = _TABLE * megabytes * 1e6
    return bisect_right(list(accumulate(sizes)), room)


def fitting_detail(clips: int, megabytes: float, table: int) -> Detail:
    """Return the finest detail with which `clips` clips stay under a page of `megabytes`.

    Parameters
    ----------
    clips : int
        Clips in the table.
    megabytes : float
        Upper limit of the page.
    table : int
        Bytes that the table takes.
    """
    room = 0.95 * megabytes * 1e6 - _PAGE - table
    for columns, pixels, quality, size in _STEPS:
        if clips * size <= room:
            return Detail(columns, pixels, quality, clips)
    return Detail(columns, pixels, quality, max(0, int(room / size)))


def resample(values: NDArray[np.floating[Any]], columns: int) -> NDArray[np.float64]:
    """Average a signal ``[T, ...]`` over equal spans of time: ``[min(T, columns), ...]``.

    Missing samples (NaN) do not count; a span of nothing but them is missing.
    """
    samples: NDArray[np.float64] = np.asarray(values, np.float64)
    total = len(samples)
    if total <= columns:
        return samples
    starts = (np.arange(columns) * total) // columns
    there = np.isfinite(samples)
    counts = np.add.reduceat(there.astype(np.int64), starts, axis=0)
    sums = np.add.reduceat(np.where(there, samples, 0.0), starts, axis=0)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


def pack(values: NDArray[np.floating[Any]], low: float, high: float) -> str:
    """Write samples as characters of `ALPHABET`, `low` to `high`, clipped; NaN as a stop."""
    values = np.asarray(values, np.float64).ravel()
    scaled = np.rint((np.clip(values, low, high) - low) / (high - low) * (LEVELS - 1))
    places = np.where(np.isfinite(values), np.nan_to_num(scaled), LEVELS).astype(np.int64)
    return _BYTES[places].tobytes().decode("ascii")


def film_strip(crops: Sequence[bytes | None], pixels: int, quality: int) -> str:
    """Return face crops side by side as one base64 WebP; a missing crop is left blank."""
    from PIL import Image

    strip = Image.new("RGB", (pixels * max(len(crops), 1), pixels), (128, 128, 128))
    for place, crop in enumerate(crops):
        if crop is None:
            continue
        try:
            with Image.open(io.BytesIO(crop), formats=("JPEG",)) as image:
                image.draft("RGB", (2 * pixels, 2 * pixels))  # decoded no larger than needed
                small = image.convert("RGB").resize((pixels, pixels), Image.Resampling.LANCZOS)
        except (OSError, ValueError):
            continue  # the faces stage checks its crops; here a bad one is a blank
        strip.paste(small, (pixels * place, 0))
    buffer = io.BytesIO()
    strip.save(buffer, "WEBP", quality=quality, method=6)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
