"""Which clips are trained on, validated on and tested on: the sheet's parts, or 6:2:2."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import CLASSES
from pipeline.dataset.groups import assign_groups
from pipeline.dataset.settings import DatasetSettings
from pipeline.errors import BuildError

PARTS = ("train", "valid", "test")
"""The parts that models are trained, chosen and tested on."""

UNLABELLED = "unlabelled"
"""The part of clips that no model is trained on: those without any label, and those that the
label sheet puts there."""

SMALL_CLASS = 5
"""A class with fewer clips cannot be cut 6:2:2 on its own."""


@dataclass(frozen=True, slots=True)
class SplitClip:
    """What the split needs to know of a clip.

    Parameters
    ----------
    clip : str
        Its id.
    label_class : int or None
        Index in `CLASSES`; None for a clip without M.
    mode, speaker : str or None
        The sheet's columns.
    video_id : str
        Its video.
    """

    clip: str
    label_class: int | None
    mode: str | None
    speaker: str | None
    video_id: str


@dataclass(frozen=True)
class Split:
    """The part of each clip, and what a reader of the results should know about it.

    Parameters
    ----------
    part_of : dict of str to str
        Part by clip id.
    kind : {"stratified", "given", "by_speaker", "by_video", "none"}
        How the parts were made; never ``auto``. ``none`` if there was nothing to split.
    reason : str
        Why this kind was taken.
    warnings : tuple of str
        What the dataset's attribute ``warnings`` says about the split.
    """

    part_of: dict[str, str]
    kind: str
    reason: str
    warnings: tuple[str, ...]


def split_clips(clips: Sequence[SplitClip], settings: DatasetSettings) -> Split:
    """Put each labelled clip into train, valid or test.

    Parameters
    ----------
    clips : sequence of SplitClip
        In any order: the shuffle depends on ids and seed alone. Unlabelled clips are not
        among them.
    settings : DatasetSettings
        ``split`` and ``seed``.

    Raises
    ------
    BuildError
        If the sheet lacks what the split needs, or there are too few groups.
    """
    if not clips:
        return Split({}, "none", "no clip has a label", ())
    kind, reason, warnings = _resolved(clips, settings.split)
    if kind == "given":
        part_of = _given(clips)
    elif kind == "stratified":
        part_of, rare = _stratified(clips, settings.seed)
        warnings = (*warnings, *rare)
    else:
        part_of = _grouped(clips, settings)
    counts = Counter(part_of.values())
    empty = tuple(
        f"the {part} part has no clip ({len(clips)} clips in all)"
        for part in PARTS
        if not counts[part]
    )
    return Split(part_of, kind, reason, (*warnings, *empty))


def stored_parts(names: Container[str]) -> list[str]:
    """Return the parts that a dataset file has, from the names of its groups."""
    return [part for part in (*PARTS, UNLABELLED) if part in names]


def are_unlabelled(
    modes: Iterable[str | None], labels: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Tell of each clip whether it belongs to the part `UNLABELLED`.

    Parameters
    ----------
    modes : iterable of str or None
        The part that the sheet gives each clip.
    labels : ndarray [clips, 4]
        M, T, A, V; NaN where not labelled.
    """
    named = np.fromiter((mode == UNLABELLED for mode in modes), np.bool_, len(labels))
    return np.asarray(named | np.isnan(labels).all(axis=1))


def natural_order(clip: str) -> tuple[Any, ...]:
    """Return a sort key that compares the numbers in ids as numbers: v/2 before v/10."""
    pieces = re.split(r"([0-9]+)", clip)
    return tuple(int(p) if i % 2 else p for i, p in enumerate(pieces)), clip


def _resolved(clips: Sequence[SplitClip], wanted: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the kind of split to make, why, and a warning if the sheet's parts go unused."""
    if wanted != "auto":
        return wanted, f"dataset.split is {wanted}", ()
    parts = Counter(clip.mode for clip in clips if clip.mode)
    named, lacking = parts.total(), [part for part in PARTS if not parts[part]]
    unknown = sorted(set(parts) - set(PARTS))
    if not named:
        return "stratified", "the label sheet names no parts", ()
    if named < len(clips):
        why = f"the label sheet names a part for {named} of {len(clips)} clips only"
    elif unknown:
        why = f"the label sheet has parts other than train, valid and test: {', '.join(unknown)}"
    elif lacking:
        why = f"the label sheet names no {' and no '.join(lacking)} clips"
    else:
        return "given", "the label sheet names a part for every clip", ()
    return "stratified", why, (f"{why}, so its parts are not used: clips are split 6:2:2",)


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Shuffle names by a hash of seed and name.

    The order is the same on every machine and with every library version, and a clip that
    is added or removed does not reorder the others.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).digest())


def part_sizes(n: int) -> tuple[int, int, int]:
    """Return round(0.6 n), round(0.2 n) and the rest; neither product ever lies halfway."""
    train, valid = (6 * n + 5) // 10, (2 * n + 5) // 10
    return train, valid, n - train - valid


def _stratified(clips: Sequence[SplitClip], seed: int) -> tuple[dict[str, str], tuple[str, ...]]:
    by_class: list[list[str]] = [[] for _ in CLASSES]
    for clip in clips:
        if clip.label_class is not None:
            by_class[clip.label_class].append(clip.clip)
    orders = [shuffled(names, seed) for names in by_class]
    small = [order for order in orders if 0 < len(order) < SMALL_CLASS]
    # clips without M are cut on their own, so that they never move a clip with M
    part_of = _cut(shuffled([clip.clip for clip in clips if clip.label_class is None], seed))
    for order in orders:
        if len(order) >= SMALL_CLASS:
            part_of |= _cut(order)
    part_of |= _cut(_interleaved(small))
    rare = [
        f"{name} {len(order)}"
        for name, order in zip(CLASSES, orders, strict=True)
        if 0 < len(order) < SMALL_CLASS
    ]
    if not rare:
        return part_of, ()
    return part_of, (
        f"classes of fewer than {SMALL_CLASS} clips ({', '.join(rare)}) are cut 6:2:2 together, "
        "so a part may lack one of them",
    )


def _cut(order: Sequence[str]) -> dict[str, str]:
    parts = (part for part, n in zip(PARTS, part_sizes(len(order)), strict=True) for _ in range(n))
    return dict(zip(order, parts, strict=True))


def _interleaved(orders: Sequence[Sequence[str]]) -> list[str]:
    """Take the first of each class, then the second of each, so that classes mix."""
    longest = max(map(len, orders), default=0)
    return [order[i] for i in range(longest) for order in orders if i < len(order)]


def _given(clips: Sequence[SplitClip]) -> dict[str, str]:
    _require(
        clips,
        lambda clip: clip.mode in PARTS,
        "dataset.split=given needs a mode of train, valid or test in the label sheet",
        "fill in the mode column, or let the pipeline split: --set dataset.split=stratified",
    )
    return {clip.clip: str(clip.mode) for clip in clips}


def _grouped(clips: Sequence[SplitClip], settings: DatasetSettings) -> dict[str, str]:
    by_speaker = settings.split == "by_speaker"
    if by_speaker:
        _require(
            clips,
            lambda clip: bool(clip.speaker),
            "dataset.split=by_speaker needs a speaker in the label sheet",
            "fill in the speaker column, or keep videos together: --set dataset.split=by_video",
        )
    group_of = {c.clip: str(c.speaker) if by_speaker else c.video_id for c in clips}
    names = shuffled(sorted(set(group_of.values())), settings.seed)
    if len(names) < len(PARTS):
        raise BuildError(
            f"dataset.split is {settings.split}, but the clips come from {len(names)} "
            f"{settings.split[3:]}(s); three parts need at least three",
            "split clip by clip: --set dataset.split=stratified",
        )
    rows = {name: [0] * (len(CLASSES) + 1) for name in names}  # the last: clips without M
    for clip in clips:
        place = len(CLASSES) if clip.label_class is None else clip.label_class
        rows[group_of[clip.clip]][place] += 1
    chosen = dict(zip(names, assign_groups([rows[name] for name in names]), strict=True))
    return {clip: PARTS[chosen[group]] for clip, group in group_of.items()}


def _require(
    clips: Sequence[SplitClip],
    holds: Callable[[SplitClip], bool],
    need: str,
    remedy: str,
) -> None:
    missing = [clip.clip for clip in clips if not holds(clip)]
    if not missing:
        return
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise BuildError(
        f"{need}; {len(missing)} of {len(clips)} clips have none: {', '.join(missing[:5])}{more}",
        remedy,
    )
