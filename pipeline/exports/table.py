"""One CSV file: every clip with its part, labels, lengths, quality figures and kept columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from pipeline.corpus import CLASSES, LABELS
from pipeline.exports.output import Output
from pipeline.exports.source import PERSON, ExportClip, Source
from pipeline.terminal import tracked


def write(source: Source, output: Output) -> None:
    """Write the table, one line per clip in the order of the dataset."""
    quality, columns = source.names_under("quality"), source.names_under("columns")
    lengths = [f"{modality}_length" for modality in source.modalities]
    header = [
        *("id", "video_id", "clip_id", "part", "text", *PERSON),
        *LABELS,
        *("class", *lengths, *quality, *(f"column_{name}" for name in columns)),
    ]
    total = sum(source.size(part) for part in source.parts)
    clips = (clip for part in source.parts for clip in source.clips(part, features=False))
    with output.new() as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(_rows(tracked(clips, "csv", total), quality, columns))


def left_out(source: Source) -> list[str]:
    """Say what of a dataset the table has no place for."""
    return ["features and masks: the table has one line per clip"]


def _rows(
    clips: Iterator[ExportClip], quality: list[str], columns: list[str]
) -> Iterator[list[Any]]:
    for clip in clips:
        yield [
            *(clip.id, clip.video_id, clip.clip_id, clip.part, clip.text),
            *clip.person.values(),
            *(_cell(clip.labels[task]) for task in LABELS),
            "" if clip.label_class is None else CLASSES[clip.label_class],
            *clip.lengths.values(),
            *(_cell(clip.quality[name]) for name in quality),
            *(_cell(clip.columns[name]) for name in columns),
        ]


def _cell(value: float | str | None) -> float | str:
    return "" if value is None else value
