"""Whether an imported table shows the face that MTCNN found in the clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.openface.columns import SUCCESS
from pipeline.openface.motion import facing, motions_differ
from pipeline.openface.points import Camera, camera_of, five_points

Array = NDArray[np.float64]

FEWEST_ROWS = 10
"""Rows with a face on both sides, below which nothing is concluded."""

_SAME_PLACE = 0.15
"""How far five points may lie from MTCNN's, as a share of the face box's side. Right rows of
real videos lie within 0.03; demo clips of the same framing lie 0.05 to 0.4 apart."""

_REMEDY = (
    "run OpenFace on this clip; if the CSV is known to be right (crops of another size, a camera "
    "of your own), set faces.image_size to the crops' side, or openface.import_check to warn"
)


@dataclass(frozen=True)
class FaceTrack:
    """The face that MTCNN found in a clip.

    Parameters
    ----------
    box : ndarray, float [frames, 4]
        x1, y1, x2, y2 in pixels; NaN without a face.
    points : ndarray, float [frames, 5, 2]
        Eyes, nose, mouth corners in pixels; NaN without a face.
    sizes : tuple of (int, int)
        Width and height of the clip's picture as displayed, and as stored where that differs.
    crop : int
        Side of the square face crops, in pixels.
    """

    box: Array
    points: Array
    sizes: tuple[tuple[int, int], ...]
    crop: int


def check_belongs(
    table: NDArray[np.float32], frame: NDArray[np.int64], face: FaceTrack, name: str
) -> list[str]:
    """Hold a table's landmarks against the clip's face.

    Parameters
    ----------
    table : ndarray, float32 [rows, 714]
        An OpenFace table.
    frame : ndarray, int64 [rows]
        The frame of the grid that shows each row's picture; -1 where none does.
    face : FaceTrack
        The face that MTCNN found.
    name : str
        The file's name, for messages.

    Returns
    -------
    list of str
        A note, if too little can be compared.

    Raises
    ------
    ClipError
        If the table shows another person, another clip, a mirrored picture, or a picture of
        another size. See docs/openface.md for what cannot be told.
    """
    rows = _comparable(table, frame, face)
    if len(rows) < FEWEST_ROWS:
        return [
            f"{name} was not held against the clip's face: {len(rows)} rows have one in both, "
            f"needed {FEWEST_ROWS}"
        ]
    seen, found = five_points(table[rows]), face.points[frame[rows]]
    side = np.sqrt(np.prod(face.box[frame[rows], 2:] - face.box[frame[rows], :2], axis=1))
    if np.mean(facing(seen) < 0) > 0.5:
        raise ClipError(
            f"{name} is of a mirrored picture: in it the left eye lies on the right", _REMEDY
        )
    whole = _check_place(camera_of(table[rows]), seen, found, side, face, name)
    problem = motions_differ(
        seen if whole is None else whole, found, rows, None if whole is None else side
    )
    if problem:
        raise ClipError(f"{name} {problem}", _REMEDY)
    return []


def _comparable(
    table: NDArray[np.float32], frame: NDArray[np.int64], face: FaceTrack
) -> NDArray[np.int64]:
    inside = (frame >= 0) & (frame < len(face.box)) & (table[:, SUCCESS] == 1)
    rows = np.flatnonzero(inside)
    # of several pictures on one frame, the last is shown
    rows = rows[np.append(np.diff(frame[rows]) > 0, True)] if len(rows) else rows
    return rows[np.isfinite(face.points[frame[rows]]).all((1, 2))]


def _check_place(
    camera: Camera, seen: Array, found: Array, side: Array, face: FaceTrack, name: str
) -> Array | None:
    """Find the picture that the landmarks are in.

    Returns
    -------
    ndarray, float64 [n, 5, 2], or None
        The points in the clip's picture as displayed; None for crops of the face.
    """
    shown = face.sizes[0]
    known = [*face.sizes, (face.crop, face.crop)]
    if not camera.default and any(camera.was_moved_from(*size) for size in known):
        sizes = []
    else:
        # a camera of the user's own, or points that were mapped, say nothing of the size
        sizes = [size for size in face.sizes if not camera.default or camera.has_size(*size)]
    scaled = [seen * (np.array(shown) / size) for size in sizes]
    for points in scaled:
        if _share_near(points, found, side) >= 0.5:
            return points
    if camera.has_size(face.crop, face.crop):
        return None
    if scaled and camera.default:
        raise _elsewhere(scaled[0], found, side, shown, name)
    raise ClipError(
        f"{name} is of a picture of {_described(camera)}; the clip's is {shown[0]}x{shown[1]}, "
        f"a face crop's {face.crop}x{face.crop}",
        _REMEDY,
    )


def _elsewhere(
    seen: Array, found: Array, side: Array, shown: tuple[int, int], name: str
) -> ClipError:
    mirrored = np.array([shown[0] - 1, 0]) + seen * (-1, 1)
    if _share_near(mirrored[:, [1, 0, 2, 4, 3]], found, side) > 0.8:
        return ClipError(
            f"{name} is of a mirrored picture or another clip: its face lies where the clip's "
            "lies in a mirror",
            _REMEDY,
        )
    here, there = np.median(seen.mean(1), 0), np.median(found.mean(1), 0)
    share = _share_near(seen, found, side)
    return ClipError(
        f"{name} is of another person or clip: its face (around {here[0]:.0f}, {here[1]:.0f}) is "
        f"where the clip's face is (around {there[0]:.0f}, {there[1]:.0f}) in {share:.0%} of rows",
        _REMEDY,
    )


def _described(camera: Camera) -> str:
    if camera.default:
        return f"{camera.width:.0f}x{camera.height:.0f} pixels"
    if camera.exact:
        return (
            f"unknown size, centre {camera.width / 2:.0f}, {camera.height / 2:.0f} and focal "
            f"length {camera.focal:.0f}: its points were moved or scaled, or OpenFace was given "
            "a camera"
        )
    return "unknown size: its landmarks in pixels are not those in millimetres"


def _share_near(seen: Array, found: Array, side: Array) -> float:
    distance = np.linalg.norm(seen - found, axis=2).mean(1) / side
    return float(np.mean(distance < _SAME_PLACE))
