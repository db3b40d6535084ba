"""The words and numbers of CH-SIMS: labels, modalities, the label grid, the five classes.

One place says what the paper (Yu et al., ACL 2020) defines; everything else imports it.
"""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Label = Literal["M", "T", "A", "V"]
LABELS: tuple[Label, ...] = ("M", "T", "A", "V")
"""The multimodal label, and one label per modality."""

MODALITIES: tuple[str, ...] = ("text", "audio", "vision")
"""The slots of a dataset, in the order in which files and reports list them."""

MODALITY_OF: Mapping[str, str] = MappingProxyType({"T": "text", "A": "audio", "V": "vision"})
"""The modality that a unimodal label is about; M is about all of them."""

LABEL_OF: Mapping[str, str] = MappingProxyType(
    {modality: label for label, modality in MODALITY_OF.items()}
)
"""The label of each modality."""

TITLES: Mapping[str, str] = MappingProxyType({"M": "multimodal", **MODALITY_OF})
"""What a label is called in tables and figures."""

GRID = tuple(round(step / 5, 1) for step in range(-5, 6))
"""The labels that the mean of five votes of -1, 0 or 1 can take: -1.0, -0.8 ... 1.0."""

CLASSES = ("NG", "WN", "NU", "WP", "PS")
"""The five classes of the label M, from negative to positive (paper, section 3.3)."""

CLASS_TITLES = MappingProxyType(
    dict(
        zip(
            CLASSES,
            ("negative", "weakly negative", "neutral", "weakly positive", "positive"),
            strict=True,
        )
    )
)
"""The classes in words."""

NO_CLASS = -1
"""What a dataset stores as the class of a clip without the label M."""

EDGES = (-0.7, -0.1, 0.1, 0.7)
"""Halfway between the labels of neighbouring classes; a label on an edge is of the lower class."""

_STEPS = 5  # grid steps per unit
_ROUNDING = 6  # decimals that a label keeps in a float32 file


def class_of(label: float) -> int:
    """Return the index in `CLASSES` of a label.

    Parameters
    ----------
    label : float
        M, usually on the grid -1.0, -0.8 ... 1.0. A label off the grid is of the class whose
        labels are nearest. On an edge it is of the lower class, as in the published evaluation.

    Raises
    ------
    ValueError
        If the label is NaN.

    Examples
    --------
    >>> [CLASSES[class_of(label)] for label in (-0.8, -0.2, 0.0, 0.1, 1.0)]
    ['NG', 'WN', 'NU', 'NU', 'PS']
    """
    if math.isnan(label):
        raise ValueError("a clip without the label M has no class")
    return bisect_left(EDGES, round(label, _ROUNDING))


def on_grid(label: float) -> bool:
    """Tell whether a label is one of `GRID`, but for the rounding of a float32 file.

    Examples
    --------
    >>> on_grid(-0.4), on_grid(0.1), on_grid(1.2)
    (True, False, False)
    """
    return round(label, _ROUNDING) in GRID


def nearest_on_grid(label: float) -> float:
    """Return the value of `GRID` that is nearest to a label, halves away from zero.

    Parameters
    ----------
    label : float
        Any finite number; one beyond -1 or 1 gives -1 or 1.

    Examples
    --------
    >>> [nearest_on_grid(label) for label in (0.1, -0.1, 0.29, 0.3, -7)]
    [0.2, -0.2, 0.2, 0.4, -1.0]
    """
    steps = math.floor(round(abs(label), _ROUNDING) * _STEPS + 0.5 + 10**-_ROUNDING)
    place = _STEPS + int(math.copysign(min(steps, _STEPS), label))
    return GRID[place]


def label_histogram(labels: Iterable[float]) -> list[int]:
    """Count labels by their nearest value on the grid (paper, Fig. 2 left).

    Parameters
    ----------
    labels : iterable of float
        One label per clip. NaN stands for a clip that has none; it is not counted.

    Returns
    -------
    list of int
        The clips of each value of `GRID`.
    """
    counts = dict.fromkeys(GRID, 0)
    for label in labels:
        if math.isfinite(label):
            counts[nearest_on_grid(label)] += 1
    return list(counts.values())


def label_distances(labels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the mean squared differences of labels (paper, eq. 1; Fig. 2 right).

    Parameters
    ----------
    labels : ndarray ``[N, L]``
        One row per clip, one column per label; NaN where a clip lacks one.

    Returns
    -------
    ndarray ``[L, L]``
        D[i, j], the mean of (label_i - label_j)^2 over the clips that have both; NaN where
        no clip has both.
    """
    import numpy as np

    values = np.asarray(labels, np.float64)
    squared = (values[:, :, None] - values[:, None, :]) ** 2
    known = np.isfinite(squared)
    counts = known.sum(axis=0)
    sums = np.where(known, squared, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def characters(text: str) -> int:
    """Count a transcript's letters and digits: no punctuation, no spaces.

    The paper's Table 1 gives this number for Chinese as words.

    Examples
    --------
    >>> characters("真的吗? OK!")
    5
    """
    return sum(unicodedata.category(character)[0] in "LN" for character in text)


@dataclass(frozen=True)
class CorpusCounts:
    """A corpus in numbers (paper, Table 1); None where the label sheet does not say.

    Parameters
    ----------
    videos, clips : int
        How many there are.
    male, female : int, optional
        Clips by the speaker's gender.
    speakers : int, optional
        Distinct speakers.
    seconds : float
        Mean duration of a clip.
    words : float
        Mean length of a transcript (`characters`).
    """

    videos: int
    clips: int
    male: int | None
    female: int | None
    speakers: int | None
    seconds: float
    words: float


PAPER_TABLE1 = CorpusCounts(
    videos=60, clips=2281, male=1500, female=781, speakers=474, seconds=3.67, words=15
)
"""CH-SIMS itself (paper, Table 1)."""

PAPER_TABLE3 = MappingProxyType(
    {
        "train": (1368, 452, 290, 207, 208, 211),
        "valid": (456, 151, 97, 69, 69, 70),
        "test": (457, 151, 97, 69, 69, 71),
    }
)
"""Clips of CH-SIMS by part: the total, then `CLASSES` (paper, Table 3)."""


def table1(clips: pd.DataFrame) -> CorpusCounts:
    """Count a corpus (paper, Table 1).

    Parameters
    ----------
    clips : DataFrame
        One row per clip: ``video_id``, ``speaker``, ``gender`` (male, female, or neither),
        ``duration`` in seconds and ``text``. At least one row.
    """
    genders = clips["gender"].value_counts()
    male, female = (int(genders.get(gender, 0)) for gender in ("male", "female"))
    told = male + female > 0
    speakers = {name for name in clips["speaker"] if isinstance(name, str) and name}
    return CorpusCounts(
        videos=int(clips["video_id"].nunique()),
        clips=len(clips),
        male=male if told else None,
        female=female if told else None,
        speakers=len(speakers) or None,
        seconds=float(clips["duration"].mean()),
        words=float(clips["text"].map(characters).mean()),
    )


def table3(members: Iterable[tuple[str, str | None]], parts: Sequence[str]) -> dict[str, list[int]]:
    """Count clips by part and class (paper, Table 3).

    Parameters
    ----------
    members : iterable of (str, str or None)
        The part and the class of each clip. A clip without M has no class and is not counted.
    parts : sequence of str
        The rows of the table.

    Returns
    -------
    dict of str to list of int
        The total of each part, then its clips of each of `CLASSES`.
    """
    counts = {part: dict.fromkeys(CLASSES, 0) for part in parts}
    for part, name in members:
        if name is not None:
            counts[part][name] += 1
    return {part: [sum(row.values()), *row.values()] for part, row in counts.items()}
