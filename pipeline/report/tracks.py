"""What opens below a row of the clips' table: faces, and features over time.

All tracks of a clip share one scale in seconds. Each is drawn where its stage's steps lie on it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.errors import BuildError
from pipeline.report.drawings import (
    OWN,
    Packed,
    Track,
    info_of,
    span_of,
    standardised,
)
from pipeline.report.signals import Detail, pack, resample
from pipeline.report.sources import Build
from pipeline.stage import Feature, Stage

_ROWS = 32  # of the picture of a feature whose dimensions the report does not know


def tracks_of(build: Build) -> list[dict[str, Any]]:
    """Describe the tracks that a build's clips can have, in the order of the page."""
    found: list[Track] = []
    for name, stage in build.stages.items():
        if name in OWN:
            found += OWN[name][0](build)
        elif stage in build.slots.values() and name not in _SHOWN_BY_OTHERS:
            found += _unknown_tracks(build, stage)
    return [asdict(track) for track in found]


def pack_clip(build: Build, clip: str, seconds: float | None, detail: Detail) -> dict[str, Any]:
    """Pack what the page draws of a clip.

    Parameters
    ----------
    build : Build
        The build.
    clip : str
        The clip's id.
    seconds : float, optional
        How long it lasts.
    detail : Detail
        How finely it is drawn.

    Returns
    -------
    dict
        ``seconds`` (the length of the scale), ``spans`` (start and end of each stage's steps on
        it), ``tracks``, the film strip, the tokens, ``absent`` (stages without a file) and
        ``empty`` (stages without a step, e.g. of a clip without sound).
    """
    packed: dict[str, Any] = {"spans": {}, "tracks": {}}
    for name, stage in build.stages.items():
        if name not in OWN and (stage not in build.slots.values() or name in _SHOWN_BY_OTHERS):
            continue
        try:
            given = (
                OWN[name][1](build, clip, detail)
                if name in OWN
                else _pack_unknown(build, stage, clip, detail)
            )
        except (BuildError, OSError, KeyError, ValueError, TypeError):
            packed.setdefault("absent", []).append(name)
            continue
        packed |= given.more
        if given.span is not None and given.span[0] == given.span[1]:
            packed.setdefault("empty", []).append(name)
        else:
            packed["tracks"] |= given.tracks
        if given.span is not None:
            packed["spans"][name] = [round(moment, 4) for moment in given.span]
    ends = [end for _, end in packed["spans"].values()]
    packed["seconds"] = round(max([seconds or 0.0, *ends]), 4) or 1.0
    return packed


def _unknown_tracks(build: Build, stage: Stage) -> list[Track]:
    """Describe the picture of a feature from another package, if its steps are spans of time."""
    feature = stage.feature
    if feature is None or _rate(build, feature) is None:
        return []
    note = "groups of dimensions; each against its mean, ±2.5 std"
    title = f"{stage.name} ({feature.slot})"
    return [Track(stage.name, stage.name, title, note, rows=_ROWS)]


def _pack_unknown(build: Build, stage: Stage, clip: str, detail: Detail) -> Packed:
    feature = stage.feature
    rate = _rate(build, feature) if feature else None
    if feature is None or rate is None:
        return Packed()
    with build.store.opened(stage.name, clip) as file:
        values = file.array(feature.array).astype(np.float64)
    if not len(values):
        return Packed((0.0, 0.0))
    groups = np.array_split(standardised(values), min(_ROWS, values.shape[1]), axis=1)
    rows = np.stack([group.mean(axis=1) for group in groups], axis=1)
    rows = np.repeat(rows, -(-_ROWS // rows.shape[1]), axis=1)[:, :_ROWS]
    span = span_of(info_of(build, stage.name, clip), len(values), rate)
    return Packed(span, {stage.name: pack(resample(rows, detail.columns).T[::-1], -2.5, 2.5)})


def _rate(build: Build, feature: Feature) -> float | None:
    """Return a feature's steps per second: as its dataset says, else as its settings do."""
    try:
        return build.rates.get(feature.slot) or feature.rate(build.made_with)
    except BuildError:  # the encoder that knows it is not here
        return None


_SHOWN_BY_OTHERS = {"vision"}
"""Its values are those of OpenFace's table."""
