"""The clips' table: a row per clip with its figures and findings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.report.corpus import classes_of, votes_by_clip
from pipeline.report.findings import Finding, findings
from pipeline.report.signals import Detail, fitting_detail
from pipeline.report.sources import Build
from pipeline.report.tracks import pack_clip

DETAILS_A_BLOCK = 40

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


def clip_rows(build: Build) -> list[ClipRow]:
    """Describe every usable clip, the gravest findings first, then in the sheet's order."""
    usable = build.usable
    if usable.empty:
        return []
    classes = classes_of(usable["M"])
    limits, parts = build.padded, build.parts
    votes = {} if build.votes is None else votes_by_clip(build.votes)
    rows = []
    for entry, name in zip(usable.to_dict("records"), classes, strict=True):
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
        rows.append(ClipRow(clip, entry["text"], _media(entry), figures, steps, found, said))
    order = sorted(range(len(rows)), key=lambda i: (-rows[i].weight, i))
    return [rows[i] for i in order]


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
    build: Build, rows: list[ClipRow], table: int
) -> tuple[Detail, list[list[dict[str, Any]]]]:
    """Pack thumbnails and tracks, in blocks that the page reads one at a time.

    Parameters
    ----------
    build : Build
        The build.
    rows : list of ClipRow
        The clips of the page's table.
    table : int
        Bytes that the table takes of the page.
    """
    detail = fitting_detail(len(rows), build.config.report.megabytes, table)
    packed = [
        {
            "media": row.media,
            **({"votes": row.votes} if row.votes else {}),
            **pack_clip(build, row.clip, row.figures["seconds"], detail),
        }
        for row in rows[: detail.clips]
    ]
    return detail, [packed[i : i + DETAILS_A_BLOCK] for i in range(0, len(packed), DETAILS_A_BLOCK)]
