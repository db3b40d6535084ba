"""The clips' table and what opens below a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors import SafetensorError

from pipeline.corpus import LABELS, MODALITIES
from pipeline.errors import BuildError
from pipeline.openface.columns import CONFIDENCE, INTENSITY_UNITS, SUCCESS, TABLE_GROUPS
from pipeline.report.corpus import classes_of
from pipeline.report.findings import Finding, findings
from pipeline.report.signals import Detail, film_strip, fitting_detail, pack, resample
from pipeline.report.sources import Build
from pipeline.stages import STAGES

STRONGEST_UNITS = 4
SPEECH_HZ = (60.0, 600.0)
"""Pitches that the page draws; the feature may reach further."""
DETAILS_A_BLOCK = 40
_POSE = slice(TABLE_GROUPS["pose"].start + 3, TABLE_GROUPS["pose"].stop)
_UNITS = TABLE_GROUPS["au_r"]


@dataclass(frozen=True)
class ClipRow:
    """One clip: its figures, and its findings worst first."""

    clip: str
    text: str
    media: str
    figures: dict[str, Any]
    steps: dict[str, int]
    found: list[Finding]

    @property
    def weight(self) -> float:
        """How bad the clip looks; the table starts with the largest."""
        return sum(item.weight for item in self.found)


def clip_rows(build: Build) -> list[ClipRow]:
    """Describe every usable clip, the worst first, then in the sheet's order."""
    usable = build.usable
    if usable.empty:
        return []
    classes = classes_of(usable["M"])
    limits, parts = build.padded, build.parts
    rows = []
    for entry, name in zip(usable.to_dict("records"), classes, strict=True):
        clip = str(entry["clip"])
        info = {stage: _info(build, stage, clip) for stage in STAGES}
        steps = _steps(build, clip)
        cut = [name for name, limit in limits.items() if steps.get(name, 0) > limit]
        figures: dict[str, Any] = {
            "part": parts.get(clip),
            "class": name,
            **{label: _plain(entry[label]) for label in LABELS},
            "seconds": _plain(entry["duration"]),
            **_quality(info),
            "faces": _faces_a_frame(build, clip),
            "cut": cut,
        }
        warnings = [str(warning) for warning in entry["warnings"]]
        found = findings(build.config, info, warnings, cut)
        rows.append(ClipRow(clip, entry["text"], _media(entry), figures, steps, found))
    order = sorted(range(len(rows)), key=lambda i: (-rows[i].weight, i))
    return [rows[i] for i in order]


def _media(entry: dict[Any, Any]) -> str:
    """Describe a clip's file and speaker in a line."""
    size = f"{entry['width']:.0f}×{entry['height']:.0f} px" if entry["width"] > 0 else ""
    rate = f"{entry['fps']:.5g} frames/s" if entry["fps"] > 0 else ""
    sound = f"{entry['sample_rate'] / 1000:g} kHz" if entry["sample_rate"] > 0 else ""
    named = [size, rate, entry["video_codec"], entry["audio_codec"], sound]
    person = [entry[name] for name in ("speaker", "gender", "age")]
    return ", ".join(value for value in [*named, *person] if isinstance(value, str) and value)


def _info(build: Build, stage: str, clip: str) -> dict[str, Any] | None:
    header = build.store.header(stage, clip)
    return None if header is None else header["info"]


def _quality(info: dict[str, dict[str, Any] | None]) -> dict[str, Any]:
    faces, vision = info["faces"] or {}, info["vision"] or {}
    audio, text = info["audio"] or {}, info["text"] or {}
    return {
        "face": faces.get("face_share"),
        "success": vision.get("success_share"),
        "confidence": vision.get("mean_confidence"),
        "voiced": audio.get("voiced_share"),
        "loudness": audio.get("loudness_db"),
        "tokens": len(text["tokens"]) if "tokens" in text else None,
        "unknown": text.get("unknown"),
    }


def _steps(build: Build, clip: str) -> dict[str, int]:
    """Return the clip's steps in each modality, before padding and cutting."""
    steps = {}
    for name in MODALITIES:
        try:
            with _open(build, name, clip) as file:
                steps[name] = int(file.get_slice(name).get_shape()[0])
        except (BuildError, OSError, SafetensorError):
            continue
    return steps


def _faces_a_frame(build: Build, clip: str) -> float | None:
    try:
        with _open(build, "faces", clip) as file:
            faces = file.get_tensor("faces")
    except (BuildError, OSError, SafetensorError):
        return None
    return round(float(faces.mean()), 3) if len(faces) else None


def _plain(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), 4)


def clip_details(build: Build, rows: list[ClipRow]) -> tuple[Detail, list[list[dict[str, Any]]]]:
    """Pack thumbnails and tracks, in blocks that the page reads one at a time."""
    detail = fitting_detail(len(rows), build.config.report.megabytes)
    packed = [_detail_of(build, row.clip, row.media, detail) for row in rows[: detail.clips]]
    return detail, [packed[i : i + DETAILS_A_BLOCK] for i in range(0, len(packed), DETAILS_A_BLOCK)]


def _detail_of(build: Build, clip: str, media: str, detail: Detail) -> dict[str, Any]:
    packed: dict[str, Any] = {"media": media}
    for stage, pack_stage in (
        ("faces", _pack_faces),
        ("openface", _pack_openface),
        ("audio", _pack_audio),
        ("text", _pack_text),
    ):
        try:
            packed.update(pack_stage(build, clip, detail))
        except (BuildError, OSError, SafetensorError, KeyError, ValueError, TypeError):
            packed.setdefault("absent", []).append(stage)
    return packed


def _open(build: Build, stage: str, clip: str) -> Any:
    """Open a feature file so that arrays can be read in part."""
    from safetensors import safe_open

    path = build.store.path(stage, clip)
    if not path.is_file():
        raise BuildError(f"{path} has not been made")
    return safe_open(path, framework="numpy")


def _pack_faces(build: Build, clip: str, detail: Detail) -> dict[str, Any]:
    info = (build.store.header("faces", clip) or {})["info"]
    with _open(build, "faces", clip) as file:
        box = file.get_tensor("box").astype(np.float64)
        offsets = file.get_tensor("crop_offsets")
        total = len(box)
        count = min(build.config.report.thumbnails, total)
        moments = [int((i + 0.5) * total / count) for i in range(count)]
        data = file.get_slice("crop_bytes")
        crops = [
            bytes(data[int(offsets[t]) : int(offsets[t + 1])])
            if offsets[t + 1] > offsets[t]
            else None
            for t in moments
        ]
        faces = file.get_tensor("faces")
    centre_x = (box[:, 0] + box[:, 2]) / 2 / info["width"]
    centre_y = (box[:, 1] + box[:, 3]) / 2 / info["height"]
    size = (box[:, 3] - box[:, 1]) / info["height"]
    tracks = resample(np.stack([centre_x, centre_y, size], axis=1), detail.columns)
    return {
        "frames": total,
        "film": film_strip(crops, detail.pixels, detail.quality) if count else "",
        "blank": [place for place, crop in enumerate(crops) if crop is None],
        "box": [pack(track, 0, 1) for track in tracks.T],
        "many": pack(resample(faces.astype(np.float64), detail.columns), 0, 3),
    }


def _pack_openface(build: Build, clip: str, detail: Detail) -> dict[str, Any]:
    with _open(build, "openface", clip) as file:
        table = file.get_slice("table")
        trust = table[:, CONFIDENCE : SUCCESS + 1].astype(np.float64)
        pose = table[:, _POSE].astype(np.float64)
        units = table[:, _UNITS].astype(np.float64)
    failed = trust[:, 1] != 1
    pose[failed] = np.nan
    units[failed] = np.nan
    strength = np.nan_to_num(np.nanmax(units, axis=0)) if (~failed).any() else np.zeros(17)
    strongest = np.argsort(-strength, kind="stable")[:STRONGEST_UNITS]
    columns = detail.columns
    return {
        "trust": pack(resample(np.where(failed, 0, trust[:, 0]), columns), 0, 1),
        "pose": [pack(track, -0.5, 0.5) for track in resample(pose, columns).T],
        "units": [
            [f"AU{INTENSITY_UNITS[unit]:02d}", pack(resample(units[:, unit], columns), 0, 5)]
            for unit in strongest
        ],
    }


def _pack_audio(build: Build, clip: str, detail: Detail) -> dict[str, Any]:
    settings = build.made_with.audio
    with _open(build, "audio", clip) as file:
        audio = file.get_tensor("audio").astype(np.float64)
    first, mfcc, chroma = audio[:, 0], audio[:, 1:21], audio[:, 21:33]
    if settings.f0 == "zcr":
        pitch, low, high = first, 0.0, 0.5
    else:
        pitch = np.where(first > 0, first, np.nan)
        low, high = (math.log(limit) for limit in SPEECH_HZ)
    spread = mfcc.std(axis=0)
    standard = (mfcc - mfcc.mean(axis=0)) / np.where(spread > 0, spread, 1)
    columns = detail.columns
    # row by row from the top of the picture: the highest coefficient and pitch class first
    return {
        "pitch": pack(resample(pitch, columns), low, high),
        "mfcc": pack(resample(standard, columns).T[::-1], -2.5, 2.5),
        "chroma": pack(resample(chroma, columns).T[::-1], 0, 1),
    }


def _pack_text(build: Build, clip: str, detail: Detail) -> dict[str, Any]:
    header = build.store.header("text", clip)
    if header is None:
        raise BuildError("no text features")
    return {"tokens": header["info"]["tokens"]}
