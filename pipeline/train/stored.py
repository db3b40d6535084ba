"""What a trained seed leaves in its folder; light, since the start of every build looks."""

from __future__ import annotations

from pathlib import Path

from pipeline.store.files import read_json

VERSION = 5
"""Raised by hand whenever the same dataset and settings would train another model."""

DECIDING = ("torch", "numba")
"""Packages whose versions decide the numbers: another version trains again."""

SEED_FILES = (
    "weights.safetensors",
    "config.json",
    "curve.csv",
    "predictions.csv",
    "metrics.json",
)


def stored_key(folder: Path) -> str | None:
    """Return the key of a finished seed's folder, or None where one of its files is not there."""
    if not all((folder / name).is_file() for name in SEED_FILES):
        return None
    try:
        key: str = read_json(folder / "metrics.json")["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return key
