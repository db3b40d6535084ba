"""The clips' table: a row per clip with its figures and findings."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.report.corpus import classes_of, votes_by_clip
from pipeline.report.findings import Finding, findings
from pipeline.report.pages import embed_json
from pipeline.report.signals import Detail, fitting_detail
from pipeline.report.sources import Build
from pipeline.report.tracks import pack_clip
from pipeline.store.spool import Spool

DETAILS_A_BLOCK = 40
_ROWS_AT_ONCE = 256

_SHORT = {"mean_confidence": "Conf.", "loudness_db": "Level", "unknown_tokens": "Unknown"}
"""Headings for figures whose titles would widen the table."""

_NOT_SHOWN = {"face_probability"}
"""Figures that no rule judges: they are in clips.csv, not on the page."""


@dataclass(frozen=True)
class ClipRow:
    """One clip: its figures, and its findings, the gravest first."""

    clip: str
    text: str
    media: str
    figures: dict[str, Any]
    steps: dict[str, int]
    found: list[Finding]
    votes: str = ""

    @property
    def weight(self) -> float:
        """How grave its findings are; the table starts with the largest."""
        return sum(item.weight for item in self.found)


class ClipRows(Spool[ClipRow]):
    """Every usable clip, the gravest findings first, then in the sheet's order; on the disk.

    Attributes
    ----------
    sizes : array of int
        Bytes that each row takes in the page's table, in the same order.
    pointed_out : int
        Clips with a finding.
    slots : list of str
        The slots of whose features any clip has steps.
    """

    def __init__(self, build: Build) -> None:
        super().__init__(asdict, _row_of)
        self.sizes, self.pointed_out = array("q"), 0
        found: set[str] = set()
        weights = array("d")
        for row in _described(build):
            self.append(row)
            self.sizes.append(len(embed_json([*in_table(row).values()]).encode()))
            self.pointed_out += bool(row.found)
            found.update(row.steps)
            weights.append(row.weight)
        self.slots = [slot for slot in build.modalities if slot in found]
        order = sorted(range(len(self)), key=lambda place: (-weights[place], place))
        self.order(order)
        self.sizes = array("q", [self.sizes[place] for place in order])


def _row_of(stored: dict[str, Any]) -> ClipRow:
    return ClipRow(**{**stored, "found": [Finding(**found) for found in stored["found"]]})


def in_table(row: ClipRow) -> dict[str, Any]:
    """Return a clip's values in the columns of the page's table."""
    return {
        "clip": row.clip,
        "text": row.text,
        **row.figures,
        "weight": round(row.weight, 3),
        "found": [[item.kind, item.text, item.figure] for item in row.found],
    }


def _described(build: Build) -> Iterator[ClipRow]:
    """Describe every usable clip, in the sheet's order."""
    usable, limits, parts = build.usable, build.padded, build.parts
    votes = {} if build.votes is None else votes_by_clip(build.votes)
    for start in range(0, len(usable), _ROWS_AT_ONCE):
        some = usable.iloc[start : start + _ROWS_AT_ONCE]
        for entry, name in zip(some.to_dict("records"), classes_of(some["M"]), strict=True):
            clip = str(entry["clip"])
            infos = {stage: _info(build, stage, clip) for stage in build.stages}
            steps = _steps(build, clip)
            cut = [slot for slot, limit in limits.items() if steps.get(slot, 0) > limit]
            figures: dict[str, Any] = {
                "part": parts.get(clip),
                "class": name,
                **{label: _plain(entry[label]) for label in LABELS},
                "seconds": _plain(entry["duration"]),
                **_figures(build, infos),
                "cut": cut,
            }
            warnings = [str(warning) for warning in entry["warnings"]]
            found = findings(build.config, infos, warnings, cut)
            said = votes.get(clip, "")
            yield ClipRow(clip, entry["text"], _media(entry), figures, steps, found, said)


def figure_columns(build: Build) -> list[tuple[str, str, str, str]]:
    """Return key, heading, unit and explanation of each figure that the build's stages give."""
    return [
        (
            figure.name,
            _SHORT.get(figure.name, figure.title.capitalize()),
            figure.unit,
            f"{figure.title} ({name} stage)",
        )
        for name, stage in build.stages.items()
        for figure in stage.figures
        if figure.name not in _NOT_SHOWN
    ]


def _figures(build: Build, infos: dict[str, dict[str, Any] | None]) -> dict[str, float | None]:
    return {
        figure.name: _plain((infos[name] or {}).get(figure.key))
        for name, stage in build.stages.items()
        for figure in stage.figures
    }


def _media(entry: dict[Any, Any]) -> str:
    """Describe a clip's file and speaker in a line."""
    size = f"{entry['width']:.0f}×{entry['height']:.0f} px" if entry["width"] > 0 else ""
    rate = f"{entry['fps']:.5g} frames/s" if entry["fps"] > 0 else ""
    sound = f"{entry['sample_rate'] / 1000:g} kHz" if entry["sample_rate"] > 0 else ""
    spans = [
        _stream(entry, name, word) for name, word in (("video", "picture"), ("audio", "sound"))
    ]
    named = [size, rate, entry["video_codec"], entry["audio_codec"], sound, *spans]
    person = [entry[name] for name in ("speaker", "gender", "age")]
    return ", ".join(value for value in [*named, *person] if isinstance(value, str) and value)


def _stream(entry: dict[Any, Any], name: str, word: str) -> str:
    """Say from when to when a stream lasts on the clip's clock."""
    start, seconds = (entry.get(f"{name}_{part}") for part in ("start", "seconds"))
    if start is None or seconds is None or math.isnan(start + seconds):
        return ""
    return f"{word} from {start:.2f} to {start + seconds:.2f} s".replace("-", "−")


def _info(build: Build, stage: str, clip: str) -> dict[str, Any] | None:
    header = build.store.header(stage, clip)
    return None if header is None else header["info"]


def _steps(build: Build, clip: str) -> dict[str, int]:
    """Return the clip's steps in each slot, before padding and cutting."""
    steps = build.adopted_steps.get(clip, {}).copy()
    for slot, stage in build.slots.items():
        assert stage.feature is not None
        try:
            with build.store.opened(stage.name, clip) as file:
                steps[slot] = file.shape(stage.feature.array)[0]
        except BuildError:
            continue
    return steps


def _plain(value: Any) -> float | None:
    if value is None or math.isnan(value):
        return None
    return value if isinstance(value, int) else round(float(value), 4)


def clip_details(
    build: Build, rows: ClipRows, shown: int, table: int
) -> tuple[Detail, list[list[dict[str, Any]]]]:
    """Pack thumbnails and tracks, in blocks that the page reads one at a time.

    Parameters
    ----------
    build : Build
        The build.
    rows : ClipRows
        The clips.
    shown : int
        How many of them the page's table holds.
    table : int
        Bytes that the table takes of the page.
    """
    detail = fitting_detail(shown, build.config.report.megabytes, table)
    packed = [
        {
            "media": row.media,
            **({"votes": row.votes} if row.votes else {}),
            **pack_clip(build, row.clip, row.figures["seconds"], detail),
        }
        for row in rows.first(detail.clips)
    ]
    return detail, [packed[i : i + DETAILS_A_BLOCK] for i in range(0, len(packed), DETAILS_A_BLOCK)]
