"""A dataset file as a torch Dataset."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import torch
from torch.utils.data import Dataset

from pipeline.corpus import LABELS, MODALITIES
from pipeline.errors import BuildError


def open_dataset(path: str | Path, part: str = "train", *, in_memory: bool = False) -> ClipDataset:
    """Open one part of a dataset file.

    Parameters
    ----------
    path : str or Path
        ``dataset.h5``.
    part : {"train", "valid", "test", "unlabelled"}
        Which part; the last one only if some clips have no label.
    in_memory : bool
        Read the whole part now: for several epochs over a part that fits into memory. Otherwise
        each clip is read from the disk when it is asked for.

    Returns
    -------
    ClipDataset
        A torch ``Dataset`` that works with any number of ``DataLoader`` workers.

    Raises
    ------
    BuildError
        If the file cannot be read or has no such part.

    Examples
    --------
    >>> train = open_dataset("processed/demo/dataset.h5", "train")
    >>> len(train)
    20
    >>> clip = train[0]
    >>> clip["audio"].shape[1], clip["vision"].shape[1], clip["text"].shape[1]
    (33, 709, 768)
    >>> sorted(clip["labels"])
    ['A', 'M', 'T', 'V']
    >>> train.names["audio"][0], train.rates["vision"], train.rates["text"]
    ('log_f0_pyin', 30.0, None)
    """
    return ClipDataset(Path(path), part, in_memory=in_memory)


class ClipDataset(Dataset[dict[str, Any]]):
    """The clips of one part.

    An item is a dict: ``text [Lt, 768]``, ``audio [La, 33]``, ``vision [Lv, 709]`` float32
    with zeros at the back (a modality whose slot is none is not there), ``vision_valid [Lv]``
    bool and other masks, ``lengths`` (steps of each modality),
    ``labels`` (M, T, A, V; NaN where not labelled), ``class`` (0 to 4; -1 without M), ``id``,
    ``raw_text``, and ``columns`` (str or float by name), if ``manifest.keep_columns`` keeps any.

    Parameters
    ----------
    path : Path
        ``dataset.h5``.
    part : str
        train, valid, test or unlabelled.
    in_memory : bool
        Whether to read the whole part now.

    Attributes
    ----------
    modalities : tuple of str
        The modalities that the dataset has.
    names : dict of str to tuple of str
        The name of each dimension of a modality.
    rates : dict of str to float or None
        Steps per second of a modality; None where a step is not a span of time (a token).
    """

    def __init__(self, path: Path, part: str, *, in_memory: bool = False) -> None:
        self.path = path
        self.part = part
        self._file: h5py.File | None = None
        self._process = 0
        try:
            with h5py.File(path, "r") as file:
                self._length = len(file[part]["id"])
                self.modalities = tuple(m for m in MODALITIES if m in file[part])
                self.names = {m: _names(file, m) for m in self.modalities}
                self.rates = {m: _rate(file, m) for m in self.modalities}
                self._held = _in_memory(file[part]) if in_memory else None
        except (OSError, KeyError) as error:
            raise BuildError(
                f"{path} cannot be read as a dataset with a part {part!r} ({error})",
                "parts are train, valid, test and, if some clips have no label, unlabelled; build "
                "the file: chsims-build --stage dataset",
            ) from error

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -self._length <= index < self._length:
            raise IndexError(f"clip {index} of {self._length} in {self.part}")
        row = index % self._length
        group = self._group() if self._held is None else self._held
        # arrays in memory are copied: what a caller changes in place stays the caller's
        item: dict[str, Any] = {m: torch.tensor(group[m][row]) for m in self.modalities}
        for mask in (f"{m}_valid" for m in self.modalities if f"{m}_valid" in group):
            item[mask] = torch.tensor(group[mask][row].astype(bool))
        item["lengths"] = {m: int(group[f"{m}_lengths"][row]) for m in self.modalities}
        item["labels"] = {name: torch.tensor(group["labels"][name][row]) for name in LABELS}
        item["class"] = int(group["class"][row])
        item["id"] = _string(group["id"][row])
        item["raw_text"] = _string(group["raw_text"][row])
        if "columns" in group:
            item["columns"] = {name: _value(kept[row]) for name, kept in group["columns"].items()}
        return item

    def _group(self) -> h5py.Group:
        """Open the file once a process: an HDF5 handle must not cross a fork."""
        if self._file is None or self._process != os.getpid():
            self._file = h5py.File(self.path, "r")
            self._process = os.getpid()
        return self._file[self.part]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}


def _names(file: h5py.File, modality: str) -> tuple[str, ...]:
    return tuple(json.loads(file.attrs[f"{modality}_names"]))


def _rate(file: h5py.File, modality: str) -> float | None:
    described = json.loads(file.attrs["modalities"])[modality]
    return None if described["steps_per_second"] is None else float(described["steps_per_second"])


def _in_memory(group: h5py.Group) -> dict[str, Any]:
    """Read a part whole: arrays by name, groups of arrays as dicts."""
    return {
        name: _in_memory(held) if isinstance(held, h5py.Group) else held[:]
        for name, held in group.items()
    }


def _string(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _value(value: Any) -> str | float:
    """Return a clip's value in a column that the user keeps."""
    return _string(value) if isinstance(value, (bytes, str)) else float(value)
