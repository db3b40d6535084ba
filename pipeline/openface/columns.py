"""The 714 columns of an OpenFace 2.x CSV: five of bookkeeping, then the 709 features.

The order is that of ``FeatureExtraction -2Dfp -3Dfp -pdmparams -pose -aus -gaze``; the 709 are
what the CH-SIMS paper calls the vision feature (section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

INTENSITY_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""Action units with an intensity (``AU.._r``, 0 to 5)."""

PRESENCE_UNITS = (*INTENSITY_UNITS[:-1], 28, 45)
"""Action units with a presence (``AU.._c``, 0 or 1)."""


def _numbered(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}_{index}" for index in range(count))


_BOOKKEEPING = ("frame", "face_id", "timestamp", "confidence", "success")

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "gaze",
        (
            *(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"),
            "gaze_angle_x",
            "gaze_angle_y",
        ),
    ),
    ("eye_landmarks_2d", _numbered("eye_lmk_x", 56) + _numbered("eye_lmk_y", 56)),
    (
        "eye_landmarks_3d",
        _numbered("eye_lmk_X", 56) + _numbered("eye_lmk_Y", 56) + _numbered("eye_lmk_Z", 56),
    ),
    ("pose", ("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz")),
    ("landmarks_2d", _numbered("x", 68) + _numbered("y", 68)),
    ("landmarks_3d", _numbered("X", 68) + _numbered("Y", 68) + _numbered("Z", 68)),
    ("pdm", ("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *_numbered("p", 34))),
    ("au_r", tuple(f"AU{unit:02d}_r" for unit in INTENSITY_UNITS)),
    ("au_c", tuple(f"AU{unit:02d}_c" for unit in PRESENCE_UNITS)),
)

FEATURE_NAMES: tuple[str, ...] = tuple(name for _, names in _GROUPS for name in names)
"""The names of the 709 features, in the order of the CSV and of the dataset."""

COLUMNS: tuple[str, ...] = _BOOKKEEPING + FEATURE_NAMES
"""The names of all 714 columns, in the order of the CSV."""


def _slices() -> Mapping[str, slice]:
    slices, start = {}, 0
    for group, names in _GROUPS:
        slices[group] = slice(start, start + len(names))
        start += len(names)
    return MappingProxyType(slices)


FEATURE_GROUPS: Mapping[str, slice] = _slices()
"""Where each group of features lies among the 709: gaze 8, eye_landmarks_2d 112 and _3d 168
(56 points: pixels, mm), pose 6 (mm, radians), landmarks_2d 136 and _3d 204 (68 points: pixels,
mm), pdm 40 (6 rigid, 34 non-rigid), au_r 17 (0 to 5), au_c 18 (0 or 1)."""

FIRST_FEATURE = len(_BOOKKEEPING)
"""Column of the first feature in a ``[rows, 714]`` table: 5."""

TABLE_GROUPS: Mapping[str, slice] = MappingProxyType(
    {
        group: slice(part.start + FIRST_FEATURE, part.stop + FIRST_FEATURE)
        for group, part in FEATURE_GROUPS.items()
    }
)
"""Where each group lies among the 714 columns of a table."""

FRAME, FACE_ID, TIMESTAMP, CONFIDENCE, SUCCESS = range(FIRST_FEATURE)
"""Columns of the bookkeeping values in a ``[rows, 714]`` table."""
