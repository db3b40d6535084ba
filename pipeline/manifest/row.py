"""One clip as the label sheet describes it, and how a line of the sheet becomes one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pipeline.corpus import LABELS
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.table import Record
from pipeline.manifest.votes import identity

SPELLINGS: dict[str, tuple[str, ...]] = {
    "video_id": ("video_id", "video", "videoid"),
    "clip_id": ("clip_id", "clipid"),
    "clip": ("clip",),
    "text": ("text", "transcript", "transcription", "text_cn", "chinese", "文本"),
    "M": ("label", "label_m", "m"),
    "T": ("label_t", "t"),
    "A": ("label_a", "a"),
    "V": ("label_v", "v"),
    "mode": ("mode", "split", "part", "subset"),
    "speaker": ("speaker", "speaker_id", "speakerid", "说话人"),
    "gender": ("gender", "sex", "性别"),
    "age": ("age", "年龄"),
    "english": ("english", "text_en", "english_text", "text_english", "translation"),
    "modality": ("modality", "task"),
    "annotator": ("annotator", "annotator_id", "rater"),
    "vote": ("vote", "votes", "rating", "score"),
}
"""Column names that are understood, in any case and order."""

_MODES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
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


@dataclass(frozen=True)
class SheetRow:
    """One clip as the sheet describes it; nothing here has been checked against the media.

    Parameters
    ----------
    row : int
        Position in the sheet, from 0.
    line : int
        Line of the file, for messages.
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

    @property
    def clip(self) -> str:
        """The clip's id, ``video_id/clip_id``."""
        return f"{self.video_id}/{self.clip_id}"


def row_of(row: int, record: Record, folders: MediaFolders, *, labelled: bool = True) -> SheetRow:
    """Make a row of one line; without `labelled` its label columns are not read."""
    video_id, clip_id, problem = folders.full_ids(*identity(record))
    problems = [problem] if problem else []
    if record.extra:
        problems.append(
            f"line {record.line} of the sheet has {record.extra} field(s) more than its header: "
            "a transcript with a comma needs quotation marks"
        )
    labels: dict[str, Any] = {}
    for name in LABELS if labelled else ():
        value, problem = _label(record[name], name)
        labels[name] = value
        problems += [problem] if problem else []
    return SheetRow(
        row,
        record.line,
        video_id,
        clip_id,
        record["text"],
        **labels,
        **_attributes(record),
        problems=tuple(problems),
    )


def _attributes(record: Record) -> dict[str, Any]:
    """Return the optional columns, with one spelling for each part and gender."""
    mode, gender = record["mode"], record["gender"]
    return {
        "mode": _MODES.get(mode.casefold(), mode) or None,
        "speaker": record["speaker"] or None,
        "gender": _GENDERS.get(gender.casefold(), gender) or None,
        "age": record["age"] or None,
        "english": record["english"] or None,
    }


def _label(text: str, name: str) -> tuple[float, str | None]:
    if text.casefold() in ("", "nan", "na", "n/a", "none", "null"):
        return math.nan, None
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isfinite(value):
        return value, None
    return math.nan, f"its label {name} is {text!r}, not a number"
