"""The dataset file: features read once, averaged once where only the mean is used."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.corpus import MODALITIES
from pipeline.dataset.info import digest_of_parts
from pipeline.dataset.split import PARTS
from pipeline.errors import BuildError
from pipeline.store.files import digest
from pipeline.train.data import Corpus, Form, Part, Ragged
from pipeline.train.hyper import TASKS
from pipeline.train.recipe import Recipe

Group = Mapping[str, Any]
"""A part of the file, or arrays of the same names."""
_BLOCK = 64  # clips read at once


def load_corpus(path: Path, form: Form, recipe: Recipe, memory_gb: float = 4.0) -> Corpus:
    """Read a dataset file once, in the form that a model uses.

    Parameters
    ----------
    path : Path
        ``dataset.h5``.
    form : {"mean", "repeated", "sequence", "padded", "aligned"}
        Audio and vision as time averages beside packed texts, as averages that the model
        repeats, as sequences of true rows, as sequences with their padding, or as one row
        a text step.
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
    try:
        with h5py.File(path, "r") as file:
            return _read(file, form, recipe, memory_gb)
    except (OSError, KeyError) as error:
        raise BuildError(
            f"{path} is not a readable dataset: {error}",
            "make it again: chsims-build --stage dataset",
        ) from error


def part_of_arrays(
    arrays: dict[str, NDArray[np.float32]],
    vision_valid: NDArray[Any] | None,
    steps: dict[str, int],
    form: Form,
    recipe: Recipe,
) -> Part:
    """Return a part of one clip from its unpadded features, as the dataset file would give it."""
    group: dict[str, Any] = {"id": np.array(["clip"]), "labels": {}}
    for stream in MODALITIES:
        rows = arrays[stream][: steps[stream]]
        padded = np.zeros((1, steps[stream], rows.shape[1]), np.float32)
        padded[0, : len(rows)] = rows
        group[stream], group[f"{stream}_lengths"] = padded, np.array([len(rows)])
    if vision_valid is not None:
        valid = np.zeros((1, steps["vision"]), bool)
        valid[0, : len(vision_valid)] = np.asarray(vision_valid[: steps["vision"]], bool)
        group["vision_valid"] = valid
    return _part(group, form, recipe, steps["text"], limit=4.0)


def _read(file: h5py.File, form: Form, recipe: Recipe, memory_gb: float) -> Corpus:
    steps = {stream: int(file[f"train/{stream}"].shape[1]) for stream in MODALITIES}
    dims = {stream: int(file[f"train/{stream}"].shape[2]) for stream in MODALITIES}
    parts = {}
    held = sum(_kept_bytes(file[name], form, recipe) for name in PARTS)
    limit = memory_gb if held <= memory_gb * 1e9 else 0.0
    for name in PARTS:
        group = file[name]
        if len(group["id"]) < (2 if name == "train" else 1):
            raise BuildError(
                f"the {name} part of {file.filename} has {len(group['id'])} clip(s): too few",
                "add clips, or change dataset.split so that each part has some",
            )
        parts[name] = _part(group, form, recipe, steps["text"], limit)
    return Corpus(parts, dims, steps, _digest(file))


def _part(group: Group, form: Form, recipe: Recipe, text_steps: int, limit: float) -> Part:
    clips = tuple(_string(value) for value in group["id"][:])
    streams: dict[str, Ragged | Tensor] = {}
    for stream in MODALITIES:
        rows = _rows_of(group, stream, form, recipe)
        if _as_sequence(stream, form):
            streams[stream] = _ragged(group, stream, clips, rows, limit)
        elif form in ("mean", "repeated"):
            streams[stream] = _reduced(group, stream, clips, rows, lambda kept: kept.mean(0))
        else:
            streams[stream] = _reduced(
                group, stream, clips, rows, lambda kept: in_blocks(kept, text_steps, recipe)
            )
    labels: dict[str, Tensor] = {
        task: torch.from_numpy(np.asarray(group["labels"][task][:], dtype=np.float32))
        if task in group["labels"]
        else torch.full((len(clips),), torch.nan)
        for task in TASKS
    }
    return Part(clips, streams, labels, form == "mean", recipe.full_text)


def _kept_bytes(group: Group, form: Form, recipe: Recipe) -> int:
    """Return what a part's sequences take in memory; means are small beside them."""
    return sum(
        int(_rows_of(group, stream, form, recipe).sum()) * int(group[stream].shape[2]) * 4
        for stream in MODALITIES
        if _as_sequence(stream, form)
    )


def _as_sequence(stream: str, form: Form) -> bool:
    return stream == "text" or form in ("sequence", "padded")


def _rows_of(group: Group, stream: str, form: Form, recipe: Recipe) -> NDArray[np.bool_]:
    """Say which rows count, ``[N, L]``: true ones (valid ones for vision), or all of them."""
    shape = group[stream].shape[:2]
    averaged = form in ("mean", "repeated")
    padded = recipe.pooling == "padded" if averaged else form != "sequence"
    if padded and stream != "text":
        return np.ones(shape, bool)
    rows = np.arange(shape[1]) < np.asarray(group[f"{stream}_lengths"][:])[:, None]
    if stream == "vision" and "vision_valid" in group:
        rows &= np.asarray(group["vision_valid"][:], bool)
    return rows


def _blocks(
    group: Group, stream: str, clips: tuple[str, ...]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    dataset = group[stream]
    for start in range(0, len(clips), _BLOCK):
        block = np.asarray(dataset[start : start + _BLOCK], dtype=np.float32)
        bad = ~np.isfinite(block).all((1, 2))
        if bad.any():
            clip = clips[start + int(bad.argmax())]
            raise BuildError(
                f"the {stream} feature of clip {clip} holds NaN or infinite values",
                f"make it again: chsims-build --stage {stream} --clip {clip} --force",
            )
        yield start, block


def _reduced(
    group: Group,
    stream: str,
    clips: tuple[str, ...],
    rows: NDArray[np.bool_],
    reduce: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> Tensor:
    """Map each clip's rows to an array of one shape; a clip without a valid row is all zeros."""
    results = []
    for start, block in _blocks(group, stream, clips):
        for i, clip_rows in enumerate(block):
            kept = clip_rows[rows[start + i]]
            results.append(reduce(kept if len(kept) else np.zeros_like(clip_rows[:1])))
    return torch.from_numpy(np.stack(results))


def _ragged(
    group: Group,
    stream: str,
    clips: tuple[str, ...],
    rows: NDArray[np.bool_],
    limit: float,
) -> Ragged:
    lengths = np.maximum(rows.sum(1), 1)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    values = _room(int(lengths.sum()), int(group[stream].shape[2]), limit)
    for start, block in _blocks(group, stream, clips):
        for i, clip_rows in enumerate(block):
            at = starts[start + i]
            kept = clip_rows[rows[start + i]]
            values[at : at + len(kept)] = kept
    return Ragged(
        torch.from_numpy(values),
        torch.from_numpy(starts),
        torch.from_numpy(lengths),
        int(group[stream].shape[1]),
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


def _digest(file: h5py.File) -> str:
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


def _string(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
