"""What an export reads: one dataset file, a few clips in memory at a time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.corpus import CLASSES, LABELS, MODALITIES
from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.store.files import digest, file_digest

BLOCK = 16
"""Clips that are read at once."""

PERSON = ("speaker", "gender", "age")
"""What the label sheet says of the speaker."""


_COLUMN_BLOCK = 10_000  # values of a column that are digested at once


@dataclass(frozen=True)
class ExportClip:
    """One clip, without its padding.

    Parameters
    ----------
    id : str
        ``video_id/clip_id``.
    part : str
        train, valid, test, or a further part of the file.
    text : str
        The transcript.
    labels : dict of str to (float or None)
        M, T, A, V; None where the clip has no such label.
    label_class : int or None
        Index in `pipeline.corpus.CLASSES`.
    lengths : dict of str to int
        Rows of each modality that are not padding.
    arrays : dict of str to ndarray ``[length, d]`` float32
        Features by modality; empty if they were not asked for.
    valid : dict of str to ndarray ``[length]`` uint8
        1 where a row is valid, for the modalities with a mask.
    person : dict of str to str
        speaker, gender and age; empty where they are unknown.
    quality : dict of str to (float, str or None)
        The dataset's quality figures; None where a clip lacks one.
    """

    id: str
    part: str
    text: str
    labels: dict[str, float | None]
    label_class: int | None
    lengths: dict[str, int]
    arrays: dict[str, NDArray[np.float32]]
    valid: dict[str, NDArray[np.uint8]]
    person: dict[str, str]
    quality: dict[str, float | str | None]
    columns: dict[str, float | str | None]

    @property
    def video_id(self) -> str:
        """The first half of its id."""
        return self.id.partition("/")[0]

    @property
    def clip_id(self) -> str:
        """The second half of its id."""
        return self.id.partition("/")[2]


class Source:
    """A dataset file, opened to be exported.

    Parameters
    ----------
    file : h5py.File
        Open for reading.
    config : Config
        The configuration of the build.
    """

    def __init__(self, file: h5py.File, config: Config) -> None:
        self.file, self.config = file, config
        self.path = Path(file.filename)
        self.attributes = {name: _decoded(value) for name, value in file.attrs.items()}
        others = [name for name in file if name not in PARTS and "id" in file[name]]
        self.parts = [name for name in (*PARTS, *others) if name in file]
        self.modalities = [m for m in MODALITIES if m in file["train"]]

    def __getitem__(self, part: str) -> h5py.Group:
        return self.file[part]

    @property
    def digest(self) -> str:
        """What identifies what can be exported: all parts, kept columns and descriptions."""
        parts = [self.attributes.get(f"digest_{part}") for part in self.parts]
        if not all(parts):  # written by another program
            return file_digest(self.path)
        return digest([parts, self._kept_digest(), self.described])

    def _kept_digest(self) -> str:
        """Return the digest of the kept columns, which no digest of the parts covers."""
        found = hashlib.sha256()
        for part in self.parts:
            for name in self.names_under("columns"):
                column = self.file[part]["columns"][name]
                for start in range(0, len(column), _COLUMN_BLOCK):
                    values = _values(column, slice(start, start + _COLUMN_BLOCK))
                    found.update(repr([part, name, *map(str, values)]).encode())
        return found.hexdigest()

    @property
    def described(self) -> dict[str, Any]:
        """The attributes of the file that describe its features and their origin."""
        left_out = ("digest_", "git_revision")
        return {k: v for k, v in sorted(self.attributes.items()) if not k.startswith(left_out)}

    def size(self, part: str) -> int:
        """Return the number of clips of a part."""
        return len(self.file[part]["id"])

    def names(self, modality: str) -> list[str]:
        """Return the name of each feature dimension."""
        return [str(name) for name in self.attributes[f"{modality}_names"]]

    def rate(self, modality: str) -> float | None:
        """Return the steps per second; None if a step is not a known span of time."""
        described = self.attributes.get("modalities", {}).get(modality, {})
        rate = described.get("steps_per_second")
        return None if rate is None else float(rate)

    def masked(self) -> list[str]:
        """Return the modalities that have a mask."""
        return [m for m in self.modalities if f"{m}_valid" in self.file["train"]]

    def strings(self, part: str, name: str) -> list[str]:
        """Return a column of strings."""
        return [str(value) for value in self.file[part][name].asstr()[:]]

    def labels(self, part: str, task: str) -> NDArray[np.float32]:
        """Return the labels of a task ``[N]``; NaN where a clip has none."""
        labels = self.file[part]["labels"]
        if task not in labels:
            return np.full(self.size(part), np.nan, np.float32)
        return np.asarray(labels[task][:], np.float32)

    def unlabelled(self, task: str, parts: list[str]) -> int:
        """Return how many clips of these parts have no label for a task."""
        return sum(int(np.isnan(self.labels(part, task)).sum()) for part in parts)

    def bytes_of(self, part: str) -> list[int]:
        """Return what the features of each clip take without padding."""
        group = self.file[part]
        rows = (
            group[f"{m}_lengths"][:].astype(np.int64) * group[m].shape[2] * 4
            for m in self.modalities
        )
        return [int(total) for total in np.sum(list(rows), axis=0)]

    def clips(
        self, part: str, start: int = 0, stop: int | None = None, *, features: bool = True
    ) -> Iterator[ExportClip]:
        """Yield the clips of a part in the file's order, reading `BLOCK` of them at a time.

        Parameters
        ----------
        part : str
            One of `parts`.
        start, stop : int
            Positions of the first clip and of the one after the last.
        features : bool
            Whether their arrays are read, too.
        """
        group = self.file[part]
        end = self.size(part) if stop is None else stop
        columns = _columns(group)
        for first in range(start, end, BLOCK):
            rows = slice(first, min(first + BLOCK, end))
            values = {name: _values(group[name], rows) for name in columns}
            read = self.modalities if features else []
            arrays = {m: np.asarray(group[m][rows], np.float32) for m in read}
            masks = {m: group[f"{m}_valid"][rows] for m in read if f"{m}_valid" in group}
            for i in range(rows.stop - rows.start):
                lengths = {m: int(values[f"{m}_lengths"][i]) for m in self.modalities}
                yield ExportClip(
                    id=values["id"][i],
                    part=part,
                    text=values["raw_text"][i],
                    labels={t: _number(values.get(f"labels/{t}"), i) for t in LABELS},
                    label_class=_class(values["class"][i]),
                    lengths=lengths,
                    arrays={m: rows_of[i, : lengths[m]] for m, rows_of in arrays.items()},
                    valid={m: mask[i, : lengths[m]] for m, mask in masks.items()},
                    person={name: values[name][i] for name in PERSON},
                    quality=_under("quality/", values, i),
                    columns=_under("columns/", values, i),
                )

    def names_under(self, group_name: str) -> list[str]:
        """Return the names of the columns in a group of each part, those of numbers first.

        Parameters
        ----------
        group_name : {"quality", "columns"}
            Quality figures, or the columns of the label sheet that the user kept.
        """
        group = self.file["train"].get(group_name, {})
        return sorted(group, key=lambda name: (self.is_text(group_name, name), name))

    def is_text(self, group_name: str, name: str) -> bool:
        """Tell whether a column in a group of each part holds text."""
        return bool(self.file["train"][group_name][name].dtype.kind == "O")


@contextmanager
def opened(config: Config) -> Iterator[Source]:
    """Open the dataset of a build.

    Raises
    ------
    BuildError
        If there is no dataset, or it cannot be read.
    """
    path = config.layout.dataset
    if not path.is_file():
        raise BuildError(
            f"{path} does not exist: there is nothing to export",
            "build it: chsims-build --stage dataset; or name the build's folder: "
            "--config FILE or --set processed=FOLDER",
        )
    try:
        with h5py.File(path, "r") as file:
            yield Source(file, config)
    except (OSError, KeyError) as error:
        if isinstance(error, OSError) and error.filename not in (None, str(path)):
            raise  # of the file that is written
        raise BuildError(
            f"{path} cannot be read as a dataset ({error})",
            "make it again: chsims-build --stage dataset --force",
        ) from error


def _columns(group: h5py.Group) -> list[str]:
    """Return the columns with one value per clip."""
    plain = [name for name in group if isinstance(group[name], h5py.Dataset)]
    nested = [
        f"{name}/{own}" for name in ("labels", "quality", "columns") for own in group.get(name, ())
    ]
    return [name for name in (*plain, *nested) if len(group[name].shape) == 1]


def _values(column: h5py.Dataset, rows: slice) -> list[Any]:
    if column.dtype.kind == "O":
        return [str(value) for value in column.asstr()[rows]]
    return list(column[rows])


def _under(prefix: str, values: dict[str, list[Any]], row: int) -> dict[str, float | str | None]:
    """Return a clip's values in the columns whose names begin with a prefix."""
    return {
        name.removeprefix(prefix): _figure(column[row])
        for name, column in values.items()
        if name.startswith(prefix)
    }


def _number(column: list[Any] | None, row: int) -> float | None:
    return None if column is None else _finite(column[row])


def _figure(value: Any) -> float | str | None:
    return value if isinstance(value, str) else _finite(value)


def _finite(value: Any) -> float | None:
    """Return a number as the shortest one that gives the same float32 or float64; None for NaN."""
    if isinstance(value, np.integer):
        return int(value)
    return None if math.isnan(value) else float(str(value))


def _class(value: Any) -> int | None:
    return int(value) if 0 <= int(value) < len(CLASSES) else None


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
