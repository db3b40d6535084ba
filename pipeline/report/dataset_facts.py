"""What the report needs from dataset.h5, read with h5py alone, without its features."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = ("train", "valid", "test")
MODALITIES = ("text", "audio", "vision")


@dataclass(frozen=True)
class DatasetFacts:
    """Parts, lengths and attributes of a dataset file.

    Parameters
    ----------
    clips : dict of str to list of str
        Clip ids by part.
    lengths : dict of str to ndarray, int [N]
        Steps of each clip before padding and cutting, parts in order, by modality.
    padded : dict of str to int
        Common length of each modality.
    attributes : dict
        The file's attributes, JSON values decoded.
    """

    clips: dict[str, list[str]]
    lengths: dict[str, NDArray[np.int64]]
    padded: dict[str, int]
    attributes: dict[str, Any]

    @property
    def part_of(self) -> dict[str, str]:
        """The part of each clip."""
        return {clip: part for part, clips in self.clips.items() for clip in clips}


def read_dataset(path: Path) -> DatasetFacts:
    """Read ids, lengths and attributes.

    Raises
    ------
    OSError, KeyError
        If the file is no dataset.
    """
    import h5py

    with h5py.File(path, "r") as file:
        parts = [part for part in PARTS if part in file]
        if not parts:
            raise KeyError("it has none of the groups train, valid and test")
        return DatasetFacts(
            clips={part: [str(i) for i in file[part]["id"].asstr()[:]] for part in parts},
            lengths={
                name: np.concatenate([file[part][f"{name}_lengths"][:] for part in parts])
                for name in MODALITIES
            },
            padded={name: int(file[parts[0]][name].shape[1]) for name in MODALITIES},
            attributes={key: _decoded(value) for key, value in file.attrs.items()},
        )


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value
