"""A small dataset file, written with h5py alone, with whatever an export may meet."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.config import Config, make_config

WIDTHS = {"text": 6, "audio": 4, "vision": 5}
STEPS = {"text": 7, "audio": 9, "vision": 8}
TEXTS = ("你好。", 'a,b"c"\n;', "=1+1", "<b>&</b> | `x`", "😀\u3000好")


@dataclass(frozen=True)
class Shape:
    """What a dataset has: modalities with their widths, parts, labels, ids."""

    widths: dict[str, int] = field(default_factory=lambda: dict(WIDTHS))
    parts: dict[str, int] = field(default_factory=lambda: {"train": 5, "valid": 2, "test": 3})
    lacking: str = ""
    """Tasks of which every third clip has no label."""
    dots: bool = False
    """Clip ids hold dots and percent signs."""


def dataset(folder: Path, shape: Shape = Shape(), **config: Any) -> Config:
    """Write ``dataset.h5`` into a folder and return the configuration of its build."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(3)
    with h5py.File(folder / "dataset.h5", "w") as file:
        for part, count in shape.parts.items():
            _write_part(file.create_group(part), part, count, shape, random)
            file.attrs[f"digest_{part}"] = f"{part} {count} {sorted(shape.widths)}"
        for name, value in _attributes(shape).items():
            file.attrs[name] = value if isinstance(value, str) else json.dumps(value)
    return make_config({"processed": folder, **config})


def _attributes(shape: Shape) -> dict[str, Any]:
    rates = {"text": None, "audio": 43.07, "vision": 30}
    return {
        "format": "2",
        "preset": "<mine> | `yours`",
        "split": "given",
        "split_reason": "the sheet [says](http://x) so",
        "warnings": ["**bold** warning\n# heading"],
        "versions": {"chsims-build": "0.1.0"},
        "class_names": ["NG", "WN", "NU", "WP", "PS"],
        "modalities": {
            m: {"extractor": f"my_{m}", "step": "frame", "steps_per_second": rates[m]}
            for m in shape.widths
        },
        **{f"{m}_names": [f"{m} {i}" for i in range(w)] for m, w in shape.widths.items()},
        **{f"{m}_length_statistics": {"padded": STEPS[m]} for m in shape.widths},
    }


def _write_part(
    group: h5py.Group, part: str, count: int, shape: Shape, random: np.random.Generator
) -> None:
    strings = h5py.string_dtype("utf-8")
    ids = [f"v.{part}/{'a.b%' if shape.dots else 'c'}{i}" for i in range(count)]
    columns = {
        "id": ids,
        "raw_text": [TEXTS[i % len(TEXTS)] for i in range(count)],
        **{name: [""] * count for name in ("speaker", "gender", "age")},
        "quality/warnings": ["first; second"] * count,
        "columns/emotion": [("高兴", "")[i % 2] for i in range(count)],
    }
    for name, values in columns.items():
        group.create_dataset(name, (count,), strings, np.array(values, dtype=object))
    grid = np.round(np.linspace(-1, 1, 11), 1)
    for task in "MTAV":
        labels = grid[random.integers(0, 11, count)].astype(np.float32)
        labels[::3] = np.nan if task in shape.lacking or part == "unlabelled" else labels[::3]
        group[f"labels/{task}"] = np.full_like(labels, np.nan) if part == "unlabelled" else labels
    group["columns/score"] = np.where(np.arange(count) % 3, 0.1 + 0.2, np.nan)  # not a float32
    group["class"] = np.full(count, -1 if part == "unlabelled" else 2, np.int8)
    group["quality/duration"] = random.uniform(1, 4, count).astype(np.float32)
    group["quality/voiced_share"] = np.full(count, np.nan, np.float32)
    for modality, width in shape.widths.items():
        steps = STEPS[modality]
        lengths = random.integers(1, steps + 1, count).astype(np.int32)
        inside = np.arange(steps) < lengths[:, None]
        values = random.normal(size=(count, steps, width)).astype(np.float32)
        group[modality] = values * inside[:, :, None]
        group[f"{modality}_lengths"] = lengths
        group[f"quality/{modality}_steps"] = lengths
        if modality == "vision":
            group["vision_valid"] = (inside & (random.random(inside.shape) > 0.2)).astype(np.uint8)
