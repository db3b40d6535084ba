"""What a dataset file says without its features: its identity, and what it can teach.

Needs no torch, which takes seconds to import.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.corpus import MODALITIES
from pipeline.dataset.info import digest_of_parts
from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.store.files import digest
from pipeline.train.experiments import Trainable
from pipeline.train.hyper import TASKS

FEWEST_LABELLED = {"train": 2, "valid": 1, "test": 1}
"""Clips of each part that must have a label for it to be learned and scored."""

_BLOCK = 64  # clips read at once


def dataset_digest(file: h5py.File) -> str:
    """Return the digest of the three parts, from the attributes if the writer left them."""
    return digest_of_parts(file.attrs) or digest([_array_digests(file[part]) for part in PARTS])


def _array_digests(group: h5py.Group) -> dict[str, str]:
    found: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sha = hashlib.sha256(str(item.shape).encode())
            for start in range(0, len(item), _BLOCK):
                block = np.asarray(item[start : start + _BLOCK])
                plain = block.dtype.kind != "O"
                sha.update(block.tobytes() if plain else repr(block.tolist()).encode())
            found[name] = sha.hexdigest()

    group.visititems(visit)
    return found


def trainable_in(path: Path) -> Trainable:
    """Return what a dataset file can teach: its modalities, and the labels of enough clips.

    Raises
    ------
    BuildError
        If the file is missing or not a dataset.
    """
    with opened_dataset(path) as file:
        counts = {task: {part: _labelled(file[part], task) for part in PARTS} for task in TASKS}
        enough = tuple(t for t in TASKS if all(counts[t][p] >= FEWEST_LABELLED[p] for p in PARTS))
        return Trainable(tuple(feature_shapes(file)), enough)


def _labelled(group: h5py.Group, task: str) -> int:
    """Count the clips of a part that have a label."""
    if task not in group["labels"]:
        return 0
    return int(np.isfinite(group["labels"][task][:]).sum())


@contextmanager
def opened_dataset(path: Path) -> Iterator[h5py.File]:
    """Open a dataset file; what cannot be read in it is an error that says so.

    Raises
    ------
    BuildError
        If the file is missing or not a dataset.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError) as error:
        raise BuildError(
            f"{path} is not a readable dataset: {error}",
            "make it again: chsims-build --stage dataset",
        ) from error


def feature_shapes(file: h5py.File) -> dict[str, tuple[int, ...]]:
    """Return the shape of each modality in the train part; one that was set to none is absent.

    Raises
    ------
    BuildError
        If there is none at all.
    """
    shapes = {m: file["train"][m].shape for m in MODALITIES if m in file["train"]}
    if not shapes:
        raise BuildError(
            f"{file.filename} has no features: {', '.join(MODALITIES)} are all absent",
            "give features.text, features.audio or features.vision a stage, then run "
            "chsims-build --stage dataset",
        )
    return shapes
