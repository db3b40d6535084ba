"""What a dataset file says without its features: attributes, clips, and the paper's tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline import corpus
from pipeline.corpus import CLASSES, GRID, LABELS, MODALITIES, NO_CLASS
from pipeline.dataset.split import PARTS, stored_parts
from pipeline.errors import BuildError
from pipeline.store.files import digest

if TYPE_CHECKING:
    import pandas as pd


def digest_of_parts(attributes: Mapping[str, Any]) -> str | None:
    """Return the digest of the three labelled parts from what the writer left in the attributes."""
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
    columns : sequence of str, optional
        The columns of `clips` to read, if the file has them; all by default.

    Attributes
    ----------
    attributes : dict
        The root attributes, JSON decoded: names, length statistics, config, versions,
        warnings, preset, git_revision, digests (docs/data-format.md).
    clips : DataFrame
        One row per clip, parts in order: id, part, video_id, raw_text, speaker, gender, age
        (empty when unknown), M, T, A, V, class (None without M), the modalities' lengths,
        and the quality figures.

    Raises
    ------
    BuildError
        If the file cannot be read or is no dataset.
    """

    @property
    def digest(self) -> str | None:
        """The digest of train, valid and test, which trained models remember, if it says one."""
        return digest_of_parts(self.attributes)

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        import h5py

        self.path = path
        try:
            with h5py.File(path, "r") as file:
                self.attributes = {name: _decoded(value) for name, value in file.attrs.items()}
                self.clips = _clip_table(file, columns)
        except (OSError, KeyError) as error:
            raise BuildError(
                f"{path} cannot be read as a dataset ({error})",
                "build it: chsims-build --stage dataset",
            ) from error

    @cached_property
    def length_statistics(self) -> dict[str, dict[str, float]]:
        """Mean, std, padded, shortest, longest and shortened lengths of each modality."""
        names = {m: f"{m}_length_statistics" for m in MODALITIES}
        return {m: self.attributes[name] for m, name in names.items() if name in self.attributes}

    @property
    def labelled(self) -> pd.DataFrame:
        """The rows of `clips` in train, valid and test."""
        return self.clips[self.clips["part"].isin(PARTS)]

    def table1(self) -> corpus.CorpusCounts:
        """Return the labelled clips in numbers (paper, Table 1); all clips if none is labelled."""
        clips = self.labelled if len(self.labelled) else self.clips
        return corpus.table1(clips.rename(columns={"raw_text": "text"}))

    def table3(self) -> pd.DataFrame:
        """Return clips by part (rows) and class (columns, ``total`` first) (paper, Table 3).

        Clips without M have no class and are not counted.
        """
        import pandas as pd

        members = zip(self.labelled["part"], self.labelled["class"], strict=True)
        counts = corpus.table3(members, PARTS)
        return pd.DataFrame.from_dict(counts, orient="index", columns=["total", *CLASSES])

    def label_histogram(self) -> pd.DataFrame:
        """Return clips by nearest grid label (rows) and M, T, A, V (paper, Fig. 2 left)."""
        import pandas as pd

        columns = {name: corpus.label_histogram(self.labelled[name]) for name in LABELS}
        return pd.DataFrame(columns, index=list(GRID))

    def label_distances(self) -> NDArray[np.float64]:
        """Return D[i][j], the mean of (label_i - label_j)^2 in the order M, T, A, V (eq. 1).

        Clips that lack one of the two labels are left out; NaN where none has both.
        """
        return corpus.label_distances(self.labelled[list(LABELS)].to_numpy(np.float64))


def _clip_table(file: Any, names: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    tables: list[pd.DataFrame] = []
    for part in _parts(file):
        group = file[part]
        readers = _readers(group, part)
        wanted = readers if names is None else [name for name in names if name in readers]
        tables.append(pd.DataFrame({name: readers[name]() for name in wanted}))
    return pd.concat(tables, ignore_index=True)


def _readers(group: Any, part: str) -> dict[str, Callable[[], Any]]:
    """Return how each column of a part is read, in their order."""
    import pandas as pd

    def classes() -> Any:
        names = [None if i == NO_CLASS else CLASSES[i] for i in group["class"][:]]
        return pd.Series(names, dtype=object)

    def videos() -> list[str]:
        return [clip.partition("/")[0] for clip in _strings(group["id"])]

    def labels(name: str) -> Any:
        return group["labels"][name][:].round(6)

    found: dict[str, Callable[[], Any]] = {
        "id": partial(_strings, group["id"]),
        "part": lambda: [part] * len(group["id"]),
        "video_id": videos,
    }
    for name in ("raw_text", "speaker", "gender", "age"):
        found[name] = partial(_strings, group[name])
    found |= {name: partial(labels, name) for name in LABELS}
    found["class"] = classes
    for name in (f"{m}_lengths" for m in MODALITIES):
        if name in group:
            found[name] = partial(_values, group[name])
    found |= {name: partial(_values, values) for name, values in group["quality"].items()}
    return found


def _values(dataset: Any) -> Any:
    return _strings(dataset) if dataset.dtype.kind == "O" else dataset[:]


def _parts(file: Any) -> list[str]:
    """Return the parts of a file, which has at least train, valid and test."""
    return [*PARTS, *(part for part in stored_parts(file) if part not in PARTS)]


def _strings(dataset: Any) -> list[str]:
    return [str(value) for value in dataset.asstr()[:]]


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value
