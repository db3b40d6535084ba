"""Track the speaker's face through a clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

MIN_OVERLAP = 0.3
"""Intersection over union from which two boxes in neighbouring frames are the same face."""
MAX_GAP = 15
"""Largest number of frames from one sighting of a face to the next in the same tracklet."""
MIN_LINKED = 3
"""Fewest frames of a tracklet that can continue the speaker's track."""


@dataclass(frozen=True)
class Detections:
    """The faces MTCNN found in one frame.

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        x1, y1, x2, y2 in pixels.
    probabilities : ndarray, shape (n,)
        MTCNN's probability of a face, 0 to 1.
    landmarks : ndarray, shape (n, 5, 2)
        Left eye, right eye, nose, left and right mouth corner, in pixels.
    """

    boxes: Array
    probabilities: Array
    landmarks: Array

    def take(self, which: NDArray[Any]) -> Detections:
        """Return some of the faces, by index or mask."""
        return Detections(self.boxes[which], self.probabilities[which], self.landmarks[which])

    def scaled(self, across: float, down: float) -> Detections:
        """Return the same faces in a picture that is so many times as wide and as high."""
        factors = np.array([across, down], np.float32)
        return Detections(
            self.boxes * np.tile(factors, 2), self.probabilities, self.landmarks * factors
        )

    def join(self, other: Detections) -> Detections:
        """Return the faces of both."""
        return Detections(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.probabilities, other.probabilities]),
            np.concatenate([self.landmarks, other.landmarks]),
        )


@dataclass
class Tracklet:
    """One face in consecutive frames: ``faces`` maps a frame to an index into its detections."""

    faces: dict[int, int] = field(default_factory=dict)
    box: Array = field(default_factory=lambda: np.zeros(4, np.float32))
    last: int = -1
    weight: float = 0.0

    def add(self, frame: int, index: int, box: Array) -> None:
        """Append the same face in a later frame."""
        self.faces[frame] = index
        self.box = box
        self.last = frame
        self.weight += float(np.sqrt(max(_area(box), 0.0)))


def _area(box: Array) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def overlap(a: Array, b: Array) -> NDArray[np.float64]:
    """Return the intersection over union of boxes ``[n, 4]`` and ``[m, 4]`` as ``[n, m]``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(-1, dtype=np.float64)
    areas_a = (a[:, 2:] - a[:, :2]).prod(-1, dtype=np.float64)
    areas_b = (b[:, 2:] - b[:, :2]).prod(-1, dtype=np.float64)
    return np.asarray(common / np.maximum(areas_a[:, None] + areas_b[None, :] - common, 1e-9))


def tracklets(frames: list[Detections]) -> list[Tracklet]:
    """Link overlapping faces of neighbouring frames, with the best total overlap."""
    from scipy.optimize import linear_sum_assignment

    done: list[Tracklet] = []
    for number, found in enumerate(frames):
        if len(found.boxes) == 0:
            continue
        taken: set[int] = set()
        open_ = [t for t in done if number - t.last <= MAX_GAP]
        if open_:
            scores = overlap(np.stack([t.box for t in open_]), found.boxes)
            for row, column in zip(*linear_sum_assignment(-scores), strict=True):
                if scores[row, column] >= MIN_OVERLAP:
                    open_[row].add(number, int(column), found.boxes[column])
                    taken.add(int(column))
        for index in range(len(found.boxes)):
            if index not in taken:
                done.append(Tracklet())
                done[-1].add(number, index, found.boxes[index])
    return done


def follow_speaker(frames: list[Detections]) -> list[int | None]:
    """Choose the speaker's face in each frame.

    The speaker's face is large and visible for long: it is the tracklet with the greatest sum of
    box sides. After a cut or a turn of the head the speaker continues as another tracklet.
    Tracklets that never share a frame with the speaker's are joined to it, largest sum first. A
    face in the same frame as the speaker's belongs to somebody else, even if it is larger.

    Parameters
    ----------
    frames : list of Detections
        The faces of each of T frames.

    Returns
    -------
    list of int or None
        For each frame, the index of the speaker's face; None if it was not found.
    """
    ranked = sorted(tracklets(frames), key=lambda t: (-t.weight, min(t.faces)))
    chosen: dict[int, int] = {}
    others: set[int] = set()
    for tracklet in ranked:
        if not chosen:
            chosen.update(tracklet.faces)
        elif chosen.keys().isdisjoint(tracklet.faces) and len(tracklet.faces) >= MIN_LINKED:
            if others.isdisjoint(tracklet.faces):
                chosen.update(tracklet.faces)
        else:
            others.update(tracklet.faces)
    return [chosen.get(number) for number in range(len(frames))]


def largest_face(frames: list[Detections]) -> list[int | None]:
    """Choose the largest face of each frame, whoever it belongs to (the published recipe).

    Parameters
    ----------
    frames : list of Detections
        The faces of each of T frames.

    Returns
    -------
    list of int or None
        For each frame, the index of its largest face; None if it has no face.
    """
    return [
        int(np.argmax([_area(box) for box in found.boxes])) if len(found.boxes) else None
        for found in frames
    ]
