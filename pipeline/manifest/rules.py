"""The corpus rules (paper, section 3.1) that the manifest can judge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.corpus import LABELS, on_grid
from pipeline.manifest.row import SheetRow
from pipeline.manifest.settings import CorpusRules
from pipeline.manifest.streams import Probe
from pipeline.media.ffmpeg import LONGEST_SECONDS

_EPSILON = 1e-6


@dataclass(frozen=True)
class Finding:
    """One rule that a clip breaks, in plain words.

    Parameters
    ----------
    rule : str
        A field of `CorpusRules`.
    reason, remedy : str
        What is wrong, and what a person can do about it.
    """

    rule: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Verdict:
    """What the rules' actions make of a clip's findings."""

    warnings: tuple[str, ...]
    refusals: tuple[Finding, ...]


ALL = frozenset({"video", "sound", "text"})
"""All that features can be made from."""


def judge(
    row: SheetRow, probe: Probe | None, rules: CorpusRules, read: frozenset[str] = ALL
) -> Verdict:
    """Apply the rules to one clip.

    Parameters
    ----------
    row : SheetRow
        Labels, transcript and votes.
    probe : Probe or None
        Streams and duration; without it only what the sheet says is judged.
    rules : CorpusRules
        Each rule's action: quarantine, warn or off.
    read : frozenset of {'video', 'sound', 'text'}
        What the filled slots are made from; a clip may lack the rest.
    """
    warnings: list[str] = []
    refusals: list[Finding] = []
    for finding in findings(row, probe, rules, read):
        action = getattr(rules, finding.rule)
        if action == "warn":
            warnings.append(finding.reason)
        elif action == "quarantine":
            refusals.append(finding)
    return Verdict(tuple(warnings), tuple(refusals))


def findings(
    row: SheetRow, probe: Probe | None, rules: CorpusRules, read: frozenset[str] = ALL
) -> Iterator[Finding]:
    """Yield every rule a clip breaks, whatever its action, in a fixed order."""
    if probe is not None:
        yield from _streams(probe, read)
        if {"video", "sound"} <= read:
            yield from _apart(probe, rules)
        if "sound" in read:
            yield from _tracks(probe)
        yield from _duration(probe.duration, rules)
    if not row.text and "text" in read:
        yield Finding(
            "transcript",
            f"{row.column('text')}: its transcript is empty",
            "fill in the sheet's text column",
        )
    labels = {name: getattr(row, name) for name in LABELS}
    off = [
        f"{name} {label:g}"
        for name, label in labels.items()
        if not math.isnan(label) and not on_grid(label)
    ]
    if off:
        yield Finding(
            "label_grid",
            f"labels off the grid -1.0, -0.8 ... 1.0: {', '.join(off)}",
            "a label is the mean of five votes of -1, 0 or 1: correct it, or set "
            "manifest.rules.label_grid to off for labels of another kind",
        )
    if row.vote_problems:
        yield Finding("votes", f"votes: {'; '.join(row.vote_problems)}", "complete annotations.csv")


def _streams(probe: Probe, read: frozenset[str]) -> Iterator[Finding]:
    missing = [
        kind
        for kind, needed, codec in (
            ("video", "video", probe.video_codec),
            ("audio", "sound", probe.audio_codec),
        )
        if codec is None and needed in read
    ]
    if missing:
        yield Finding(
            "streams",
            f"the file has no {' and no '.join(missing)} stream",
            f"replace the file by one with {' and '.join(missing)}, or set the slot of the feature "
            "that is made from it to none",
        )


def _apart(probe: Probe, rules: CorpusRules) -> Iterator[Finding]:
    if (probe.streams_apart or 0.0) <= rules.streams_apart_seconds + _EPSILON:
        return
    spans = (
        f"its {kind} lasts from {start:.2f} to {start + seconds:.2f} s"
        for kind, start, seconds in (
            ("picture", probe.video_start, probe.video_seconds),
            ("sound", probe.audio_start, probe.audio_seconds),
        )
        if start is not None and seconds is not None
    )
    yield Finding(
        "streams_apart",
        f"{', '.join(spans)}: up to {probe.streams_apart:.2f} s apart",
        "cut the clip anew with both, or raise manifest.rules.streams_apart_seconds; until then "
        "the time without sound is silence, and frames without a picture are masked",
    )


def _tracks(probe: Probe) -> Iterator[Finding]:
    if len(probe.audio_tracks) > 1:
        yield Finding(
            "audio_tracks",
            f"{len(probe.audio_tracks)} audio tracks: {', '.join(probe.audio_tracks)}; track "
            f"{probe.audio_track} is taken (media.audio_track takes another)",
            "choose the track of the speech with media.audio_track, or keep only that one",
        )


def _duration(seconds: float, rules: CorpusRules) -> Iterator[Finding]:
    if rules.min_seconds - _EPSILON <= seconds <= rules.max_seconds + _EPSILON:
        return
    side = "shorter" if seconds < rules.min_seconds else "longer"
    limit = rules.min_seconds if side == "shorter" else rules.max_seconds
    yield Finding(
        "duration",
        f"{seconds:.2f} s, {side} than {limit:g} s",
        "cut the clip anew, or change manifest.rules.min_seconds and max_seconds",
    )


def unusable(row: SheetRow, probe: Probe | None) -> Iterator[Finding]:
    """Yield what no rule can soften: with it a clip has no place in the dataset.

    Parameters
    ----------
    row : SheetRow
        Labels.
    probe : Probe or None
        Duration.
    """
    for name in LABELS:
        if abs(label := getattr(row, name)) > 1 + _EPSILON:
            yield Finding(
                "label",
                f"{row.column(name)}: {label:g} is outside [-1, 1]",
                "correct the sheet; labels of another range must be scaled to -1 ... 1",
            )
    if probe is not None and probe.duration > LONGEST_SECONDS:
        yield Finding(
            "duration",
            f"{probe.duration:.0f} s; a clip is one utterance, {LONGEST_SECONDS:g} s at most",
            "cut it into utterances",
        )
