"""A build folder in the formats of docs/architecture.md, openly made up.

Nothing here was measured: labels, boxes, sounds and scores are drawn from a seeded generator,
so that the report can be tested with any number of clips in seconds.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from pipeline.config import Config, make_config
from pipeline.corpus import LABEL_OF, LABELS, MODALITIES, NO_CLASS, class_of
from pipeline.dataset.inputs import not_applied
from pipeline.openface.columns import COLUMNS, CONFIDENCE, SUCCESS, TABLE_GROUPS
from pipeline.stages import STAGES, slots, wanted
from pipeline.store.features import Features, Store
from pipeline.store.files import write_json
from pipeline.store.freshness import note_inputs
from pipeline.train.metrics import METRICS

WORDS = "今天天气很好我们一起去公园散步吧真的受够了你走谢谢恭喜太开心难过担心"
PARTS = ("train", "valid", "test")


@dataclass
class Corpus:
    """What to write: how many clips, what is wrong with some, and how far the build got."""

    clips: int = 12
    stages: Sequence[str] | None = None
    """Stages that ran; without a choice, those that the filled slots need."""
    dataset: bool = True
    trained: bool = True
    texts: dict[int, str] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, list[str]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    blind: Sequence[int] = (3,)
    """Clips whose face is lost for half of the time."""
    labels: Sequence[float] = ()
    """Labels M that clips get in turn; without any, they are drawn from the grid."""
    short_sound: Sequence[int] = ()
    """Clips whose sound lasts half as long as their picture."""
    silent: Sequence[int] = ()
    """Clips without sound."""
    template: bool = False
    """Write the same arrays for all clips, for large corpora."""


def write_build(root: Path, corpus: Corpus, **settings: Any) -> Config:
    """Write a build folder below `root` and return its configuration."""
    rng = np.random.default_rng(7)
    config = make_config(
        {"processed": str(root), "raw": str(root), "text": {"model": "demo"}, **settings}
    )
    ran = corpus.stages
    if ran is None:
        ran = [name for name in wanted(config) if not STAGES[name].transient]
    manifest = _manifest(corpus, rng)
    manifest.to_parquet(root / "manifest.parquet")
    lost = [
        {"clip": clip, "stage": "manifest", "reason": reason, "remedy": "replace the file"}
        for clip, reason in corpus.reasons.items()
    ]
    write_json(root / "manifest_quarantine.json", lost)
    store = Store(root)
    clips = list(manifest["clip"])
    first: dict[str, Features] = {}
    for place, row in enumerate(manifest.to_dict("records")):
        for stage in ran:
            given: dict[Any, Any] = dict(row)
            if stage == "audio" and place in corpus.short_sound:
                given["duration"] /= 2
            if stage == "audio" and place in corpus.silent:
                given["duration"] = 0.0
            if not corpus.template or stage not in first:
                first[stage] = _features(stage, given, place in corpus.blind, rng)
            store.write(stage, row["clip"], f"key-{stage}", first[stage])
    for stage in ran:
        for start in range(0, len(clips), 32):
            record = {"clips": dict.fromkeys(clips[start : start + 32], "key"), "quarantine": []}
            write_json(root / "records" / stage / f"{start // 32:04d}.json", record)
    _write_runs(root, corpus.clips, ran)
    if corpus.dataset:
        pd.DataFrame(lost, columns=["clip", "stage", "reason", "remedy"]).to_csv(
            root / "quarantine.csv", index=False
        )
        _write_dataset(root, manifest, config)
        layout = config.layout
        read = [layout.manifest, layout.manifest_quarantine]
        read += [path for stage in ran for path in layout.records(stage).glob("*.json")]
        note_inputs(layout, [str(layout.dataset)], map(str, read))
    if corpus.trained:
        _write_results(root, rng)
        layout = config.layout
        note_inputs(layout, [str(layout.result("table2"))], [str(layout.dataset)])
    return config


def _manifest(corpus: Corpus, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for place in range(corpus.clips):
        clip = corpus.ids.get(place, f"video_{place // 20 + 1:04d}/{place % 20 + 1:04d}")
        label = round(float(rng.integers(-5, 6)) / 5, 1)
        if corpus.labels:
            label = corpus.labels[place % len(corpus.labels)]
        others = [float(np.clip(label + rng.integers(-1, 2) / 5, -1, 1)) for _ in MODALITIES]
        text = "".join(rng.choice(list(WORDS), int(rng.integers(5, 16)))) + "。"
        rows.append(
            {
                "clip": clip,
                "video_id": clip.split("/")[0],
                "clip_id": clip.split("/")[1],
                "row": place,
                "text": corpus.texts.get(place, text),
                "M": label,
                **{LABEL_OF[m]: round(v, 1) for m, v in zip(MODALITIES, others, strict=True)},
                "mode": None,
                "speaker": f"speaker {place % 5}",
                "gender": "male" if place % 3 else "female",
                "age": "30",
                "english": None,
                "media": f"{clip}.mp4",
                "media_digest": f"{place:064x}",
                "size": 100_000,
                "duration": (duration := round(float(rng.uniform(1.5, 6)), 3)),
                "video_start": 0.0,
                "video_seconds": duration,
                "audio_start": 0.25,
                "audio_seconds": duration - 0.25,
                "fps": 25.0,
                "width": 320,
                "height": 240,
                "rotation": 0,
                "video_codec": "h264",
                "audio_codec": "aac",
                "sample_rate": 44100,
                "channels": 2,
                "warnings": corpus.warnings.get(place, []),
            }
        )
    return pd.DataFrame(rows)


def _features(stage: str, row: dict[Any, Any], blind: bool, rng: np.random.Generator) -> Features:
    frames = int(row["duration"] * 30)
    make = {
        "faces": _faces,
        "openface": _openface,
        "vision": _vision,
        "audio": _audio,
        "text": _text,
    }[stage]
    return make(row, frames, blind, rng)


def _faces(row: dict[Any, Any], frames: int, blind: bool, rng: np.random.Generator) -> Features:
    time = np.arange(frames) / 30
    centre = np.stack([160 + 30 * np.sin(time * 2), 115 + 8 * np.cos(time * 3)], axis=1)
    box = np.concatenate([centre - 45, centre + 45], axis=1).astype(np.float32)
    seen = np.ones(frames, bool)
    if blind:
        seen[frames // 3 : frames // 3 + frames // 2] = False
    box[~seen] = np.nan
    crops = [_drawn_face(float(t)) if there else b"" for t, there in zip(time, seen, strict=True)]
    return Features(
        arrays={
            "box": box,
            "probability": seen.astype(np.float32),
            "landmarks": np.zeros((frames, 5, 2), np.float32),
            "faces": seen.astype(np.int16),
            "crop_offsets": np.cumsum([0, *map(len, crops)]).astype(np.int64),
            "crop_bytes": np.frombuffer(b"".join(crops), np.uint8),
        },
        info={
            "frames": frames,
            "width": 320,
            "height": 240,
            "fps": 30.0,
            "face_share": round(float(seen.mean()), 4),
            "second_face_share": 0.0,
            "mean_probability": 0.99,
        },
    )


def _drawn_face(time: float) -> bytes:
    image = Image.new("RGB", (224, 224), (72, 92, 110))
    draw = ImageDraw.Draw(image)
    draw.ellipse((42, 22, 182, 208), fill=(222, 184, 150))
    for x in (84, 140):
        draw.ellipse((x - 9, 88, x + 9, 102), fill=(50, 40, 40))
    opening = 4 + 12 * abs(math.sin(5 * time))
    draw.ellipse((86, 158 - opening, 138, 158 + opening), fill=(140, 60, 60))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _openface(row: dict[Any, Any], frames: int, blind: bool, rng: np.random.Generator) -> Features:
    time = np.arange(frames) / 30
    table = np.zeros((frames, len(COLUMNS)), np.float32)
    table[:, SUCCESS], table[:, CONFIDENCE] = 1, 0.97
    pose = TABLE_GROUPS["pose"]
    table[:, pose.start + 3] = 0.15 * np.sin(time)
    table[:, pose.start + 4] = 0.3 * np.sin(time * 1.7)
    table[:, pose.start + 5] = 0.05 * np.cos(time)
    units = TABLE_GROUPS["au_r"]
    table[:, units.start + 8] = 2 + 1.5 * np.sin(time * 2)
    table[:, units.start + 14] = 1 + np.abs(np.sin(time * 6))
    if blind:
        table[frames // 3 : frames // 3 + frames // 2, [SUCCESS, CONFIDENCE]] = 0
    return Features(
        {"table": table, "times": time},
        {"runtime": "import", "rows": frames, "grid": "frame", "notes": []},
    )


def _vision(row: dict[Any, Any], frames: int, blind: bool, rng: np.random.Generator) -> Features:
    share = 0.5 if blind else 1.0
    return Features(
        {"vision": np.zeros((frames, 709), np.float32), "valid": np.ones(frames, np.uint8)},
        {"frames": frames, "success_share": share, "mean_confidence": 0.97, "notes": []},
    )


def _audio(row: dict[Any, Any], frames: int, blind: bool, rng: np.random.Generator) -> Features:
    steps = int(row["duration"] * 43)
    time = np.arange(steps) / 43
    voiced = np.sin(time * 6) > -0.4
    audio = rng.normal(size=(steps, 33)).astype(np.float32)
    audio[:, 0] = np.where(voiced, np.log(180 + 60 * np.sin(time * 3)), 0)
    audio[:, 21:] = np.abs(np.sin(np.outer(time, np.arange(1, 13)) * 0.8))
    info = {
        "frames": steps,
        "rate": 43.0,
        "seconds": row["duration"],
        "voiced_share": round(float(voiced.mean()), 4) if steps else None,
        "loudness_db": -22.5,
    }
    return Features({"audio": audio}, info)


def _text(row: dict[Any, Any], frames: int, blind: bool, rng: np.random.Generator) -> Features:
    tokens = ["[CLS]", *row["text"][:510], "[SEP]"]
    info = {"tokens": tokens, "unknown": 0, "model": "untrained text model: demo only"}
    return Features({"text": np.zeros((len(tokens), 768), np.float32)}, info)


def _write_runs(root: Path, clips: int, ran: Sequence[str]) -> None:
    (root / "logs").mkdir(exist_ok=True)
    lines = [
        {
            "stage": stage,
            "shard": "0000",
            "computed": clips,
            "seconds": 3.5 * (i + 1),
            "peak_mb": 300 + 90 * i,
        }
        for i, stage in enumerate(ran)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "logs" / "runs.jsonl").write_text(text, "utf-8")


def _write_dataset(root: Path, manifest: pd.DataFrame, config: Config) -> None:
    """Write what `pipeline.dataset.info.DatasetInfo` reads; the features are left zero."""
    steps = {"text": 14, "audio": 300, "vision": 200}
    limits = {slot: steps[slot] for slot in slots(config)}
    bounds = [share * len(manifest) // 10 for share in (0, 6, 8, 10)]
    text = h5py.string_dtype()
    with h5py.File(root / "dataset.h5", "w") as file:
        for part, start, end in zip(PARTS, bounds[:-1], bounds[1:], strict=True):
            rows = manifest.iloc[start:end]
            group = file.create_group(part)
            for name, column in (("id", "clip"), ("raw_text", "text")):
                group[name] = np.array(rows[column], dtype=text)
            for name in ("speaker", "gender", "age"):
                group[name] = np.array(rows[name], dtype=text)
            for label in LABELS:
                group[f"labels/{label}"] = rows[label].to_numpy(np.float32)
            classes = [NO_CLASS if np.isnan(label) else class_of(label) for label in rows["M"]]
            group["class"] = np.array(classes, np.int64)
            for name, limit in limits.items():
                group[f"{name}_lengths"] = np.full(len(rows), limit)
                group[f"quality/{name}_steps"] = np.full(len(rows), limit)
            group["quality/duration"] = rows["duration"].to_numpy(np.float32)
        for name, limit in limits.items():
            statistics = {"mean": limit / 2, "std": limit / 6, "padded": limit, "shortened": 1}
            file.attrs[f"{name}_length_statistics"] = json.dumps(statistics)
        for part in ("train", "valid", "test"):
            file.attrs[f"digest_{part}"] = f"digest of {part}"
        file.attrs["preset"] = config.preset
        file.attrs["git_revision"] = "0" * 40
        file.attrs["versions"] = json.dumps({"torch": "2.14.1", "librosa": "0.11.0"})
        file.attrs["config"] = json.dumps(config.defining())
        untrained = ["untrained text model: demo only"] if "text" in limits else []
        warnings = [*untrained, *not_applied(wanted(config))]
        file.attrs["warnings"] = json.dumps(warnings)
        file.attrs["split"] = "stratified"
        file.attrs["split_reason"] = "the label sheet names no parts"


def _write_results(root: Path, rng: np.random.Generator) -> None:
    rows = []
    for model, title in (("lf_dnn", "LF-DNN"), ("mlf_dnn", "MLF-DNN")):
        summary = {
            "mean": {m: float(rng.uniform(40, 80)) for m in METRICS},
            "std": {m: float(rng.uniform(0.3, 2)) for m in METRICS},
            "confusion": {"5": rng.integers(0, 9, (5, 5)).tolist()},
            "warnings": [],
        }
        seeds = [{"seed": seed} for seed in (1, 12)]
        row = {"seeds": seeds, "variant": model, "model": model, "title": title, "task": "M"}
        rows.append({**row, "main": True, "test": summary})
        for seed in (1, 12):
            folder = root / "experiments" / "table2" / model / f"seed_{seed}"
            folder.mkdir(parents=True)
            losses = [f"{e},{1 / e + 0.2},{1 / e + 0.3}" for e in range(1, 20 + seed)]
            (folder / "curve.csv").write_text(
                "\n".join(["epoch,train_loss,valid_loss", *losses]) + "\n", "utf-8"
            )
    table = {"experiment": "table2", "preset": "paper", "seeds": [1, 12], "rows": rows}
    table["settings"] = {"preset": "paper", "seeds": [1, 12]}
    write_json(root / "results" / "table2.json", table)
