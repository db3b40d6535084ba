"""How a head moves in five points, whatever the size and place of its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LEAST = {
    "lean": 0.02,
    "turn": 0.03,
    "nod": 0.03,
    "mouth": 0.03,
    "across": 0.03,
    "down": 0.03,
    "size": 0.05,
}
"""Smallest motion that counts, in the units of `pose` and `place`. MTCNN's points tremble by
0.01 to 0.02 on faces of 100 pixels."""

_TREMBLE = 1.0
"""Pixels by which MTCNN's points tremble on small faces."""

_LAGS = (-1, 0, 1)

_ONE, _ALL = 0.45, 0.55
"""Share of rows below which one motion, or the mean of all, is another clip's. In right pairs
0.8 and more of the rows agree, in half of the wrong ones less than 0.35."""

_SURE = ("lean", "across", "down", "size")
_LEVEL = 0.04
"""Lean of the eyes, in radians, within which crops may have been aligned; its spread is half."""

_OPPOSITE = {"lean": 0.1, "turn": 0.12}
"""Lean and turn that a head must have on both sides to be on opposite ones."""


def facing(points: Array) -> Array:
    """Return for five points [n, 5, 2] whether eyes and mouth are in order: below 0, mirrored."""
    eyes = points[:, 1] - points[:, 0]
    down = points[:, 3:].mean(1) - points[:, :2].mean(1)
    return np.asarray(eyes[:, 0] * down[:, 1] - eyes[:, 1] * down[:, 0])


def pose(points: Array) -> dict[str, Array]:
    """Return what five points [n, 5, 2] say about a head, each [n].

    ``lean`` (the eyes' line, radians), ``turn`` (the nose's way from the middle of the eyes
    along their line), ``nod`` (the nose's way down to the mouth) and ``mouth`` (its way down
    from the eyes); turn and mouth in distances of the eyes. None depends on where the face is
    or how large.
    """
    middle, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    eyes = points[:, 1] - points[:, 0]
    apart = np.maximum(np.linalg.norm(eyes, axis=1), 1e-6)
    along = eyes / apart[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], 1)

    def way(to: Array, direction: Array) -> Array:
        return np.asarray(((to - middle) * direction).sum(1))

    down = way(mouth, across)
    return {
        "lean": np.arctan2(eyes[:, 1], eyes[:, 0]),
        "turn": way(points[:, 2], along) / apart,
        "nod": way(points[:, 2], across) / np.where(np.abs(down) < 1e-6, 1e-6, down),
        "mouth": down / apart,
    }


def place(points: Array, side: Array) -> dict[str, Array]:
    """Return where five points [n, 5, 2] lie, each [n].

    ``across`` and ``down`` (the middle of the face, in median face sides) and ``size`` (the
    logarithm of its extent). `side` [n] is the face box's side in pixels.
    """
    middle = points.mean(1) / np.median(side)
    extent = np.linalg.norm(points - points.mean(1, keepdims=True), axis=2).mean(1)
    return {
        "across": middle[:, 0],
        "down": middle[:, 1],
        "size": np.log(np.maximum(extent, 1e-6)),
    }


def motions_differ(
    seen: Array, found: Array, rows: NDArray[np.int64], side: Array | None
) -> str | None:
    """Compare the motion of the head in a table and in the clip.

    Parameters
    ----------
    seen, found : ndarray, float64 [n, 5, 2]
        The table's and MTCNN's points.
    rows : ndarray, int64 [n]
        Which rows of the table these are, rising.
    side : ndarray, float64 [n], optional
        The face box's side in pixels, where both are in one picture: places count too.

    Returns
    -------
    str or None
        What is wrong; None when they agree, or too little moves to tell.
    """
    here, there = pose(seen), pose(found)
    turned = np.abs(np.angle(np.exp(1j * (here["lean"] - there["lean"]))))
    if np.mean(turned > 0.6) > 0.5:
        return (
            f"is of a turned picture: its head leans {np.rad2deg(np.median(turned)):.0f} degrees "
            "from the clip's"
        )
    least = _TREMBLE / float(np.median(np.linalg.norm(found[:, 1] - found[:, 0], axis=1)))
    floors = {name: max(floor, least) for name, floor in _LEAST.items()}
    if _opposite(here, there) or _is_mirrored(here, there, floors, rows):
        return "is of a mirrored picture or another clip: its head leans or turns the other way"
    if side is not None:
        here |= place(seen, side)
        there |= place(found, side)
    elif abs(np.median(here["lean"])) < _LEVEL and _spread(here["lean"]) < _LEVEL / 2:
        del here["lean"]  # the crops may have been aligned, eyes brought level
    shares = {
        name: _follows(here[name], there[name], floors[name], rows)
        for name in here
        if _tells(name, here[name], there[name], floors[name])
    }
    if shares and (min(shares.values()) < _ONE or np.mean(list(shares.values())) < _ALL):
        told = ", ".join(f"{name} in {share:.0%}" for name, share in shares.items())
        return f"is of another clip: its head does not move as the clip's (rows that do: {told})"
    return None


def _is_mirrored(
    here: dict[str, Array],
    there: dict[str, Array],
    floors: dict[str, float],
    rows: NDArray[np.int64],
) -> bool:
    return any(
        _follows(here[name], there[name], floors[name], rows) < 0.5
        and _follows(-here[name], there[name], floors[name], rows) > 0.6
        for name in _OPPOSITE
        if _spread(here[name]) > 1.4 * floors[name] and _spread(there[name]) > 1.4 * floors[name]
    )


def _tells(name: str, here: Array, there: Array, floor: float) -> bool:
    """Tell whether a motion is large enough to compare.

    Angles and places may be still on one side and large on the other, which tells much. The
    others are shares of the distance of the eyes, which is short and unsure in profile.
    """
    a, b = _spread(here) / floor, _spread(there) / floor
    alone = max(a, b) > 2 if name in _SURE else a > 3
    return min(a, b) > 1.4 or alone


def _spread(values: Array) -> float:
    low, high = np.quantile(values, [0.16, 0.84])
    return float(high - low) / 2


def _follows(here: Array, there: Array, floor: float, rows: NDArray[np.int64]) -> float:
    """Return the share of rows in which two motions agree, at the best shift of a frame or none."""
    a, b = here - np.median(here), there - np.median(there)
    scale = np.clip(_spread(a) / max(_spread(b), 1e-9), 0.5, 2)
    reach = min(_spread(a), float(scale) * _spread(b))
    shares = []
    for lag in _LAGS:
        early = slice(max(lag, 0), len(rows) + min(lag, 0))
        late = slice(max(-lag, 0), len(rows) + min(-lag, 0))
        near = np.abs(a[early] - b[late]) < floor
        alike = np.abs(a[early] - scale * b[late]) < 0.5 * reach
        shares.append(float(np.mean(near | alike)))
    return max(shares)


def _opposite(here: dict[str, Array], there: dict[str, Array]) -> bool:
    """Tell whether a head leans or turns to one side in the table and to the other in the clip."""
    return any(
        np.mean((here[n] * there[n] < 0) & (np.minimum(np.abs(here[n]), np.abs(there[n])) > floor))
        > 0.5
        for n, floor in _OPPOSITE.items()
    )
