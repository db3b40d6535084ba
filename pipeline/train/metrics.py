"""Metrics of sentiment predictions: the corpus's six, and what a careful reader also asks for.

Definitions are those of the published evaluation: predictions and labels are clipped to
[-1, 1] first; classes are bins that are open on the left, so that a neutral label (0) is
"not positive" in Acc-2 and F1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import EDGES as CLASS_EDGES

Floats = NDArray[np.floating[Any]]

EDGES: dict[int, tuple[float, ...]] = {2: (0.0,), 3: (-0.1, 0.1), 5: CLASS_EDGES}
"""Upper edges of all classes but the last, for 2, 3 and 5 classes."""
METRICS = ("acc2", "acc3", "acc5", "f1", "mae", "corr")
TITLES = {
    "acc2": "Acc-2",
    "acc3": "Acc-3",
    "acc5": "Acc-5",
    "f1": "F1",
    "mae": "MAE",
    "corr": "Corr",
}
_SEED = 20200705  # of resampling; fixed so that tables can be made again


def classes(values: Floats, count: int) -> NDArray[np.intp]:
    """Return each value's class among 2, 3 or 5, from 0 (most negative), after clipping."""
    edges = np.asarray(EDGES[count], dtype=values.dtype)
    return np.searchsorted(edges, np.clip(values, -1, 1), side="left")


def scores(predicted: Floats, truth: Floats) -> dict[str, float]:
    """Return acc2, acc3, acc5, f1 (weighted), mae and corr (Pearson) as fractions.

    A correlation with a constant is 0: see `warnings_of`.

    Parameters
    ----------
    predicted, truth : ndarray ``[N]``
        Sentiments; values beyond -1 and 1 are clipped.

    Raises
    ------
    ValueError
        If there is no value, the lengths differ, or a value is NaN.
    """
    if predicted.shape != truth.shape or predicted.ndim != 1 or not len(truth):
        raise ValueError(
            f"expected two equal lengths above 0, found {predicted.shape} and {truth.shape}"
        )
    if np.isnan(predicted).any() or np.isnan(truth).any():
        raise ValueError("predictions or labels hold NaN")
    row = np.arange(len(truth))[None]
    return {name: float(values[0]) for name, values in _scores_of(predicted, truth, row).items()}


def warnings_of(predicted: Floats, truth: Floats) -> list[str]:
    """Say which scores are given by convention because the data cannot define them."""
    found = []
    if _constant(predicted):
        found.append("all predictions are equal: Corr is set to 0")
    if _constant(truth):
        found.append("all labels are equal: Corr is set to 0")
    for count in EDGES:
        absent = set(range(count)) - set(classes(truth, count).tolist())
        if absent:
            names = ", ".join(str(number) for number in sorted(absent))
            found.append(f"no clip has class {names} of {count}: its recall is set to 0")
    return found


def confusion(predicted: Floats, truth: Floats, count: int) -> list[list[int]]:
    """Return the matrix ``[true class][predicted class]`` of clip counts."""
    flat = classes(truth, count) * count + classes(predicted, count)
    matrix: list[list[int]] = np.bincount(flat, minlength=count**2).reshape(count, count).tolist()
    return matrix


def recalls(matrix: list[list[int]]) -> list[float]:
    """Return each class's recall from a confusion matrix; 0 for a class without clips."""
    return [row[i] / sum(row) if sum(row) else 0.0 for i, row in enumerate(matrix)]


def intervals(
    predicted: list[Floats], truth: Floats, resamples: int, level: float = 0.95
) -> dict[str, tuple[float, float]]:
    """Return bootstrap confidence intervals over clips of the mean score over seeds.

    Parameters
    ----------
    predicted : list of ndarray ``[N]``
        One array per seed, over the same clips.
    truth : ndarray ``[N]``
        Labels.
    resamples : int
        Resamples of clips, with replacement.
    level : float
        Coverage.
    """
    rng = np.random.default_rng(_SEED)
    rows = rng.integers(0, len(truth), (resamples, len(truth)))
    by_seed = [_scores_of(values, truth, rows) for values in predicted]
    tails = ((1 - level) / 2, (1 + level) / 2)
    result = {}
    for name in METRICS:
        low, high = np.quantile(np.mean([found[name] for found in by_seed], axis=0), tails)
        result[name] = (float(low), float(high))
    return result


def paired_test(
    first: list[Floats], second: list[Floats], truth: Floats, resamples: int
) -> dict[str, dict[str, float]]:
    """Test whether two models differ over the same clips, by flipping signs of paired differences.

    For each clip the score (right or wrong, absolute error) is averaged over seeds; under
    the hypothesis of no difference, its sign is a coin flip.

    Returns
    -------
    dict
        For acc2, acc3, acc5 and mae: ``difference`` (first less second) and ``p`` (two-sided).
    """
    rng = np.random.default_rng(_SEED)
    signs = rng.integers(0, 2, (resamples, len(truth)), dtype=np.int8) * 2.0 - 1.0
    result = {}
    for name in ("acc2", "acc3", "acc5", "mae"):
        difference = _per_clip(first, truth, name) - _per_clip(second, truth, name)
        observed = difference.mean()
        chance = (signs @ difference) / len(truth)
        extreme = int((np.abs(chance) >= abs(observed) - 1e-12).sum())
        result[name] = {"difference": float(observed), "p": (extreme + 1) / (resamples + 1)}
    return result


def _per_clip(predicted: list[Floats], truth: Floats, name: str) -> NDArray[np.float64]:
    if name == "mae":
        values = [np.abs(np.clip(p, -1, 1) - np.clip(truth, -1, 1)) for p in predicted]
    else:
        count = int(name[3:])
        values = [classes(p, count) == classes(truth, count) for p in predicted]
    mean: NDArray[np.float64] = np.mean(np.asarray(values, dtype=np.float64), axis=0)
    return mean


def _scores_of(predicted: Floats, truth: Floats, rows: NDArray[Any]) -> dict[str, Floats]:
    """Score each row of clip indices ``[R, N]``; every value is ``[R]``."""
    p, t = np.clip(predicted, -1, 1), np.clip(truth, -1, 1)
    found: dict[str, Floats] = {}
    for count in EDGES:
        found[f"acc{count}"] = (classes(p, count) == classes(t, count))[rows].mean(1)
    found["f1"] = _weighted_f1(classes(p, 2)[rows], classes(t, 2)[rows])
    found["mae"] = np.abs(p - t)[rows].mean(1).astype(np.float64)
    found["corr"] = _pearson(p.astype(np.float64)[rows], t.astype(np.float64)[rows])
    return {name: found[name] for name in METRICS}


def _weighted_f1(predicted: NDArray[np.intp], truth: NDArray[np.intp]) -> Floats:
    total = np.zeros(len(truth))
    for label in (0, 1):
        hits = ((predicted == label) & (truth == label)).sum(1)
        support = (truth == label).sum(1)
        size = support + (predicted == label).sum(1)
        total += support * np.divide(2 * hits, size, out=np.zeros(len(truth)), where=size > 0)
    mean: Floats = total / truth.shape[1]
    return mean


def _pearson(x: Floats, y: Floats) -> Floats:
    defined = (np.ptp(x, axis=1) > 0) & (np.ptp(y, axis=1) > 0)
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    scale = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    r: Floats = np.divide((x * y).sum(1), scale, out=np.zeros(len(x)), where=defined & (scale > 0))
    return r


def _constant(values: Floats) -> bool:
    return bool(np.ptp(np.clip(values, -1, 1)) == 0)
