"""Computational sequences of the CMU-MultimodalSDK: an HDF5 file per modality, and the labels.

The layout is that of the SDK's ``file_ops.py``: a root group named after the sequence, in it
``data/ENTRY/{features, intervals}`` and ``metadata/KEY`` (one JSON string each).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import LABELS
from pipeline.dataset.disk import new_hdf5
from pipeline.errors import BuildError
from pipeline.exports.output import Output
from pipeline.exports.source import ExportClip, Source
from pipeline.terminal import tracked

FOLDS = "folds.json"
_DATASET = "CH-SIMS (made by chsims-build)"
_WORDS = h5py.string_dtype("utf-8")


def write(source: Source, output: Output) -> None:
    """Write ``text.csd``, ``audio.csd``, ``vision.csd``, ``labels.csd`` and ``folds.json``."""
    _check(source)
    total = sum(source.size(part) for part in source.parts)
    for modality in source.modalities:
        name = f"{modality}.csd"
        if output.is_done(name):
            continue
        entries = (
            (entry_of(clip.id), clip.arrays[modality], intervals_of(source, clip, modality))
            for clip in tracked(_clips(source), name, total)
        )
        with output.new(name) as temporary:
            _write(temporary, entries, _metadata(source, modality, source.names(modality)))
    labels = (
        (entry_of(clip.id), _labels(clip), np.array([[0.0, _seconds(source, clip)]]))
        for clip in _clips(source, features=False)
    )
    with output.new("labels.csd") as temporary:
        _write(temporary, labels, _metadata(source, "labels", list(LABELS)))
    folds = {part: [entry_of(c) for c in source.strings(part, "id")] for part in source.parts}
    with output.new(FOLDS) as temporary:
        temporary.write_text(json.dumps(folds, ensure_ascii=False, indent=1) + "\n", "utf-8")


def left_out(source: Source) -> list[str]:
    """Say what of a dataset computational sequences have no place for."""
    found = ["padding, transcripts, speaker, gender, age, quality figures and kept columns"]
    if "text" in source.modalities:
        found.append("the times of tokens, which are unknown: each has the whole clip's interval")
    if source.masked():
        found.append(f"masks: invalid rows of {', '.join(source.masked())} are zeros")
    if any(source.unlabelled(task, source.parts) for task in LABELS):
        found.append("missing labels, other than as NaN in labels.csd")
    return found


def entry_of(clip: str) -> str:
    """Return a clip's name in a sequence; the SDK takes what follows a bracket for a segment."""
    return clip.replace("/", "$_$", 1)


def _check(source: Source) -> None:
    if all(source.rate(m) is None for m in source.modalities):
        raise BuildError(
            f"{source.path} does not say how many steps a second has, and a computational "
            "sequence needs intervals in seconds",
            "export to another format, for example --to webdataset",
        )
    for part in source.parts:
        bad = next((clip for clip in source.strings(part, "id") if "[" in clip), None)
        if bad is not None:
            raise BuildError(
                f"the id of clip {bad} holds a bracket, which the CMU-MultimodalSDK takes for the "
                "number of a segment",
                "export to another format, for example --to webdataset",
            )


def _clips(source: Source, *, features: bool = True) -> Iterator[ExportClip]:
    for part in source.parts:
        yield from source.clips(part, features=features)


def intervals_of(source: Source, clip: ExportClip, modality: str) -> NDArray[np.float64]:
    """Return when each row begins and ends ``[length, 2]``, in seconds on the clip's clock."""
    rows, rate = clip.lengths[modality], source.rate(modality)
    if rate is None:
        return np.tile([0.0, _seconds(source, clip)], (rows, 1))
    edges = np.arange(rows + 1) / rate
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _seconds(source: Source, clip: ExportClip) -> float:
    """Return how long a clip lasts: by its media file, else by its longest feature."""
    duration = clip.quality.get("duration")
    if isinstance(duration, (int, float)):
        return float(duration)
    rates = ((clip.lengths[m], source.rate(m)) for m in source.modalities)
    return max(length / rate for length, rate in rates if rate)


def _labels(clip: ExportClip) -> NDArray[np.float32]:
    values = [clip.labels[task] for task in LABELS]
    return np.array([[np.nan if v is None else v for v in values]], np.float32)


def _write(
    path: Path,
    entries: Iterator[tuple[str, NDArray[Any], NDArray[np.float64]]],
    metadata: dict[str, Any],
) -> None:
    with new_hdf5(path, ("earliest", "v110")) as (file, disk):
        root = file.create_group(metadata["root name"])
        data = root.create_group("data")
        for name, features, intervals in entries:
            group = data.create_group(name)
            for kind, values in (("features", features), ("intervals", intervals)):
                group.create_dataset(kind, data=values, track_times=False)
            disk.check()
        described = root.create_group("metadata")
        for key, value in metadata.items():
            text = np.array([json.dumps(value, ensure_ascii=False)], dtype=object)
            described.create_dataset(key, (1,), _WORDS, text, track_times=False)


def _metadata(source: Source, name: str, dimensions: list[str]) -> dict[str, Any]:
    """Return the metadata that the SDK asks for; nothing in it depends on when it was made."""
    described = source.attributes.get("modalities", {}).get(name, {})
    what = (
        f"{described['extractor']} features of {name}, one row per {described['step']}"
        if described
        else "sentiment from -1 to 1: multimodal, text, audio, silent video; NaN: not labelled"
    )
    return {
        "root name": name,
        "computational sequence description": what,
        "dimension names": dimensions,
        "computational sequence version": "1.0",
        "alignment compatible": True,
        "dataset name": _DATASET,
        "dataset version": source.digest,
        "creator": "chsims-build",
        "contact": "",
        "featureset bib citation": "",
        "dataset bib citation": "Yu et al., CH-SIMS, ACL 2020",
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{source.digest} {name}")),
        "md5": None,
    }
