"""How the page draws the features that it knows: faces, OpenFace, sound and tokens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError
from pipeline.faces.crops import film_frames
from pipeline.openface.columns import CONFIDENCE, INTENSITY_UNITS, SUCCESS, TABLE_GROUPS
from pipeline.openface.grid import nearest_rows
from pipeline.report.signals import Detail, film_strip, pack, resample
from pipeline.report.sources import Build

STRONGEST_UNITS = 4
SPEECH_HZ = (60.0, 600.0)
"""Pitches that the page draws; the feature may reach further."""

_POSE = slice(TABLE_GROUPS["pose"].start + 3, TABLE_GROUPS["pose"].stop)
_UNITS = TABLE_GROUPS["au_r"]
_HUES = ("v", "t", "a", "m")


@dataclass(frozen=True)
class Track:
    """One line chart or heat map, described once for all clips.

    Parameters
    ----------
    key : str
        Where a clip's values are, among its ``tracks``.
    stage : str
        Whose steps it shows: it lies at this stage's ``span``.
    name, note : str
        Label, and the scale in words.
    lines : tuple of (str, str), optional
        Name and hue of each line; None where they differ from clip to clip.
    rows : int
        Rows of a heat map; 0 for lines.
    middle : bool
        Draw a line at the middle of the scale.
    """

    key: str
    stage: str
    name: str
    note: str
    lines: tuple[tuple[str, str], ...] | None = None
    rows: int = 0
    middle: bool = False


@dataclass
class Packed:
    """What a stage gives to a clip's details: tracks by key, and what else the page needs."""

    span: tuple[float, float] | None = None
    """Where its steps lie on the clip's clock, in seconds; None where they are no spans of time."""
    tracks: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def info_of(build: Build, stage: str, clip: str) -> dict[str, Any]:
    """Return what a stage noted about a clip."""
    header = build.store.header(stage, clip)
    if header is None:
        raise BuildError(f"no {stage} features of {clip}")
    info: dict[str, Any] = header["info"]
    return info


def span_of(info: dict[str, Any], steps: int, rate: float) -> tuple[float, float]:
    """Return where steps lie on the clip's clock, in seconds."""
    start = float(info.get("start") or 0.0)
    return start, start + steps / rate


def _face_tracks(_: Build) -> list[Track]:
    return [
        Track(
            "box",
            "faces",
            "Face position",
            "share of the picture",
            (("across", "v"), ("down", "a"), ("height", "t")),
        ),
        Track("many", "faces", "Faces found", "0 to 3", (("faces", "m"),)),
    ]


def _pack_faces(build: Build, clip: str, detail: Detail) -> Packed:
    info = info_of(build, "faces", clip)
    with build.store.opened("faces", clip) as file:
        box = file.array("box").astype(np.float64)
        offsets = file.array("crop_offsets").tolist()
        total = len(box)
        kept = file.header.get("trimmed", {}).get("thumbnails")
        frames = film_frames(total, build.config.report.thumbnails, kept)
        crops = [
            file.rows("crop_bytes", offsets[t], offsets[t + 1]).tobytes() or None for t in frames
        ]
        faces = file.array("faces")
    width, height = (info[side] or 1 for side in ("width", "height"))  # 0 without a picture
    centre_x = (box[:, 0] + box[:, 2]) / 2 / width
    centre_y = (box[:, 1] + box[:, 3]) / 2 / height
    size = (box[:, 3] - box[:, 1]) / height
    tracks = resample(np.stack([centre_x, centre_y, size], axis=1), detail.columns)
    span = span_of(info, total, info["fps"])
    return Packed(
        span,
        {
            "box": [pack(track, 0, 1) for track in tracks.T],
            "many": [pack(resample(faces.astype(np.float64), detail.columns), 0, 3)],
        },
        {
            "film": film_strip(crops, detail.pixels, detail.quality) if frames else "",
            "moments": [round(span[0] + (t + 0.5) / info["fps"], 2) for t in frames],
            "blank": [place for place, crop in enumerate(crops) if crop is None],
        },
    )


def _openface_tracks(_: Build) -> list[Track]:
    turn = (("pitch", "t"), ("yaw", "v"), ("roll", "a"))
    return [
        Track("trust", "openface", "OpenFace", "0 where it failed", (("confidence", "accent"),)),
        Track("pose", "openface", "Head turn", "±0.5 rad", turn, middle=True),
        Track("units", "openface", "Action units", "0 to 5"),
    ]


def _pack_openface(build: Build, clip: str, detail: Detail) -> Packed:
    """Draw the rows that the vision feature takes: one for each frame of the faces."""
    faces = info_of(build, "faces", clip)
    frames, fps = faces["frames"], faces["fps"]
    with build.store.opened("openface", clip) as file:
        table = file.array("table")
        # imported rows lie at the times of their video's pictures, the others at our frames
        imported = info_of(build, "openface", clip)["runtime"] == "import"
        times = file.array("times") if imported else np.arange(frames) / fps
    rows = nearest_rows(times, len(table), frames, fps)
    table = table[rows]
    trust = table[:, CONFIDENCE : SUCCESS + 1].astype(np.float64)
    pose = table[:, _POSE].astype(np.float64)
    units = table[:, _UNITS].astype(np.float64)
    failed = (trust[:, 1] != 1) | (rows < 0)
    pose[failed] = np.nan
    units[failed] = np.nan
    strength = np.nan_to_num(np.nanmax(units, axis=0)) if (~failed).any() else np.zeros(17)
    strongest = np.argsort(-strength, kind="stable")[:STRONGEST_UNITS]
    columns = detail.columns
    names = [f"AU{INTENSITY_UNITS[unit]:02d}" for unit in strongest]
    return Packed(
        span_of(faces, frames, fps),
        {
            "trust": [pack(resample(np.where(failed, 0, trust[:, 0]), columns), 0, 1)],
            "pose": [pack(track, -0.5, 0.5) for track in resample(pose, columns).T],
            "units": [pack(resample(units[:, unit], columns), 0, 5) for unit in strongest],
        },
        {"lines": {"units": list(zip(names, _HUES, strict=False))}},
    )


def _audio_tracks(build: Build) -> list[Track]:
    pitch = (
        ("Zero crossings", "0 to 0.5", (("rate", "a"),))
        if build.made_with.audio.f0 == "zcr"
        else ("Log F0", "60 to 600 Hz; gaps are unvoiced", (("pitch", "a"),))
    )
    name, note, lines = pitch
    return [
        Track("pitch", "audio", name, note, lines),
        Track("mfcc", "audio", "MFCC", "0 at the bottom; each against its mean, ±2.5 std", rows=20),
        Track("chroma", "audio", "Chroma", "C at the bottom, B at the top", rows=12),
    ]


def _pack_audio(build: Build, clip: str, detail: Detail) -> Packed:
    settings = build.made_with.audio
    info = info_of(build, "audio", clip)
    rate = float(info.get("rate") or settings.sample_rate / settings.hop_length)
    with build.store.opened("audio", clip) as file:
        audio = file.array("audio").astype(np.float64)
    if not len(audio):
        return Packed((0.0, 0.0))
    first, mfcc, chroma = audio[:, 0], audio[:, 1:21], audio[:, 21:33]
    if settings.f0 == "zcr":
        pitch, low, high = first, 0.0, 0.5
    else:
        pitch = np.where(first > 0, first, np.nan)
        low, high = (math.log(limit) for limit in SPEECH_HZ)
    columns = detail.columns
    # row by row from the top of the picture: the highest coefficient and pitch class first
    return Packed(
        span_of(info, len(audio), rate),
        {
            "pitch": [pack(resample(pitch, columns), low, high)],
            "mfcc": pack(resample(standardised(mfcc), columns).T[::-1], -2.5, 2.5),
            "chroma": pack(resample(chroma, columns).T[::-1], 0, 1),
        },
    )


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values [T, D] less their mean, in units of their deviation; constants become 0."""
    spread = values.std(axis=0)
    standard: NDArray[np.float64] = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return standard


def _pack_text(build: Build, clip: str, _: Detail) -> Packed:
    return Packed(more={"tokens": info_of(build, "text", clip)["tokens"]})


OWN: dict[
    str,
    tuple[Callable[[Build], list[Track]], Callable[[Build, str, Detail], Packed]],
] = {
    "faces": (_face_tracks, _pack_faces),
    "openface": (_openface_tracks, _pack_openface),
    "audio": (_audio_tracks, _pack_audio),
    "text": (lambda build: [], _pack_text),
}
"""The stages whose features the report knows how to draw."""
