"""The corpus in numbers: Tables 1 and 3, Fig. 2, lengths, and the annotators' agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.corpus import CLASSES, class_of
from pipeline.dataset.info import characters
from pipeline.report.paper import CORPUS

LABELS = ("M", "T", "A", "V")
MODALITIES = ("text", "audio", "vision")


CLASS_NAMES = dict(
    zip(
        CLASSES,
        ("negative", "weakly negative", "neutral", "weakly positive", "positive"),
        strict=True,
    )
)


def classes_of(labels: pd.Series) -> pd.Series:
    """Return the class of each M label, e.g. ``WN``; None without a label."""
    names = [None if pd.isna(label) else CLASSES[class_of(label)] for label in labels]
    return pd.Series(names, index=labels.index, dtype=object)


@dataclass(frozen=True)
class Compared:
    """One figure of the corpus beside the paper's."""

    name: str
    ours: str
    paper: str


def table1(clips: pd.DataFrame) -> list[Compared]:
    """Return the rows of Table 1 for a corpus.

    Parameters
    ----------
    clips : DataFrame
        Rows of the manifest (``video_id, gender, speaker, duration, text``).
    """
    gender = clips["gender"].astype("string").str.strip().str.lower()
    male = gender.isin(["m", "male", "男"])
    female = gender.isin(["f", "female", "女"])
    known = bool((male | female).any())
    speakers = clips["speaker"].nunique()
    absent = "not in the sheet"
    return [
        Compared("Videos", f"{clips['video_id'].nunique():,}", f"{CORPUS['videos']:,}"),
        Compared("Clips", f"{len(clips):,}", f"{CORPUS['clips']:,}"),
        Compared("– male", f"{male.sum():,}" if known else absent, f"{CORPUS['male']:,}"),
        Compared("– female", f"{female.sum():,}" if known else absent, f"{CORPUS['female']:,}"),
        Compared("Speakers", f"{speakers:,}" if speakers else absent, f"{CORPUS['speakers']:,}"),
        Compared("Mean length", f"{clips['duration'].mean():.2f} s", f"{CORPUS['seconds']} s"),
        Compared(
            "Mean words",
            f"{clips['text'].map(characters).mean():.1f}",
            str(CORPUS["words"]),
        ),
    ]


def label_distance(labels: pd.DataFrame) -> NDArray[np.float64]:
    """Return D [4, 4], D[i, j] the mean over clips of (label_i - label_j)^2 (paper, eq. 1).

    Clips that lack one of the two labels are left out of that pair; NaN without any.
    """
    values = labels[list(LABELS)].to_numpy(float)
    squared = (values[:, :, None] - values[:, None, :]) ** 2
    counts = np.isfinite(squared).sum(axis=0)
    sums = np.nansum(squared, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True)
class Lengths:
    """How a modality's sequences were cut: ``int(mean + sigmas * std)`` (paper, section 4.1)."""

    name: str
    unit: str
    steps: NDArray[np.int64]
    mean: float
    std: float
    limit: int

    @property
    def cut(self) -> int:
        """Clips longer than the limit."""
        return int((self.steps > self.limit).sum())


def lengths(
    name: str, unit: str, steps: Sequence[int], sigmas: float, limit: int | None
) -> Lengths:
    """Describe a modality's lengths; without a dataset, its limit is worked out from them."""
    values = np.asarray(steps, np.int64)
    mean, std = float(values.mean()), float(values.std())
    return Lengths(
        name, unit, values, mean, std, int(mean + sigmas * std) if limit is None else limit
    )


def alpha_ordinal(votes: Sequence[Sequence[float]]) -> float:
    """Return Krippendorff's alpha with the ordinal difference.

    Parameters
    ----------
    votes : sequence of sequences of float
        The votes each clip got; clips with one vote do not count.

    Returns
    -------
    float
        1: all agree; 0: no better than chance; NaN when nothing can vary.

    References
    ----------
    Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.
    """
    units = [list(unit) for unit in votes if len(unit) > 1]
    values = sorted({vote for unit in units for vote in unit})
    place = {value: index for index, value in enumerate(values)}
    coincidence = np.zeros((len(values), len(values)))
    for unit in units:
        counts = np.zeros(len(values))
        for vote in unit:
            counts[place[vote]] += 1
        coincidence += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    totals = coincidence.sum(axis=0)
    # ordinal difference: the votes lying between two ranks, half of the outer two, squared
    reach = np.cumsum(totals) - totals / 2
    difference = (reach[:, None] - reach[None, :]) ** 2
    expected = float((np.outer(totals, totals) * difference).sum())
    observed = float((coincidence * difference).sum())
    return 1 - (totals.sum() - 1) * observed / expected if expected else float("nan")


def agreement(votes: pd.DataFrame) -> dict[str, float]:
    """Return Krippendorff's alpha of each modality that was voted on."""
    return {
        name: alpha_ordinal([list(group["vote"]) for _, group in rows.groupby("clip", sort=True)])
        for name in LABELS
        if len(rows := votes[votes["modality"] == name])
    }
