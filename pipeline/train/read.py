"""The dataset file: features read once, averaged once where only the mean is used."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.store.features import again
from pipeline.train.content import dataset_digest, feature_shapes, opened_dataset
from pipeline.train.data import Corpus, Form, Inputs, Part, Ragged
from pipeline.train.hyper import TASKS
from pipeline.train.recipe import Recipe
from pipeline.train.scaling import Scaling, measure

Group = Mapping[str, Any]
"""A part of the file, or arrays of the same names."""
Blocks = Iterator[tuple[int, NDArray[np.float32]]]
"""Features of some clips ``[n, L, d]``, and the position of the first of them."""
_BLOCK = 64  # clips read at once


def load_corpus(path: Path, form: Form, recipe: Recipe, memory_gb: float = 4.0) -> Corpus:
    """Read a dataset file once, in the form that a model uses.

    Parameters
    ----------
    path : Path
        ``dataset.h5``.
    form : {"mean", "repeated", "sequence", "padded", "aligned"}
        Audio and vision as time averages next to packed texts, as averages that the model
        repeats, as sequences of true rows, as sequences with their padding, or as one row
        per step of the modality that they are aligned to (`Inputs.anchor`).
    recipe : Recipe
        Decides what counts as a row: valid ones (paper), or all, padding included.
    memory_gb : float
        Sequences beyond this size, all parts together, are streamed from temporary files.

    Raises
    ------
    BuildError
        If the file is missing, not a dataset, or holds a part without clips, or a
        feature that is NaN or infinite.
    """
    with opened_dataset(path) as file:
        return _read(file, form, recipe, memory_gb)


def part_of_arrays(
    arrays: Mapping[str, NDArray[np.float32]],
    valid: Mapping[str, NDArray[Any]],
    inputs: Inputs,
    form: Form,
    recipe: Recipe,
    scaling: Mapping[str, Scaling],
) -> Part:
    """Return a part of one clip from its unpadded features, as the dataset file would give it.

    Parameters
    ----------
    arrays : mapping of str to ndarray ``[L, d]``
        Features by modality; cut at the padded lengths of `inputs`.
    valid : mapping of str to ndarray ``[L]``
        Which rows count, for the modalities that have a mask.
    inputs : Inputs
        Of the dataset that the model was trained on.
    form : Form
        How the model wants its inputs.
    recipe : Recipe
        Decides what counts as a row.
    scaling : mapping of str to Scaling
        What the model's train part was standardised by; empty for none.
    """
    group: dict[str, Any] = {"id": np.array(["clip"]), "labels": {}}
    for modality, steps in inputs.steps.items():
        rows = arrays[modality][:steps]
        padded = np.zeros((1, steps, rows.shape[1]), np.float32)
        padded[0, : len(rows)] = rows
        group[modality], group[f"{modality}_lengths"] = padded, np.array([len(rows)])
        if modality in valid:
            mask = np.zeros((1, steps), bool)
            kept = np.asarray(valid[modality][:steps], bool)
            mask[0, : len(kept)] = kept
            group[f"{modality}_valid"] = mask
    return _part(group, _View(inputs, form, recipe, scaling), limit=4.0)


def _inputs(file: h5py.File) -> Inputs:
    """Read which modalities the file has."""
    shapes = feature_shapes(file)
    dims = {modality: int(shape[2]) for modality, shape in shapes.items()}
    return Inputs(dims, {modality: int(shape[1]) for modality, shape in shapes.items()})


@dataclass(frozen=True)
class _View:
    """How a model sees a dataset: its form decides which streams are sequences."""

    inputs: Inputs
    form: Form
    recipe: Recipe
    scaling: Mapping[str, Scaling]

    @property
    def averaged(self) -> bool:
        return self.form in ("mean", "repeated")

    @property
    def anchor(self) -> str:
        """The stream whose true rows are kept whatever becomes of the others."""
        return "text" if self.form in ("mean", "padded") else self.inputs.anchor

    def is_sequence(self, modality: str) -> bool:
        return modality == self.anchor or self.form in ("sequence", "padded")

    def rows(self, group: Group, modality: str) -> NDArray[np.bool_]:
        """Say which rows count, ``[N, L]``: true and valid ones, or all of them."""
        shape = group[modality].shape[:2]
        padded = self.recipe.pooling == "padded" if self.averaged else self.form != "sequence"
        if padded and modality != self.anchor:
            return np.ones(shape, bool)
        return _true_rows(group, modality)


def _true_rows(group: Group, modality: str) -> NDArray[np.bool_]:
    """Say which rows hold a feature, ``[N, L]``: inside the clip, and valid by its mask."""
    steps = group[modality].shape[1]
    rows = np.arange(steps) < np.asarray(group[f"{modality}_lengths"][:])[:, None]
    if f"{modality}_valid" in group:
        rows &= np.asarray(group[f"{modality}_valid"][:], bool)
    return rows


def _measured(group: Group, inputs: Inputs, recipe: Recipe) -> dict[str, Scaling]:
    """Measure each modality of the train part, if the recipe standardises features."""
    if recipe.scaling == "none":
        return {}
    found = {}
    for modality, dim in inputs.dims.items():
        clips = tuple(_string(value) for value in group["id"][:])
        rows = _true_rows(group, modality)
        blocks = _blocks(group, modality, clips, None)
        found[modality] = measure((b[rows[i : i + len(b)]] for i, b in blocks), dim)
    return found


def _read(file: h5py.File, form: Form, recipe: Recipe, memory_gb: float) -> Corpus:
    inputs = _inputs(file)
    for name in PARTS:
        if len(file[name]["id"]) < (2 if name == "train" else 1):
            raise BuildError(
                f"the {name} part of {file.filename} has {len(file[name]['id'])} clip(s): too few",
                "add clips, or change dataset.split so that each part has some",
            )
    view = _View(inputs, form, recipe, _measured(file["train"], inputs, recipe))
    held = sum(_kept_bytes(file[name], view) for name in PARTS)
    limit = memory_gb if held <= memory_gb * 1e9 else 0.0
    parts = {name: _part(file[name], view, limit) for name in PARTS}
    return Corpus(parts, inputs, dataset_digest(file), view.scaling)


def _part(group: Group, view: _View, limit: float) -> Part:
    clips = tuple(_string(value) for value in group["id"][:])
    streams: dict[str, Ragged | Tensor] = {}
    steps = view.inputs.steps.get(view.anchor, 0)
    for modality in view.inputs.dims:
        rows = view.rows(group, modality)
        blocks = _blocks(group, modality, clips, view.scaling.get(modality))
        if view.is_sequence(modality):
            streams[modality] = _ragged(blocks, group, modality, rows, limit)
        elif view.averaged:
            streams[modality] = _reduced(blocks, rows, lambda kept: kept.mean(0))
        else:
            streams[modality] = _reduced(
                blocks, rows, lambda kept: in_blocks(kept, steps, view.recipe)
            )
    labels: dict[str, Tensor] = {
        task: torch.from_numpy(np.asarray(group["labels"][task][:], dtype=np.float32))
        if task in group["labels"]
        else torch.full((len(clips),), torch.nan)
        for task in TASKS
    }
    packed = "text" if view.form == "mean" else ""
    return Part(clips, streams, labels, packed, view.anchor if view.recipe.full_text else "")


def _kept_bytes(group: Group, view: _View) -> int:
    """Return what a part's sequences take in memory; means are small next to them."""
    return sum(
        int(view.rows(group, modality).sum()) * dim * 4
        for modality, dim in view.inputs.dims.items()
        if view.is_sequence(modality)
    )


def _blocks(group: Group, modality: str, clips: tuple[str, ...], scaling: Scaling | None) -> Blocks:
    """Yield blocks ``[n, L, d]`` with their first clip; standardised, all but true rows are 0."""
    dataset, true = group[modality], _true_rows(group, modality)
    for start in range(0, len(clips), _BLOCK):
        block = np.asarray(dataset[start : start + _BLOCK], dtype=np.float32)
        bad = ~np.isfinite(block).all((1, 2))
        if bad.any():
            clip = clips[start + int(bad.argmax())]
            raise BuildError(
                f"the {modality} feature of clip {clip} holds NaN or infinite values",
                f"make it again: {again(modality, clip)}",
            )
        if scaling is not None:
            block = scaling.apply(block) * true[start : start + _BLOCK, :, None]
        yield start, block


def _reduced(
    blocks: Blocks,
    rows: NDArray[np.bool_],
    reduce: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> Tensor:
    """Map each clip's rows to an array of one shape; a clip without a valid row is all zeros."""
    results = []
    for start, block in blocks:
        for i, clip_rows in enumerate(block):
            kept = clip_rows[rows[start + i]]
            results.append(reduce(kept if len(kept) else np.zeros_like(clip_rows[:1])))
    return torch.from_numpy(np.stack(results))


def _ragged(
    blocks: Blocks, group: Group, modality: str, rows: NDArray[np.bool_], limit: float
) -> Ragged:
    lengths = np.maximum(rows.sum(1), 1)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    values = _room(int(lengths.sum()), int(group[modality].shape[2]), limit)
    for start, block in blocks:
        for i, clip_rows in enumerate(block):
            at = starts[start + i]
            kept = clip_rows[rows[start + i]]
            values[at : at + len(kept)] = kept
    return Ragged(
        torch.from_numpy(values),
        torch.from_numpy(starts),
        torch.from_numpy(lengths),
        int(group[modality].shape[1]),
    )


def _room(rows: int, width: int, limit: float) -> NDArray[np.float32]:
    """Give zeros in memory, or in a temporary file that the system pages in and out."""
    if rows * width * 4 <= limit * 1e9:
        return np.zeros((rows, width), np.float32)
    with tempfile.TemporaryFile(prefix="chsims-train-") as file:  # lives as long as its mapping
        file.truncate(rows * width * 4)
        return np.memmap(file, np.float32, "r+", shape=(rows, width))


def in_blocks(rows: NDArray[np.float32], steps: int, recipe: Recipe) -> NDArray[np.float32]:
    """Average rows ``[L, d]`` into ``[steps, d]`` as the published code "aligns" them.

    The last row is repeated until `steps` divides the length. ``blocks`` averages
    consecutive rows; ``interleaved`` (version 2.2.1) rows that lie `steps` apart, which
    mixes the whole clip into every step.
    """
    pool = -(-len(rows) // steps)
    filled = np.concatenate([rows, np.repeat(rows[-1:], pool * steps - len(rows), axis=0)])
    if recipe.alignment == "interleaved":
        mixed: NDArray[np.float32] = filled.reshape(pool, steps, -1).mean(0)
        return mixed
    means: NDArray[np.float32] = filled.reshape(steps, pool, -1).mean(1)
    return means


def _string(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
