"""Feature files as MMSA, MMSA-FET and the published corpora lay them out."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTHS = {"text": 6, "audio": 33, "vision": 177}
STEPS = {"text": 7, "audio": 12, "vision": 9}
COUNTS = {"train": 24, "valid": 6, "test": 8}


def lengths_of(count: int, steps: int, random: np.random.Generator) -> NDArray[np.int64]:
    return random.integers(2, steps + 1, count)


def part(name: str, count: int, random: np.random.Generator, **options: Any) -> dict[str, Any]:
    """Return a part as the published file has it; options change it."""
    steps = {**STEPS, **options.get("steps", {})}
    found: dict[str, Any] = {
        "id": [f"video_{ord(name[1]):04d}$_${i:04d}" for i in range(count)],
        "raw_text": [f"第{i}句话。" for i in range(count)],
    }
    tokens = np.zeros((count, 3, steps["text"]), np.float32)
    for modality, width in WIDTHS.items():
        lengths = lengths_of(count, steps[modality], random)
        inside = np.arange(steps[modality]) < lengths[:, None]
        values = random.normal(size=(count, steps[modality], width))
        found[modality] = (values * inside[:, :, None]).astype(np.float32)
        if modality == "text":
            tokens[:, 0], tokens[:, 1] = inside * 100, inside
        else:
            found[f"{modality}_lengths"] = lengths.tolist()
    found["text_bert"] = tokens
    labels = np.round(np.linspace(-1, 1, 11), 1)[random.integers(0, 11, count)]
    for suffix in ("", "_T", "_A", "_V"):
        found[f"regression_labels{suffix}"] = np.roll(labels, len(suffix)).astype(np.float32)
        found[f"classification_labels{suffix}"] = np.sign(labels).astype(np.int64) + 1
    found["annotations"] = ["Neutral"] * count
    return found


def published(**options: Any) -> dict[str, dict[str, Any]]:
    """Return the content of a file like unaligned_39.pkl."""
    random = np.random.default_rng(7)
    return {name: part(name, count, random, **options) for name, count in COUNTS.items()}


def mmsa_fet() -> dict[str, dict[str, Any]]:
    """Return what MMSA-FET writes: float64, arrays of text, no unimodal labels."""
    content = published()
    for each in content.values():
        for key in ("classification_labels", "annotations"):
            each.pop(key)
        for task in "TAV":
            each.pop(f"regression_labels_{task}")
            each.pop(f"classification_labels_{task}")
        for key, value in each.items():
            each[key] = np.array(value)
        for key in ("text", "audio", "vision", "text_bert", "regression_labels"):
            each[key] = each[key].astype(np.float64)
    return content


def write(path: Path, content: Any, protocol: int = 4) -> Path:
    """Write a pickle."""
    path.write_bytes(pickle.dumps(content, protocol))
    return path
