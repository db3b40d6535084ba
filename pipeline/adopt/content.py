"""The parts of a feature file: which clips, features, lengths and labels it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.adopt.machine import read_pickle
from pipeline.adopt.stored import RefusedError, Stored
from pipeline.corpus import LABELS, MODALITIES
from pipeline.dataset.split import PARTS, UNLABELLED
from pipeline.errors import BuildError
from pipeline.manifest.columns import MODES

_MIXED = "train_mix"
"""Part of CH-SIMS v2 that holds the train clips and the unlabelled ones."""

_PARTS = {
    **MODES,
    **dict.fromkeys(("unlabelled", "unlabeled", "unsupervised"), UNLABELLED),
    _MIXED: _MIXED,
}
_FEATURES = {
    "text": ("text",),
    "audio": ("audio", "acoustic"),
    "vision": ("vision", "visual", "video"),
}
_IDS, _TEXTS, _TOKENS = ("id", "ids"), ("raw_text", "raw_texts"), "text_bert"
_LABEL_KEYS = {
    "M": ("regression_labels", "regression_labels_M", "labels"),
    **{task: (f"regression_labels_{task}",) for task in "TAV"},
}
_LAYOUT = (
    "a pickle as MMSA reads it: {'train': {'id', 'raw_text', 'text', 'audio', 'vision', "
    "'audio_lengths', 'vision_lengths', 'regression_labels', ...}, 'valid': ..., 'test': ...}; "
    "docs/adopting.md"
)
_BRACKET = re.compile(r"(.+)\[(\d+)\]")


@dataclass
class Part:
    """One part of a feature file, features still in the file.

    Parameters
    ----------
    ids, texts : list of str
        As written; empty texts where the file has none.
    features : dict of str to (Stored or list)
        By modality: ``[n, L, d]``, or one array ``[l, d]`` per clip.
    lengths : dict of str to ndarray ``[n]`` int64
        Of the modalities whose lengths the file states.
    labels : dict of str to ndarray ``[n]`` float32
        M, T, A, V; NaN where there is none.
    tokens : Stored, optional
        ``[n, 3, L]``: ids, mask and types of BERT's tokens.
    """

    ids: list[str]
    texts: list[str]
    features: dict[str, Stored | list[Any]]
    lengths: dict[str, NDArray[np.int64]]
    labels: dict[str, NDArray[np.float32]]
    tokens: Stored | None = None
    rows: list[int] = field(default_factory=list)
    """Positions in the file of the clips that are taken, in their order."""
    lacking: tuple[str, ...] = ()
    """Columns that the file does not have: ids, transcripts."""

    def shape_of(self, modality: str) -> tuple[int, int]:
        """Return the longest length and the width of a feature."""
        feature = self.features[modality]
        if isinstance(feature, Stored):
            return feature.shape[1], feature.shape[2]
        shapes = [_matrix(item, modality).shape for item in feature]
        widths = {width for _, width in shapes}
        if len(widths) > 1:
            raise RefusedError(f"{modality} features of different widths: {sorted(widths)}")
        return max((length for length, _ in shapes), default=1), widths.pop() if widths else 1

    def feature(self, modality: str, row: int) -> NDArray[Any]:
        """Return a clip's feature ``[l, d]`` as the file has it."""
        feature = self.features[modality]
        if isinstance(feature, Stored):
            found: NDArray[Any] = feature.array()[row]
            return found
        return _matrix(feature[row], modality)


def read_parts(path: Path) -> dict[str, Part]:
    """Read the parts of a feature file.

    Parameters
    ----------
    path : Path
        A pickle as MMSA and MMSA-FET write it.

    Returns
    -------
    dict of str to Part
        train, valid and test, and unlabelled if the file has such clips.

    Raises
    ------
    BuildError
        If the file is no such pickle, needs code to be read, or does not hold together.
    """
    try:
        return _parts(read_pickle(path))
    except RefusedError as error:
        raise BuildError(f"{path} is not adopted: {error}", f"expected {_LAYOUT}") from error
    except OSError as error:
        raise BuildError(f"{path} cannot be read: {error.strerror or error}") from error


def _parts(content: Any) -> dict[str, Part]:
    if not isinstance(content, dict):
        raise RefusedError(f"it holds a {type(content).__name__}, not a dict of parts")
    named = {_PARTS.get(str(name).casefold(), ""): value for name, value in content.items()}
    lacking = [part for part in PARTS if not isinstance(named.get(part), dict)]
    if lacking:
        keys = ", ".join(map(str, list(content)[:10]))
        raise RefusedError(f"it has no part {', '.join(lacking)}; its keys are {keys or 'none'}")
    others = {name: named[name] for name in (UNLABELLED, _MIXED) if named.get(name) is not None}
    for name, value in others.items():
        if not isinstance(value, dict):
            raise RefusedError(f"its part {name} is a {type(value).__name__}, not a dict")
    given = [*PARTS, *([UNLABELLED] if others.get(UNLABELLED) else [])]
    parts = {name: _part(name, named[name]) for name in given}
    mixed = others.get(_MIXED)
    if mixed and UNLABELLED not in parts:
        other = _part(_MIXED, mixed)
        known = set(parts["train"].ids)
        other.rows = [row for row in other.rows if other.ids[row] not in known]
        parts[UNLABELLED] = other
    if UNLABELLED in parts:
        unlabelled = parts[UNLABELLED]
        unlabelled.labels = {t: np.full(len(unlabelled.ids), np.nan, np.float32) for t in LABELS}
        if not unlabelled.rows:
            del parts[UNLABELLED]
    first = parts["train"].features
    for name, part in parts.items():
        if set(part.features) != set(first):
            raise RefusedError(
                f"{name} has the features {', '.join(part.features)}, train has {', '.join(first)}"
            )
        if not part.rows and name in PARTS:
            raise RefusedError(f"its part {name} has no clips")
    return parts


def _part(name: str, content: dict[Any, Any]) -> Part:
    count = _count(name, content)
    features = {
        modality: _feature(name, modality, content[key], count)
        for modality in MODALITIES
        if (key := next((k for k in _FEATURES[modality] if _is_given(content.get(k))), None))
    }
    if not features:
        keys = ", ".join(map(str, list(content)[:12]))
        raise RefusedError(f"{name} has no feature text, audio or vision; its keys are {keys}")
    lengths = {
        modality: found
        for modality in features
        if (found := _lengths(name, content.get(f"{modality}_lengths"), count)) is not None
    }
    ids = _strings(name, _found(content, _IDS), count)
    texts = _strings(name, _found(content, _TEXTS), count)
    return Part(
        ids=ids or [f"{name}_{i:05d}" for i in range(count)],
        texts=texts or [""] * count,
        features=features,
        lengths=lengths,
        labels={task: _labels(name, task, content, count) for task in LABELS},
        tokens=_tokens(content.get(_TOKENS), count),
        rows=list(range(count)),
        lacking=tuple(what for what, found in (("ids", ids), ("transcripts", texts)) if not found),
    )


def _tokens(value: Any, count: int) -> Stored | None:
    if not isinstance(value, Stored) or value.dtype.kind not in "biuf":
        return None
    return value if len(value.shape) == 3 and value.shape[:2] == (count, 3) else None


def _count(name: str, content: Mapping[Any, Any]) -> int:
    """Return the number of clips, of which every column must have as many."""
    keys = (*_IDS, *_TEXTS, *(k for keys in _FEATURES.values() for k in keys))
    sizes = {key: len(content[key]) for key in keys if _is_given(content.get(key))}
    if not sizes or len(set(sizes.values())) > 1:
        found = ", ".join(f"{key} {size}" for key, size in sizes.items())
        raise RefusedError(f"{name} has columns of different lengths: {found or 'none'}")
    return next(iter(sizes.values()))


def _is_given(value: Any) -> bool:
    return isinstance(value, (Stored, list, tuple)) and bool(len(value))


def _found(content: Mapping[Any, Any], keys: Sequence[str]) -> Any:
    return next((content[key] for key in keys if _is_given(content.get(key))), None)


def _feature(name: str, modality: str, value: Any, count: int) -> Stored | list[Any]:
    if isinstance(value, Stored) and value.dtype.kind in "biuf":
        if len(value.shape) != 3 or 0 in value.shape:
            raise RefusedError(
                f"{modality} of {name} has the shape {list(value.shape)}, expected clips, steps "
                "and dimensions"
            )
        return value
    if isinstance(value, Stored) and value.dtype.kind != "O":
        raise RefusedError(f"{modality} of {name} is not an array of numbers")
    items = list(_items(value))
    for item in items:
        _matrix(item, modality)
    return items


def _matrix(item: Any, modality: str) -> NDArray[Any]:
    """Return one clip's array ``[l, d]``."""
    if not isinstance(item, Stored) or item.dtype.kind not in "biuf" or len(item.shape) != 2:
        raise RefusedError(
            f"{modality} is not an array, nor a list of arrays of steps and dimensions"
        )
    return item.array()


def _items(value: Any) -> Iterator[Any]:
    return value.items() if isinstance(value, Stored) else iter(value)


def _strings(name: str, value: Any, count: int) -> list[str]:
    if value is None:
        return []
    found = []
    for item in _items(value):
        text = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
        if isinstance(text, (np.ndarray, list, tuple)) and len(text) == 1:  # [[id], [id], ...]
            text = text[0]
        if not isinstance(text, (str, int, float, NoneType)):
            raise RefusedError(f"{name} has ids or texts that are no text ({type(text).__name__})")
        found.append(_plain("" if text is None else str(text)))
    if len(found) != count:
        raise RefusedError(f"{name} has {len(found)} ids or texts for {count} clips")
    return found


def _plain(text: str) -> str:
    """Return text that UTF-8 and HDF5 can hold: no lone surrogate, no NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")


def _numbers(name: str, value: Any, count: int, what: str) -> NDArray[np.float64]:
    if isinstance(value, Stored) and value.dtype.kind in "biuf":
        found = np.array(value.array(), np.float64).reshape(-1)
    else:
        items = [item.array() if isinstance(item, Stored) else item for item in _items(value)]
        try:
            found = np.array(items, np.float64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise RefusedError(f"{what} of {name} are not numbers") from error
    if len(found) != count:
        raise RefusedError(f"{name} has {len(found)} {what} for {count} clips")
    return found


def _lengths(name: str, value: Any, count: int) -> NDArray[np.int64] | None:
    if not _is_given(value):
        return None
    found = _numbers(name, value, count, "lengths")
    if not np.isfinite(found).all() or (found < 0).any():
        return None
    return np.minimum(found, 2**31).astype(np.int64)


def _labels(name: str, task: str, content: Mapping[Any, Any], count: int) -> NDArray[np.float32]:
    value = _found(content, _LABEL_KEYS[task])
    if value is None:
        return np.full(count, np.nan, np.float32)
    found = _numbers(name, value, count, f"labels {task}")
    found[~np.isfinite(found)] = np.nan
    if (np.abs(found) > 1 + 1e-6).any():
        raise RefusedError(
            f"labels {task} of {name} reach {np.nanmax(np.abs(found)):g}; sentiments from -1 to 1 "
            "are read"
        )
    return found.astype(np.float32)


def clip_id(written: str) -> str:
    """Return a file's id as ``video/clip``.

    Examples
    --------
    >>> [clip_id(i) for i in ("video_0001$_$0003", "03bSn[5]", "a/b", "aqgy_12_7", "x")]
    ['video_0001/0003', '03bSn/5', 'a/b', 'aqgy_12/7', 'x/x']
    """
    if "$_$" in written:
        video, _, clip = written.partition("$_$")
    elif match := _BRACKET.fullmatch(written):
        video, clip = match.groups()
    elif "/" in written:
        video, _, clip = written.partition("/")
    else:
        video, _, clip = written.rpartition("_")
    return f"{video or clip}/{clip}"
