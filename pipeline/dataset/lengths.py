"""The common length of each modality (paper, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LengthStatistics:
    """Lengths of one modality over the labelled clips (or all, if none is labelled), in steps.

    Parameters
    ----------
    mean, std : float
        Mean and population standard deviation.
    padded : int
        L: what every clip is padded or cut to.
    shortest, longest : int
        Extremes before cutting.
    shortened : int
        How many clips are longer than L and lose their end.
    """

    mean: float
    std: float
    padded: int
    shortest: int
    longest: int
    shortened: int


def length_statistics(
    lengths: Sequence[int] | NDArray[np.int32], sigmas: float
) -> LengthStatistics:
    """Compute L = int(mean + sigmas * std), at least 1.

    Parameters
    ----------
    lengths : sequence or array of int
        Steps of each clip; at least one clip. The paper takes all parts together, so L
        does not depend on the split.
    sigmas : float
        Standard deviations above the mean (paper: 3).
    """
    import numpy as np

    steps = np.asarray(lengths, dtype=np.float64)
    mean, std = float(steps.mean()), float(steps.std())
    padded = max(1, int(mean + sigmas * std))
    return LengthStatistics(
        mean=mean,
        std=std,
        padded=padded,
        shortest=int(steps.min()),
        longest=int(steps.max()),
        shortened=int((steps > padded).sum()),
    )
