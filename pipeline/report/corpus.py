"""The corpus in numbers: Tables 1 and 3, Fig. 2, lengths, and the annotators' agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.corpus import CLASSES, LABELS, PAPER_TABLE1, CorpusCounts, class_of

_COMMON = 6
"""Words of a kept column that are named."""
_ABSENT = "not in the sheet"


def classes_of(labels: pd.Series) -> pd.Series:
    """Return the class of each M label, e.g. ``WN``; None without a label."""
    names = [None if pd.isna(label) else CLASSES[class_of(label)] for label in labels]
    return pd.Series(names, index=labels.index, dtype=object)


@dataclass(frozen=True)
class Compared:
    """One figure of the corpus next to the paper's; None where the sheet does not give it."""

    name: str
    ours: float | None
    paper: float | None
    digits: int = 0
    unit: str = ""

    def written(self, value: float | None) -> str:
        """Write one of the two figures for the page."""
        return _ABSENT if value is None else f"{value:,.{self.digits}f}{self.unit}"


def compared(ours: CorpusCounts) -> list[Compared]:
    """Return the rows of Table 1: a corpus next to the paper's."""
    paper = PAPER_TABLE1
    return [
        Compared("Videos", ours.videos, paper.videos),
        Compared("Clips", ours.clips, paper.clips),
        Compared("– male", ours.male, paper.male),
        Compared("– female", ours.female, paper.female),
        Compared("Speakers", ours.speakers, paper.speakers),
        Compared("Mean length", _known(ours.seconds), paper.seconds, digits=2, unit=" s"),
        Compared("Mean words", ours.words, paper.words, digits=1),
    ]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


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


@dataclass(frozen=True)
class KeptColumn:
    """A column of the label sheet that was kept: how many clips have a value, and which."""

    name: str
    clips: int
    content: str


def kept_columns(clips: pd.DataFrame, names: Iterable[str]) -> list[KeptColumn]:
    """Describe kept columns: numbers by their range and mean, words by the most common ones."""
    found = []
    for name in names:
        values = clips[name].replace("", None).dropna()
        if values.empty:
            content = ""
        elif pd.api.types.is_numeric_dtype(clips[name]):
            numbers = values.to_numpy(float)
            content = f"{numbers.min():g} to {numbers.max():g}, mean {numbers.mean():.3g}"
        else:
            common = values.value_counts()
            shown = [f"{value} ({count})" for value, count in common.head(_COMMON).items()]
            more = f" and {len(common) - _COMMON} more" if len(common) > _COMMON else ""
            content = ", ".join(shown) + more
        found.append(KeptColumn(name, len(values), content))
    return found


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
    Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011;
    `nltk.metrics.agreement.AnnotationTask.alpha`.
    """
    from nltk.metrics.agreement import AnnotationTask

    units = [list(unit) for unit in votes if len(unit) > 1]
    counts = Counter(vote for unit in units for vote in unit)
    if len(counts) < 2:
        return float("nan")
    values = sorted(counts)
    totals = np.array([counts[value] for value in values])
    # ordinal difference: the votes lying between two ranks, half of the outer two, squared
    reach = dict(zip(values, np.cumsum(totals) - totals / 2, strict=True))
    rows = [
        (annotator, clip, vote)
        for clip, unit in enumerate(units)
        for annotator, vote in enumerate(unit)
    ]
    task = AnnotationTask(rows, distance=lambda a, b: float(reach[a] - reach[b]) ** 2)
    return float(task.alpha())


@dataclass(frozen=True)
class VoteCount:
    """The votes on one modality: how many annotators and clips, and how often each answer."""

    clips: int
    annotators: int
    negative: int
    neutral: int
    positive: int
    alpha: float


def vote_counts(votes: pd.DataFrame) -> dict[str, VoteCount]:
    """Count the votes on each modality that was voted on."""
    alphas = agreement(votes)
    found = {}
    for name, alpha in alphas.items():
        rows = votes[votes["modality"] == name]
        negative, neutral, positive = (int((rows["vote"] == x).sum()) for x in (-1, 0, 1))
        clips, annotators = rows["clip"].nunique(), rows["annotator"].nunique()
        found[name] = VoteCount(clips, annotators, negative, neutral, positive, alpha)
    return found


def votes_by_clip(votes: pd.DataFrame) -> dict[str, str]:
    """Write each clip's votes in one line, e.g. ``Votes: M 1 0 1, T -1 0 0``."""
    lines: dict[str, list[str]] = {}
    for name in LABELS:
        for clip, group in votes[votes["modality"] == name].groupby("clip"):
            values = " ".join(f"{vote:g}" for vote in sorted(group["vote"]))
            lines.setdefault(str(clip), []).append(f"{name} {values}")
    return {clip: f"Votes: {', '.join(each)}" for clip, each in lines.items()}


def agreement(votes: pd.DataFrame) -> dict[str, float]:
    """Return Krippendorff's alpha of each modality that was voted on."""
    return {
        name: alpha_ordinal([list(group["vote"]) for _, group in rows.groupby("clip", sort=True)])
        for name in LABELS
        if len(rows := votes[votes["modality"] == name])
    }
