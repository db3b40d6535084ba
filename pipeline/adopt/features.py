"""Fitting the features of a file into a dataset: lengths, padding, numbers that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.adopt.content import Part
from pipeline.adopt.stored import RefusedError, Stored

Origin = Literal["stated", "tokens", "aligned", "derived"]
"""Where lengths come from: the file's own column, the mask of the tokens, the text's lengths
(of features aligned to it), or the rows that are not zero."""

_WORDS = {
    "stated": "as the file states them",
    "tokens": "from the mask of text_bert",
    "aligned": "those of the text, to which the file aligns it",
    "derived": "derived: everything up to the last row that is not all zeros",
}


@dataclass
class Fitting:
    """How one modality is fitted, over all parts, and what was met on the way.

    Parameters
    ----------
    modality : str
        text, audio or vision.
    steps, width : int
        Common length and dimensions.
    origin : Origin
        Where the lengths come from.
    """

    modality: str
    steps: int
    width: int
    origin: Origin
    counts: Counter[str] = field(default_factory=Counter)
    kinds: set[str] = field(default_factory=set)

    def fitted(self, part: Part, row: int) -> tuple[NDArray[np.float32], int]:
        """Return a clip's feature ``[steps, width]``, zeros at the back, and its length."""
        values = part.feature(self.modality, row)
        self.kinds.add(values.dtype.name)
        found = np.zeros((self.steps, self.width), np.float32)
        found[: len(values)] = self._finite(values)
        filled = _last_row(found)
        stated = self._stated(part, row)
        if stated is None:
            return found, filled
        length = min(stated, self.steps)
        self.counts["too long"] += stated > self.steps
        if filled <= length:
            return found, length
        spare = self.steps - length
        if length and not found[:spare].any():  # zeros in front, as some aligners write
            self.counts["padded in front"] += 1
            return np.concatenate([found[spare:], found[:spare]]), length
        self.counts["longer than stated"] += 1
        return found, filled

    def _stated(self, part: Part, row: int) -> int | None:
        if self.origin == "stated":
            return int(part.lengths[self.modality][row])
        if self.origin in ("tokens", "aligned"):
            assert part.tokens is not None
            return int((part.tokens.array()[row, 1] != 0).sum())
        return None

    def _finite(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 with zeros in the place of what is no number, and count that."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.array(values, np.float32)
        bad = ~np.isfinite(found)
        if bad.any():
            self.counts["clips with no numbers"] += 1
            self.counts["-inf"] += int((found == -np.inf).sum())
            self.counts["inf"] += int((found == np.inf).sum())
            self.counts["NaN"] += int(np.isnan(found).sum())
            found[bad] = 0
        return found

    def remarks(self) -> list[str]:
        """Say how this feature was read."""
        found = [f"{self.modality}: lengths {_WORDS[self.origin]}"]
        others = sorted(self.kinds - {"float32"})
        if others:
            found.append(f"{self.modality}: {', '.join(others)} in the file, float32 here")
        return found

    def repairs(self) -> list[str]:
        """Say what of this feature is not as the file has it."""
        counts, name = self.counts, self.modality
        found: list[str] = []
        if counts["clips with no numbers"]:
            kinds = ", ".join(f"{counts[k]:,} {k}" for k in ("-inf", "inf", "NaN") if counts[k])
            found.append(
                f"{name}: {kinds} in {counts['clips with no numbers']:,} clips became 0, as in the "
                "published code"
            )
        if counts["too long"]:
            found.append(
                f"{name}: {counts['too long']:,} clips have stated lengths beyond their "
                f"{self.steps} rows; they were cut to that"
            )
        if counts["longer than stated"]:
            found.append(
                f"{name}: {counts['longer than stated']:,} clips have values beyond their stated "
                "length; their length is that of their values"
            )
        if counts["padded in front"]:
            found.append(
                f"{name}: {counts['padded in front']:,} clips were padded in front; here their "
                "zeros are at the back"
            )
        return found


def fittings(parts: dict[str, Part], file_size: int) -> dict[str, Fitting]:
    """Decide how each modality is fitted.

    Parameters
    ----------
    parts : dict of str to Part
        Of the file.
    file_size : int
        Its bytes. Features that take many times as much are a forgery.

    Raises
    ------
    RefusedError
        If parts disagree, or the features are far larger than the file.
    """
    found = {}
    total = 0
    for modality in parts["train"].features:
        shapes = [part.shape_of(modality) for part in parts.values()]
        widths = {width for _, width in shapes}
        if len(widths) > 1:
            raise RefusedError(f"{modality} has other widths in other parts: {sorted(widths)}")
        steps = max(length for length, _ in shapes)
        found[modality] = Fitting(modality, steps, widths.pop(), _origin(parts, modality))
        total += steps * found[modality].width * 4 * sum(len(p.rows) for p in parts.values())
    if total > 16 * file_size + 2**26:
        raise RefusedError(f"a file of {file_size:,} bytes whose features would take {total:,}")
    return found


def _origin(parts: dict[str, Part], modality: str) -> Origin:
    every = list(parts.values())
    if modality != "text" and all(modality in part.lengths for part in every):
        return "stated"
    if not all(part.tokens is not None and _steps(part, "text") for part in every):
        return "stated" if all(modality in part.lengths for part in every) else "derived"
    if modality == "text":
        return "tokens"
    same = all(_steps(part, modality) == _steps(part, "text") for part in every)
    return "aligned" if same else "derived"


def _steps(part: Part, modality: str) -> int:
    """Return the padded length of a feature that all clips share; 0 without one."""
    feature: Stored | Sequence[Any] | None = part.features.get(modality)
    return feature.shape[1] if isinstance(feature, Stored) else 0


def _last_row(values: NDArray[np.float32]) -> int:
    """Return the number of rows up to the last that is not all zeros."""
    filled = np.flatnonzero(values.any(axis=1))
    return int(filled[-1]) + 1 if len(filled) else 0
