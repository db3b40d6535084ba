"""What a trained seed leaves in its folder; light, since the start of every build looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, read_sealed
from pipeline.store.made import again

VERSION = 7
"""Raised by hand whenever the same dataset and settings would train another model."""

DECIDING = ("torch",)
"""Packages whose versions decide the numbers: another version trains again."""

METRICS_FILE = "metrics.json"
"""The last file of a seed's folder: it has the digests of the others, and its own."""

SEED_FILES = (
    "weights.safetensors",
    "config.json",
    "curve.csv",
    "predictions.csv",
    METRICS_FILE,
)


def file_digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size and digest of each file of a seed's folder, for ``metrics.json``."""
    return {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": file_digest(folder / name),
        }
        for name in SEED_FILES
        if name != METRICS_FILE
    }


def stored_key(folder: Path) -> str | None:
    """Return the key of a finished seed's folder, or None if a file is lost or was cut short."""
    try:
        metrics = read_sealed(folder / METRICS_FILE)
        if any(_size_fault(folder / name, metrics) for name in SEED_FILES):
            return None
        return str(metrics["key"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def seed_fault(folder: Path) -> str | None:
    """Read a seed's folder whole and say what is wrong with it.

    Returns
    -------
    str, optional
        What is wrong; empty if all is as it was written; None if nothing can be said, since
        the folder carries no digests.
    """
    if not folder.is_dir():
        return f"{folder} is missing: it holds no finished training"
    try:
        metrics = read_sealed(folder / METRICS_FILE)
        known: Mapping[str, Any] = metrics.get("files", {})
        for name in SEED_FILES:
            fault = _size_fault(folder / name, metrics)
            if fault:
                return fault
            if name in known and file_digest(folder / name) != known[name]["sha256"]:
                return f"{folder / name} is damaged (its content has changed since it was written)"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{folder / METRICS_FILE} is missing or damaged ({error})"
    return "" if known else None


def check_seed(folder: Path) -> None:
    """Check a seed's folder before it is read.

    Raises
    ------
    BuildError
        Naming the file that is lost or damaged, and the command that makes it again.
    """
    fault = seed_fault(folder)
    if fault:
        raise BuildError(fault, f"train this seed again: {again('train')}")


def _size_fault(path: Path, metrics: Mapping[str, Any]) -> str:
    if not path.is_file():
        return f"{path} is missing"
    size, known = path.stat().st_size, metrics.get("files", {}).get(path.name)
    if known is not None and size != known["bytes"]:
        return f"{path} has {size} bytes, expected {known['bytes']}"
    return "" if size else f"{path} is empty"
