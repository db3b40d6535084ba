"""Standardising each feature dimension by the train part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PREFIX = "scaling."
_ROUNDING = 1e-6  # of a column's size: what single precision cannot tell from no change


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of one modality's dimensions over the valid rows of the train part.

    Parameters
    ----------
    mean : ndarray ``[d]`` float32
        Means.
    factor : ndarray ``[d]`` float32
        1 / standard deviation; 0 for a column that is constant in the train part, so that
        it stays 0 everywhere.
    """

    mean: NDArray[np.float32]
    factor: NDArray[np.float32]

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise rows ``[..., d]``."""
        scaled: NDArray[np.float32] = (rows - self.mean) * self.factor
        return scaled


def measure(blocks: Iterable[NDArray[np.float32]], dim: int) -> Scaling:
    """Measure the columns of rows that come in blocks ``[n, d]``.

    Moments are merged block by block in double precision (Chan et al. 1979).

    Parameters
    ----------
    blocks : iterable of ndarray ``[n, d]``
        The rows that count; blocks may be empty.
    dim : int
        Number of columns d.
    """
    count, mean, squares = 0, np.zeros(dim), np.zeros(dim)
    low, high = np.full(dim, np.inf), np.full(dim, -np.inf)
    for block in blocks:
        if not len(block):
            continue
        rows = block.astype(np.float64)
        total = count + len(rows)
        shift = rows.mean(0) - mean
        squares += ((rows - rows.mean(0)) ** 2).sum(0) + shift**2 * count * len(rows) / total
        mean += shift * len(rows) / total
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
        count = total
    deviation = np.sqrt(squares / max(count, 1))
    varies = (high > low) & (deviation > _ROUNDING * np.abs(mean))
    factor = np.divide(1.0, deviation, out=np.zeros(dim), where=varies)
    return Scaling(mean.astype(np.float32), factor.astype(np.float32))


def scaling_tensors(scaling: Mapping[str, Scaling]) -> dict[str, Tensor]:
    """Return what a weights file stores of a scaling: ``scaling.MODALITY.mean`` and ``.factor``."""
    return {
        f"{_PREFIX}{modality}.{name}": torch.from_numpy(getattr(found, name))
        for modality, found in scaling.items()
        for name in ("mean", "factor")
    }


def split_tensors(stored: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Scaling]]:
    """Part a weights file into a model's state and the scaling of its inputs."""
    state = {name: value for name, value in stored.items() if not name.startswith(_PREFIX)}
    modalities = {name.split(".")[1] for name in stored.keys() - state.keys()}
    scaling = {
        modality: Scaling(
            *(stored[f"{_PREFIX}{modality}.{name}"].numpy() for name in ("mean", "factor"))
        )
        for modality in sorted(modalities)
    }
    return state, scaling
