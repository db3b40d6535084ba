"""One clip as the label sheet describes it, and how a line of the sheet becomes one."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.corpus import LABELS, Label
from pipeline.manifest.columns import MODES, SPELLINGS, kept_keys
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.misread import misread
from pipeline.manifest.numbers import is_missing, not_a_number, number
from pipeline.manifest.plausible import is_lost
from pipeline.manifest.table import Record
from pipeline.manifest.votes import identity

LONGEST_TEXT = 1000
"""Characters of the longest transcript; BERT reads 510 tokens at most."""

_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that show nothing."""

_EPSILON = 1e-6

_GENDERS = {
    "m": "male",
    "male": "male",
    "man": "male",
    "男": "male",
    "f": "female",
    "female": "female",
    "woman": "female",
    "女": "female",
}


_NO_COLUMNS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One clip as the sheet describes it; nothing here has been checked against the media.

    Parameters
    ----------
    row : int
        Position in the sheet, from 0.
    line : int
        Line of the label sheet, for messages; 0 for a clip that only has votes.
    video_id, clip_id : str
        As written, but for the zeros that a spreadsheet took from a number.
    text : str
        The Chinese transcript, empty where there is none.
    M, T, A, V : float
        Labels; NaN where not labelled.
    mode, speaker, gender, age, english : str or None
        Optional columns.
    problems : tuple of str
        Why this line cannot be used, whatever the corpus rules say.
    vote_problems : tuple of str
        What the rule `votes` speaks about.
    names : mapping of str to str
        The header's own names of the columns, for messages.
    kept : mapping of str to str
        The columns that the user wants to keep (``manifest.keep_columns``), as written.
    """

    row: int
    line: int
    video_id: str
    clip_id: str
    text: str = ""
    M: float = math.nan
    T: float = math.nan
    A: float = math.nan
    V: float = math.nan
    mode: str | None = None
    speaker: str | None = None
    gender: str | None = None
    age: str | None = None
    english: str | None = None
    problems: tuple[str, ...] = ()
    vote_problems: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    kept: Mapping[str, str] = field(default_factory=dict, compare=False)

    def column(self, name: str) -> str:
        """Return what the sheet calls a column, for messages."""
        return f"column {self.names.get(name, SPELLINGS[name][0])}"

    @property
    def is_labelled(self) -> bool:
        """Whether it has at least one of the four labels."""
        return any(not math.isnan(getattr(self, name)) for name in LABELS)

    @property
    def clip(self) -> str:
        """The clip's id, ``video_id/clip_id``."""
        return f"{self.video_id}/{self.clip_id}"


def row_of(
    row: int,
    record: Record,
    folders: MediaFolders,
    names: Mapping[str, str],
    *,
    labelled: bool = True,
    label_range: tuple[float, float] | None = None,
) -> SheetRow:
    """Make a row of one line.

    Parameters
    ----------
    row : int
        Its position.
    record : Record
        The line.
    folders : MediaFolders
        Give numeric ids the zeros of the files' names.
    names : mapping of str to str
        The header's names of the columns.
    labelled : bool
        Read the label columns.
    label_range : (float, float), optional
        The labels' range, which is scaled to [-1, 1].
    """
    video_id, clip_id, problem = folders.full_ids(*identity(record))
    made = SheetRow(
        row,
        record.line,
        video_id,
        clip_id,
        record["text"],
        **_attributes(record),
        names=names,
        kept={name: record[key] for name, key in kept_keys(names).items()} or _NO_COLUMNS,
    )
    labels = {name: number(record[name]) for name in LABELS} if labelled else {}
    outside = _outside(labels, label_range)
    if label_range is not None:
        labels = {
            name: None if x is None or name in outside else scaled(x, label_range)
            for name, x in labels.items()
        }
    problems = [
        *([problem] if problem else []),
        *_surplus(record),
        *(f"{made.column('text')}: {words}" for words in _text_problems(made.text)),
        *(
            f"{made.column(name)}: {not_a_number(record[name])}"
            for name, value in labels.items()
            if value is None and name not in outside and not is_missing(record[name])
        ),
        *(f"{made.column(name)}: {words}" for name, words in outside.items()),
    ]
    found: dict[str, Any] = {name: math.nan if x is None else x for name, x in labels.items()}
    return replace(made, **found, problems=tuple(problems))


def scaled(label: float, label_range: tuple[float, float]) -> float:
    """Scale a label linearly from its range to [-1, 1].

    Examples
    --------
    >>> [scaled(label, (-3, 3)) for label in (-3, -1.8, 0, 3)]
    [-1.0, -0.6, 0.0, 1.0]
    """
    low, high = label_range
    return round(2 * (label - low) / (high - low) - 1, 6) + 0.0  # no negative zero


def _outside(
    labels: Mapping[Label, float | None], label_range: tuple[float, float] | None
) -> dict[str, str]:
    """Say which labels lie outside the range that the user gave."""
    if label_range is None:
        return {}
    low, high = label_range
    return {
        name: f"{x:g} is outside [{low:g}, {high:g}] (manifest.label_range)"
        for name, x in labels.items()
        if x is not None and not low - _EPSILON <= x <= high + _EPSILON
    }


def _attributes(record: Record) -> dict[str, Any]:
    """Return the optional columns, with one spelling for each part and gender."""
    mode, gender = record["mode"], record["gender"]
    return {
        "mode": MODES.get(mode.casefold(), mode) or None,
        "speaker": record["speaker"] or None,
        "gender": _GENDERS.get(gender.casefold(), gender) or None,
        "age": record["age"] or None,
        "english": record["english"] or None,
    }


def _surplus(record: Record) -> Iterator[str]:
    if record.extra:
        yield (
            f"{record.extra} field(s) more than the header has: a transcript with a comma, or a "
            "decimal comma, needs quotation marks"
        )


def _text_problems(text: str) -> Iterator[str]:
    """Yield why a transcript cannot be what was said; an empty one is the rules' matter."""
    if not is_visible(text) and text:
        yield "it holds only invisible characters"
    if lost := next((c for c in text if is_lost(c)), None):
        yield f"the character U+{ord(lost):04X} stands where a conversion lost another"
    if len(text) > 1 and not text.strip("? ,.!"):
        yield f"{text[:20]!r} stands where a conversion lost its characters"
    if how := misread(text[:LONGEST_TEXT]):
        yield f"{text[:20]!r} is {how[1]} text that was opened as {how[0]}"
    if len(text) > LONGEST_TEXT:
        yield f"a transcript of {len(text):,} characters; expected {LONGEST_TEXT:,} at most"


def is_visible(text: str) -> bool:
    """Tell whether a text holds a letter, number, sign or punctuation mark."""
    return any(unicodedata.category(c)[0] in "LNSPC" and not _is_blank(c) for c in text)


def _is_blank(c: str) -> bool:
    return unicodedata.category(c) in ("Cf", "Cc") or c in _FILLERS
