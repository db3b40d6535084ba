"""The faces of a film's searched pictures, linked into tracks within each shot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from pipeline.store.features import Features

_REACH = 1.6
"""Boxes are enlarged by this before they are compared: between two searched pictures, a head moves
further than between two frames."""


@dataclass(frozen=True)
class SeenFace:
    """One face in one picture.

    Parameters
    ----------
    track : int
        Number of its track; the same for a face that stays on screen within a shot.
    size : float
        The box's longer side, in pixels of the film.
    """

    track: int
    size: float


@dataclass(frozen=True)
class Searched:
    """A picture that was searched for faces.

    Parameters
    ----------
    number : int
        Its number in the film.
    time : float
        When it is shown, in seconds.
    faces : tuple of SeenFace
        The faces in it.
    """

    number: int
    time: float
    faces: tuple[SeenFace, ...]


def track_faces(
    parts: Iterable[Features],
    times: NDArray[np.float64],
    shots: Sequence[int],
    probability: float,
) -> list[Searched]:
    """Link the faces that overlap in neighbouring pictures of a shot.

    Parameters
    ----------
    parts : iterable of Features
        What `find_faces` returned, in the order of the film.
    times : ndarray, float64 [n]
        When each picture of the film is shown.
    shots : sequence of int
        The number of each shot's first picture, rising.
    probability : float
        Detections below it are no faces.
    """
    found: dict[int, NDArray[np.float32]] = {}
    for part in parts:
        offsets, boxes = part.arrays["offsets"], part.arrays["boxes"]
        sure = part.arrays["probabilities"] >= probability
        for place, number in enumerate(part.arrays["pictures"].tolist()):
            low, high = offsets[place], offsets[place + 1]
            found[number] = boxes[low:high][sure[low:high]]
    numbers = sorted(found)
    shot_of = np.searchsorted(np.asarray(shots), numbers, side="right").tolist()
    searched: list[Searched] = []
    first_track = 0
    for _, group in groupby(zip(numbers, shot_of, strict=True), key=itemgetter(1)):
        inside = [number for number, _ in group]
        tracks, count = _link([found[number] for number in inside])
        for number, own in zip(inside, tracks, strict=True):
            boxes = found[number]
            sizes: list[float] = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0).tolist()
            faces = tuple(
                SeenFace(first_track + track, size) for track, size in zip(own, sizes, strict=True)
            )
            searched.append(Searched(number, float(times[number]), faces))
        first_track += count
    return searched


def _link(pictures: list[NDArray[np.float32]]) -> tuple[list[list[int]], int]:
    """Return the track of each face of each picture, and how many tracks there are."""
    from pipeline.faces.track import Detections, tracklets

    detections = [
        Detections(
            _enlarged(boxes),
            np.ones(len(boxes), np.float32),
            np.zeros((len(boxes), 5, 2), np.float32),
        )
        for boxes in pictures
    ]
    linked = tracklets(detections)
    tracks = [[0] * len(boxes) for boxes in pictures]
    for number, tracklet in enumerate(linked):
        for picture, face in tracklet.faces.items():
            tracks[picture][face] = number
    return tracks, len(linked)


def _enlarged(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * np.float32(_REACH)
    return np.concatenate([middle - half, middle + half], axis=1)
