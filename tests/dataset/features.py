"""A processed folder as the stages before the dataset leave it, with small random features."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config, make_config
from pipeline.manifest.build import write_manifest
from pipeline.runner.jobs import job_names, shards_of_job
from pipeline.stage import Build
from pipeline.stages import STAGES
from pipeline.store.features import Features
from pipeline.store.files import write_json
from pipeline.store.shards import Clip


@dataclass
class Given:
    """One clip: manifest columns, steps of each modality, and infos of each stage."""

    clip: str
    M: float = 0.0
    row: dict[str, Any] = field(default_factory=dict)
    steps: tuple[int, int, int] = (5, 12, 8)  # text, audio, vision
    infos: dict[str, dict[str, Any]] = field(default_factory=dict)


def build_folder(root: Path, clips: list[Given], *, shard_size: int = 4, **config: Any) -> Config:
    """Write manifest, shards, feature files and records for clips that all went well."""
    settings = {"openface": {"runtime": "import", "import_folder": str(root)}, **config}
    settings = {
        "processed": str(root),
        "store": {"latency_wait": 0},
        "text": {"model": "demo"},
        **settings,
    }
    build = Build.of(make_config({"shard_size": shard_size, **settings}))
    shards = {
        f"{i // shard_size:04d}": [
            clip_of(given, i + place) for place, given in enumerate(clips[i : i + shard_size])
        ]
        for i in range(0, len(clips), shard_size)
    }
    for name, members in shards.items():
        write_json(root / f"shards/{name}.json", {"clips": [asdict(clip) for clip in members]})
    for stage in ("faces", "openface", "vision", "audio", "text"):
        for job in job_names(stage, list(shards)):
            names = shards_of_job(stage, job, list(shards))
            members = [clip for name in names for clip in shards[name]]
            done = {clip.clip: build.key(STAGES[stage], clip) for clip in members}
            record = {"clips": done, "quarantine": []}
            write_json(root / "records" / stage / f"{job}.json", record)
    kept = build.config.manifest.keep_columns
    numbers = [name for name in kept if isinstance(clips[0].row[name], float)]
    words = [name for name in kept if name not in numbers]
    rows = [_row(given, number) for number, given in enumerate(clips)]
    write_manifest(root, rows, (), numbers, words)
    write_json(root / "manifest_quarantine.json", [])
    for i, given in enumerate(clips):
        write_features(build, given, clip_of(given, i), np.random.default_rng(i))
    return build.config


def clip_of(given: Given, number: int) -> Clip:
    """Return a clip as a shard file carries it."""
    return Clip(given.clip, f"{given.clip}.mp4", "0" * 64, 2.5, f"第{number}句话。")


def write_features(build: Build, given: Given, clip: Clip, random: np.random.Generator) -> None:
    """Write one clip's feature files, with keys that match its records."""
    text, audio, vision = given.steps
    made: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "text": (
            {"text": random.normal(size=(text, 768)).astype(np.float32)},
            {"tokens": ["[CLS]"] * text, "unknown": 1, "model": "a real model"},
        ),
        "audio": (
            {"audio": random.normal(size=(audio, 33)).astype(np.float32)},
            {"seconds": 1.5, "voiced_share": 0.5, "loudness_db": -20.0},
        ),
        "vision": (
            {
                "vision": random.normal(size=(vision, 709)).astype(np.float32),
                "valid": np.ones(vision, np.uint8),
            },
            {"frames": vision, "success_share": 0.75, "mean_confidence": 0.9, "notes": []},
        ),
        "faces": (
            {"faces": np.ones(vision, np.int32)},
            {"face_share": 1.0, "second_face_share": 0.0, "mean_probability": 0.99},
        ),
        "openface": ({"table": np.zeros((vision, 714), np.float32)}, {"runtime": "native"}),
    }
    for stage, (arrays, info) in made.items():
        features = Features(arrays=arrays, info={**info, **given.infos.get(stage, {})})
        build.store.write(stage, given.clip, build.key(STAGES[stage], clip), features)


def balanced(n: int, **options: Any) -> list[Given]:
    """Make n clips, the classes taking turns, of different lengths."""
    labels = (-1.0, -0.4, 0.0, 0.4, 1.0)
    return [
        Given(
            f"video_{i // 10:04d}/{i % 10:04d}",
            M=labels[i % 5],
            steps=(4 + i % 3, 10 + i % 7, 6 + i % 5),
            **options,
        )
        for i in range(n)
    ]


def _row(given: Given, number: int) -> dict[str, Any]:
    video_id, _, clip_id = given.clip.partition("/")
    media = {
        "media": f"{given.clip}.mp4",
        "media_digest": "0" * 64,
        "size": 1000,
        "duration": 2.5,
        "fps": 25.0,
        "width": 320,
        "height": 240,
        "rotation": 0,
    }
    return {
        "clip": given.clip,
        "video_id": video_id,
        "clip_id": clip_id,
        "row": number,
        "text": f"第{number}句话。",
        "M": given.M,
        "T": given.M,
        "A": 0.0,
        "V": float("nan"),
        **media,
        "warnings": [],
        **given.row,
    }
