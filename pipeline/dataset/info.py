"""What a dataset file says without its features: attributes, clips, and the paper's tables."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import CLASSES
from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.store.files import digest

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("M", "T", "A", "V")
GRID = tuple(round(-1 + 0.2 * i, 1) for i in range(11))
"""The labels that five votes can give."""


def digest_of_parts(attributes: Mapping[str, Any]) -> str | None:
    """Return the digest of a dataset's three parts from what its writer left in the attributes."""
    names = [f"digest_{part}" for part in PARTS]
    if not all(name in attributes for name in names):
        return None
    return digest([str(attributes[name]) for name in names])


class DatasetInfo:
    """A dataset file, read with h5py alone; features stay on the disk.

    Parameters
    ----------
    path : Path
        ``dataset.h5``.

    Attributes
    ----------
    attributes : dict
        The root attributes, JSON decoded: names, length statistics, config, versions,
        warnings, preset, git_revision, digests (docs/data-format.md).
    clips : DataFrame
        One row a clip, parts in order: id, part, video_id, raw_text, speaker, gender, age
        (empty when unknown), M, T, A, V, class, the modalities' lengths, and the quality
        figures.

    Raises
    ------
    BuildError
        If the file cannot be read or is no dataset.
    """

    @property
    def digest(self) -> str | None:
        """The digest of the three parts, which trained models remember; None if it says none."""
        return digest_of_parts(self.attributes)

    def __init__(self, path: Path) -> None:
        import h5py

        self.path = path
        try:
            with h5py.File(path, "r") as file:
                self.attributes = {name: _decoded(value) for name, value in file.attrs.items()}
                self.clips = _clip_table(file)
        except (OSError, KeyError) as error:
            raise BuildError(
                f"{path} cannot be read as a dataset ({error})",
                "build it: chsims-build --stage dataset",
            ) from error

    @cached_property
    def length_statistics(self) -> dict[str, dict[str, float]]:
        """Mean, std, padded, shortest, longest and shortened of text, audio and vision."""
        return {m: self.attributes[f"{m}_length_statistics"] for m in ("text", "audio", "vision")}

    def table1(self) -> dict[str, float | int | None]:
        """Return the corpus in numbers (paper, Table 1).

        Returns
        -------
        dict
            clips, videos, speakers, male, female (None when the sheet does not say),
            mean_seconds, mean_characters (letters and digits of the transcript) and
            mean_tokens (BERT's, without [CLS] and [SEP]).
        """
        table = self.clips
        known = table["speaker"][table["speaker"] != ""]
        genders = table["gender"].value_counts()
        told = bool((table["gender"] != "").any())
        return {
            "clips": len(table),
            "videos": int(table["video_id"].nunique()),
            "speakers": int(known.nunique()) or None,
            "male": int(genders.get("male", 0)) if told else None,
            "female": int(genders.get("female", 0)) if told else None,
            "mean_seconds": float(table["duration"].mean()),
            "mean_characters": float(table["raw_text"].map(characters).mean()),
            "mean_tokens": float((table["text_steps"] - 2).mean()),
        }

    def table3(self) -> pd.DataFrame:
        """Return clips by part (rows) and class (columns, ``total`` first) (paper, Table 3)."""
        import pandas as pd

        counts = pd.crosstab(self.clips["part"], self.clips["class"])
        counts = counts.reindex(index=PARTS, columns=CLASSES, fill_value=0)
        counts.insert(0, "total", counts.sum(axis=1))
        return counts

    def label_histogram(self) -> pd.DataFrame:
        """Return clips by nearest grid label (rows) and M, T, A, V (paper, Fig. 2 left)."""
        import pandas as pd

        columns = {}
        for name in LABELS:
            labels = self.clips[name].dropna().to_numpy(np.float64)
            nearest = np.clip(np.rint((labels + 1) * 5).astype(int), 0, len(GRID) - 1)
            columns[name] = np.bincount(nearest, minlength=len(GRID))
        return pd.DataFrame(columns, index=list(GRID))

    def label_distances(self) -> NDArray[np.float64]:
        """Return D[i][j], the mean of (label_i - label_j)^2 in the order M, T, A, V (eq. 1).

        Clips that lack one of the two labels are left out; NaN where none has both.
        """
        labels = self.clips[list(LABELS)].to_numpy(np.float64)
        squares = (labels[:, :, None] - labels[:, None, :]) ** 2
        told = ~np.isnan(squares)
        counts = told.sum(0)
        sums = np.where(told, squares, 0.0).sum(0)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def characters(text: str) -> int:
    """Count a transcript's letters and digits: no punctuation, no spaces."""
    return sum(unicodedata.category(c)[0] in "LN" for c in text)


def _clip_table(file: Any) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for part in PARTS:
        group = file[part]
        columns: dict[str, Any] = {"id": _strings(group["id"])}
        columns["part"] = [part] * len(columns["id"])
        columns["video_id"] = [clip.partition("/")[0] for clip in columns["id"]]
        for name in ("raw_text", "speaker", "gender", "age"):
            columns[name] = _strings(group[name])
        columns |= {name: group["labels"][name][:].round(6) for name in LABELS}
        columns["class"] = [CLASSES[i] for i in group["class"][:]]
        for name in ("text_lengths", "audio_lengths", "vision_lengths"):
            columns[name] = group[name][:]
        for name, values in group["quality"].items():
            columns[name] = _strings(values) if values.dtype.kind == "O" else values[:]
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _strings(dataset: Any) -> list[str]:
    return [str(value) for value in dataset.asstr()[:]]


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value
