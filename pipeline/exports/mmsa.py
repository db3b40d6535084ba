"""The pickle that MMSA and its forks read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import compress
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.split import PARTS
from pipeline.exports.output import Output
from pipeline.exports.pickled import Streamed, write_pickle
from pipeline.exports.source import BLOCK, Source
from pipeline.exports.tokens import Tokens
from pipeline.terminal import tracked

ANNOTATIONS = ("Negative", "Neutral", "Positive")
"""By the sign of a label: below 0, 0, above 0. A clip's class in MMSA is the index here."""

_KEYS = {"M": "", "T": "_T", "A": "_A", "V": "_V"}


def options(source: Source) -> dict[str, Any]:
    """Return what decides the file beyond the dataset: whether tokens can be written."""
    return {"text_bert": not Tokens(source).absent}


def left_out(source: Source) -> list[str]:
    """Say what of a dataset the pickle has no place for."""
    others = [f"{part} ({source.size(part):,} clips)" for part in source.parts if part not in PARTS]
    missing = [m for m in ("text", "audio", "vision") if m not in source.modalities]
    found = [
        f"masks: invalid rows of {', '.join(source.masked())} are zeros like any other"
        if source.masked()
        else "",
        f"parts other than train, valid and test: {', '.join(others)}" if others else "",
        f"{', '.join(missing)}: the dataset has no such feature, and MMSA's loader reads all three"
        if missing
        else "",
        *_lacking_labels(source),
        "quality figures, kept columns, speaker, gender, age, the names of the dimensions, the "
        "settings and versions",
    ]
    why = Tokens(source).absent
    if why and "text" in source.modalities:
        found.append(f"text_bert: {why}; models with use_bert cannot be trained on this file")
    return [words for words in found if words]


def _lacking(source: Source) -> dict[str, int]:
    """Return how many of the clips that are written lack each of T, A and V."""
    counts = {
        task: sum(
            int(np.isnan(source.labels(part, task)[kept(source, part)]).sum()) for part in PARTS
        )
        for task in "TAV"
    }
    return {task: count for task, count in counts.items() if count}


def _lacking_labels(source: Source) -> Iterator[str]:
    without = source.unlabelled("M", list(PARTS))
    if without:
        yield f"{without:,} clips without the label M"
    lacking = _lacking(source)
    if lacking:
        counts = ", ".join(f"{task} ({count:,})" for task, count in lacking.items())
        yield (
            f"the labels of tasks that clips lack, whole: {counts}; MMSA's corpus sims needs T, A "
            "and V, its mosi only M"
        )


def write(source: Source, output: Output) -> None:
    """Write the pickle; a few clips are in memory at a time."""
    tokens = Tokens(source)
    total = sum(int(kept(source, part).sum()) for part in PARTS)
    steps = len(source.modalities) + (not tokens.absent)
    shown = iter(tracked(range(total * steps), "mmsa", total * steps))
    lacking = set(_lacking(source))
    content = {part: _part(source, part, tokens, lacking, shown) for part in PARTS}
    with output.new() as temporary, temporary.open("wb") as stream:
        write_pickle(stream, content)


def _part(
    source: Source, part: str, tokens: Tokens, lacking: set[str], shown: Iterator[int]
) -> dict[str, Any]:
    group, keep = source[part], kept(source, part)
    count = int(keep.sum())
    found: dict[str, Any] = {
        "id": [clip.replace("/", "$_$", 1) for clip in compress(source.strings(part, "id"), keep)],
        "raw_text": list(compress(source.strings(part, "raw_text"), keep)),
    }
    for modality in source.modalities:
        array = group[modality]
        read = partial(_rows_of, array)
        found[modality] = Streamed((count, *array.shape[1:]), _blocks(read, keep, shown))
        if modality != "text":  # MMSA takes the length of texts from their tokens
            lengths = group[f"{modality}_lengths"][:][keep]
            found[f"{modality}_lengths"] = [int(length) for length in lengths]
    if not tokens.absent:
        shape = (count, 3, int(group["text"].shape[1]))
        found["text_bert"] = Streamed(shape, _blocks(partial(tokens.of, part), keep, shown))
    for task, suffix in _KEYS.items():
        if task not in lacking:
            labels = source.labels(part, task)[keep]
            found[f"regression_labels{suffix}"] = labels
            found[f"classification_labels{suffix}"] = signs(labels)
    found["annotations"] = [ANNOTATIONS[i] for i in signs(source.labels(part, "M")[keep])]
    return found


def kept(source: Source, part: str) -> NDArray[np.bool_]:
    """Say which clips of a part are written: those with the label M, which MMSA needs."""
    return ~np.isnan(source.labels(part, "M"))


def signs(labels: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return 0 for labels below 0, 1 for 0, and 2 for labels above 0."""
    return np.sign(labels).astype(np.int64) + 1


Read = Callable[[int, int], NDArray[np.float32]]


def _rows_of(array: h5py.Dataset, start: int, stop: int) -> NDArray[np.float32]:
    return np.asarray(array[start:stop], np.float32)


def _blocks(
    read: Read, keep: NDArray[np.bool_], shown: Iterator[int]
) -> Callable[[], Iterator[NDArray[np.float32]]]:
    """Return what reads an array in blocks, without the clips that are not kept."""

    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(keep), BLOCK):
            stop = min(start + BLOCK, len(keep))
            block = read(start, stop)[keep[start:stop]]
            yield block
            for _ in range(len(block)):
                next(shown, None)

    return blocks
