"""Writing an adopted dataset: the same file as a build's, one clip in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.adopt.content import Part, clip_id
from pipeline.adopt.features import Fitting
from pipeline.adopt.known import Published, names_of
from pipeline.adopt.record import Adopted
from pipeline.config import Config
from pipeline.corpus import CLASSES, LABELS, NO_CLASS, class_of
from pipeline.dataset.check import part_digest
from pipeline.dataset.disk import new_hdf5
from pipeline.dataset.provenance import FORMAT, git_revision, own_versions
from pipeline.dataset.split import UNLABELLED, natural_order
from pipeline.stages import ADOPTED
from pipeline.store.files import written_whole
from pipeline.store.places import is_plain_name
from pipeline.terminal import tracked

_INSTEAD = {"ids": "numbers here", "transcripts": "empty here"}
_TEXT = h5py.string_dtype("utf-8")
_FORMAT = ("earliest", "v110")


def write_dataset(
    config: Config,
    parts: Mapping[str, Part],
    fittings: Mapping[str, Fitting],
    adopted: Adopted,
    published: Published | None,
) -> list[str]:
    """Write ``dataset.h5`` (docs/data-format.md) from the parts of a feature file.

    Parameters
    ----------
    config : Config
        Of the adopted folder.
    parts : mapping of str to Part
        Their ids must be clip ids already (`name_clips`).
    fittings : mapping of str to Fitting
        By modality; they count what they meet.
    adopted : Adopted
        The record of the file.
    published : Published, optional
        What is known of it, if its authors published it.

    Returns
    -------
    list of str
        How the file was read.
    """
    total = sum(len(part.rows) for part in parts.values())
    shown = tracked(range(total), "adopt", total)
    with written_whole(config.layout.dataset) as temporary:
        lengths: dict[str, list[int]] = {modality: [] for modality in fittings}
        with new_hdf5(temporary, _FORMAT) as (file, disk):
            for name, part in parts.items():
                group = file.create_group(name)
                for clip_lengths in _write_part(group, part, fittings, config.dataset.compression):
                    for modality, length in clip_lengths.items():
                        lengths[modality].append(length)
                    disk.check()
                    next(shown, None)
            remarks = [*adopted.remarks, *_remarks(parts, fittings)]
            attributes = _attributes(config, fittings, lengths, adopted, published, remarks)
            for key in sorted(attributes):
                file.attrs[key] = attributes[key]
        with h5py.File(temporary, "r+") as file:
            for name in parts:
                file.attrs[f"digest_{name}"] = part_digest(file[name], ["duration"])
    return remarks


def name_clips(parts: Mapping[str, Part]) -> list[str]:
    """Give every clip a unique id ``video/clip`` of plain names, and put clips in their order.

    Returns
    -------
    list of str
        Which ids had to be changed.
    """
    taken: set[str] = set()
    changed, twice = [], []
    for part in parts.values():
        for row in part.rows:
            written = part.ids[row]
            wanted = "/".join(_plain(name) for name in clip_id(written).split("/", 1))
            if wanted != clip_id(written):
                changed.append(written)
            found, number = wanted, 2
            while found in taken:
                found, number = f"{wanted}-{number}", number + 1
            if found != wanted:
                twice.append(written)
            taken.add(found)
            part.ids[row] = found
        part.rows.sort(key=lambda row: natural_order(part.ids[row]))
    words = []
    if changed:
        words.append(f"{len(changed):,} ids cannot be file names and were changed ({changed[0]!r})")
    if twice:
        words.append(f"{len(twice):,} ids occur twice and were numbered ({twice[0]!r})")
    return words


def _plain(name: str) -> str:
    """Return a name that can be part of a clip's id, as close to the given one as possible."""
    if is_plain_name(name):
        return name
    kept = "".join(c if is_plain_name(f"a{c}a") else "_" for c in name).strip(" .")[:40]
    return kept if is_plain_name(kept) else f"clip_{kept.encode().hex()[:16] or '0'}"


def _write_part(
    group: h5py.Group, part: Part, fittings: Mapping[str, Fitting], level: int
) -> Iterator[dict[str, int]]:
    count = len(part.rows)
    _write_tables(group, part)
    arrays = {m: _array(group, m, count, (f.steps, f.width), level) for m, f in fittings.items()}
    tokens = part.tokens if "text" in fittings else None
    if tokens is not None:
        stored = _array(group, "text_bert", count, (3, fittings["text"].steps), level)
    lengths: dict[str, list[int]] = {modality: [] for modality in fittings}
    for place, row in enumerate(part.rows):
        for modality, fitting in fittings.items():
            arrays[modality][place], length = fitting.fitted(part, row)
            lengths[modality].append(length)
        if tokens is not None:
            kept = np.nan_to_num(tokens.array()[row][:, : fittings["text"].steps])
            stored[place, :, : kept.shape[1]] = kept
        yield {modality: found[-1] for modality, found in lengths.items()}
    for modality, found in lengths.items():
        values = np.asarray(found, np.int32)
        _numbers(group, f"{modality}_lengths", values)
        _numbers(group, f"quality/{modality}_steps", values)
        _numbers(group, f"quality/{modality}_truncated", np.zeros(count, np.uint8))


def _write_tables(group: h5py.Group, part: Part) -> None:
    count = len(part.rows)
    words = {
        "id": [part.ids[row] for row in part.rows],
        "raw_text": [part.texts[row] for row in part.rows],
        **dict.fromkeys(("speaker", "gender", "age", "quality/warnings"), [""] * count),
    }
    for name, values in words.items():
        data = np.asarray(values, dtype=object)
        group.create_dataset(name, (count,), _TEXT, data, track_times=False)
    for task in LABELS:
        _numbers(group, f"labels/{task}", part.labels[task][part.rows])
    labels = part.labels["M"][part.rows]
    classes = [NO_CLASS if np.isnan(label) else class_of(float(label)) for label in labels]
    _numbers(group, "class", np.asarray(classes, np.int8))
    _numbers(group, "quality/duration", np.full(count, np.nan, np.float32))


def _array(
    group: h5py.Group, name: str, count: int, shape: tuple[int, int], level: int
) -> h5py.Dataset:
    options: dict[str, Any] = {}
    if level:
        options = {"compression": "gzip", "compression_opts": level, "shuffle": True}
    return group.create_dataset(
        name, (count, *shape), np.float32, chunks=(1, *shape), track_times=False, **options
    )


def _numbers(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    group.create_dataset(name, data=values, track_times=False)


def _remarks(parts: Mapping[str, Part], fittings: Mapping[str, Fitting]) -> list[str]:
    found = [
        words for fitting in fittings.values() for words in (*fitting.remarks(), *fitting.repairs())
    ]
    for modality, fitting in fittings.items():
        _, taken_for = names_of(modality, fitting.width)
        if taken_for:
            found.append(f"{modality}: {fitting.width} dimensions, named as {taken_for}")
        else:
            found.append(f"{modality}: {fitting.width} dimensions, of which no names are known")
    for name, part in parts.items():
        found += [f"{name} has no {what}; they are {_INSTEAD[what]}" for what in part.lacking]
    for task in LABELS:
        lacking = sum(
            int(np.isnan(part.labels[task][part.rows]).sum())
            for name, part in parts.items()
            if name != UNLABELLED
        )
        if lacking:
            found.append(f"{lacking:,} clips of train, valid and test have no label {task}")
    return found


def _attributes(
    config: Config,
    fittings: Mapping[str, Fitting],
    lengths: Mapping[str, list[int]],
    adopted: Adopted,
    published: Published | None,
    remarks: list[str],
) -> dict[str, str]:
    settings = config.defining()
    rates = published.rates if published else {}
    named = {m: list(names_of(m, fitting.width)[0]) for m, fitting in fittings.items()}
    described = {
        "adopted": {
            "file": adopted.name,
            "bytes": adopted.size,
            "sha256": adopted.digest,
            "published": adopted.published,
            "remarks": remarks,
        },
        "class_names": list(CLASSES),
        "modalities": {
            modality: {
                "extractor": ADOPTED,
                "step": "token" if modality == "text" else "step",
                "steps_per_second": rates.get(modality),
            }
            for modality in fittings
        },
        "config": {name: settings[name] for name in ("preset", "features", "dataset")},
        "versions": own_versions(),
        "warnings": [
            f"features were adopted from {adopted.described()}; this build extracted none",
            *adopted.remarks,
            *(words for fitting in fittings.values() for words in fitting.repairs()),
        ],
        **{f"{modality}_names": names for modality, names in named.items()},
        **{
            f"{m}_length_statistics": _statistics(lengths[m], fitting.steps)
            for m, fitting in fittings.items()
        },
    }
    plain = {
        "format": FORMAT,
        "preset": config.preset,
        "git_revision": git_revision(),
        "split": "given",
        "split_reason": "the adopted file names the parts",
    }
    texts = {k: json.dumps(v, ensure_ascii=False, sort_keys=True) for k, v in described.items()}
    return {**plain, **texts}


def _statistics(lengths: list[int], padded: int) -> dict[str, float]:
    steps = np.asarray(lengths, np.float64)
    return {
        "mean": float(steps.mean()),
        "std": float(steps.std()),
        "padded": padded,
        "shortest": int(steps.min()),
        "longest": int(steps.max()),
        "shortened": 0,
    }


def manifest_rows(parts: Mapping[str, Part]) -> list[dict[str, Any]]:
    """Return the rows of the manifest: what a feature file says of its clips."""
    rows: list[dict[str, Any]] = []
    for name, part in parts.items():
        for row in part.rows:
            video, _, clip = part.ids[row].partition("/")
            labels = {task: float(part.labels[task][row]) for task in LABELS}
            rows.append(
                {
                    **{t: None if np.isnan(value) else value for t, value in labels.items()},
                    "clip": part.ids[row],
                    "video_id": video,
                    "clip_id": clip,
                    "row": len(rows),
                    "text": part.texts[row],
                    "mode": name,
                    "warnings": [],
                }
            )
    return rows


def configuration(folder: Path, modalities: list[str], adopted: Adopted) -> str:
    """Return the text of the folder's ``config.yaml``."""
    slots = "".join(
        f"  {slot}: {ADOPTED if slot in modalities else 'none'}\n"
        for slot in ("text", "audio", "vision")
    )
    return (
        f"# Made by chsims-build adopt from {json.dumps(adopted.name, ensure_ascii=False)}:\n"
        "# the differences from config/config.yaml. Add settings of train and report below, or \n"
        "# give them with --set; nothing else is built in this folder.\n\n"
        f"preset: {ADOPTED}\n"
        f"processed: {json.dumps(str(folder), ensure_ascii=False)}\n"
        f"features:\n{slots}"
    ).replace("or \n", "or\n")
