"""Corpora laid out like the downloads of CH-SIMS, CH-SIMS v2(s) and v2(u)."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import SHARED

CH_SIMS = (
    *("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V"),
    *("annotation", "mode"),
)


@dataclass(frozen=True)
class Row:
    """One clip of a published sheet; without a label it is one of v2(u)."""

    video_id: str
    clip_id: str
    text: str
    label: str = ""
    mode: str = ""

    @property
    def annotation(self) -> str:
        """What the published sheets call the label's sign."""
        if not self.label:
            return ""
        value = float(self.label)
        return "Positive" if value > 0 else "Negative" if value < 0 else "Neutral"


def published(name: str) -> list[Row]:
    """Return the rows of a real sheet; skip where it is not."""
    path = SHARED / "corpus" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: it is no part of the project")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [
            Row(line["video_id"], line["clip_id"], line["text"], line["label"], line["mode"])
            for line in csv.DictReader(file)
        ]


def unlabelled(rows: Iterable[Row]) -> list[Row]:
    """Return the rows as v2(u) would have them."""
    return [Row(row.video_id, row.clip_id, row.text) for row in rows]


def sheet(rows: Sequence[Row], *, header: bool, columns: Sequence[str] = CH_SIMS) -> str:
    """Write a sheet with the columns of CH-SIMS."""
    text = io.StringIO()
    writer = csv.writer(text)
    if header:
        writer.writerow(columns)
    for row in rows:
        values = (row.video_id, row.clip_id, row.text, *[row.label] * 4, row.annotation, row.mode)
        writer.writerow(values[: len(columns)])
    return text.getvalue()


def lay_out(
    folder: Path, name: str, content: str, rows: Iterable[Row], clips: Sequence[Path]
) -> Path:
    """Lay out ``folder/name`` and ``folder/Raw/VIDEO/CLIP.mp4``, hard links to a few clips.

    Returns
    -------
    Path
        The folder.
    """
    folder.mkdir(parents=True)
    (folder / name).write_text(content, "utf-8")
    for number, row in enumerate(rows):
        target = folder / "Raw" / row.video_id / f"{row.clip_id}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(clips[number % len(clips)], target)
    return folder


V2_SHAPE = [
    Row("aqgy3_0001", "00000", "好男人就是我，我就是曾小贤。", "0.6", "train"),
    Row("aqgy3_0001", "0001", "大叔你喜欢吃油条吗。", "0", "valid"),
    Row("aqgy3_0001", "00008_0", "没有问题", "-0.1", "test"),
    Row("aqgy3_0012", "00000", "今天天气很好", "-1", "train"),
]
"""Clips with the kinds of ids that v2 has, for tests that run everywhere."""
