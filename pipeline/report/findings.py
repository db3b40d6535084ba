"""What is worth a look in a clip, in words, with a weight that sorts the gravest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.dataset.inputs import damage
from pipeline.stages import STAGES


@dataclass(frozen=True)
class Finding:
    """One observation about a clip.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    text : str
        The observation.
    weight : float
        How grave it is.
    figure : str
        The column of the clips' table that it is about; empty without one.
    """

    kind: str
    text: str
    weight: float
    figure: str = ""


KINDS = {
    "missing": "a feature is missing",
    "damaged": "damaged file",
    "face": "face lost",
    "second": "second face",
    "openface": "OpenFace lost the face",
    "confidence": "OpenFace unsure",
    "voice": "hardly any voice",
    "quiet": "very quiet",
    "cut": "cut to the common length",
    "unknown": "unknown tokens",
    "sheet": "warning of the manifest",
    "note": "note of a stage",
}
"""The kinds of findings, as the filter above the table names them."""

_OF_FIGURES = {
    "face_share": "face",
    "second_face_share": "second",
    "success_share": "openface",
    "mean_confidence": "confidence",
    "voiced_share": "voice",
    "loudness_db": "quiet",
    "unknown": "unknown",
}
"""The kind of finding that a figure can lead to, by its key in a stage's info."""

Infos = Mapping[str, Mapping[str, Any] | None]


def kinds(stages: Mapping[str, Any]) -> dict[str, str]:
    """Return the kinds of findings that a build with these stages can have, in words."""
    others = {*_OF_FIGURES.values()} - {
        _OF_FIGURES[figure.key]
        for stage in stages
        for figure in STAGES[stage].figures
        if figure.key in _OF_FIGURES
    }
    return {kind: words for kind, words in KINDS.items() if kind not in others}


def limits(config: Config, stages: Mapping[str, Any]) -> list[str]:
    """Say from which values on a clip has a finding, for the stages that a build has."""
    s, rules = config.report, config.manifest.rules
    found = kinds(stages)
    by_kind = {
        "face": f"a face in less than {s.face_share:.0%} of the frames",
        "second": f"a second face in more than {rules.second_face_share:.0%}",
        "openface": f"OpenFace successful in less than {s.success_share:.0%}",
        "confidence": f"OpenFace's mean confidence below {s.confidence:g}",
        "voice": f"less than {s.voiced_share:.0%} of the sound voiced",
        "quiet": f"a level below {s.loudness_db:g} dB".replace("-", "−"),
        "unknown": "unknown tokens",
    }
    named = [words for kind, words in by_kind.items() if kind in found]
    return [*named, "sequences that were cut", "notes of a stage"]


def findings(config: Config, infos: Infos, warnings: list[str], cut: list[str]) -> list[Finding]:
    """List what a person should know about a clip, the gravest first.

    Parameters
    ----------
    config : Config
        The limits are those of ``report`` and ``manifest.rules``.
    infos : mapping
        The info of each stage that the dataset needs, None where the stage has no file.
    warnings : list of str
        The manifest's warnings.
    cut : list of str
        Modalities that were cut to the common length.
    """
    found = [*_missing(infos), *(Finding("damaged", words, 9.0) for words in damage(infos))]
    found += [*_vision(config, infos), *_sound(config, infos)]
    found += [Finding("cut", f"{name} cut to the common length", 1.0, "cut") for name in cut]
    unknown = int(_number(infos, "unknown") or 0)
    if unknown:
        text = f"{unknown} unknown token{'s' if unknown > 1 else ''}"
        found.append(Finding("unknown", text, 0.5 + 0.1 * unknown, "unknown_tokens"))
    found += [Finding("sheet", warning, 2.0) for warning in warnings]
    for info in infos.values():
        found += [Finding("note", str(note), 1.0) for note in (info or {}).get("notes", [])]
    unique = {(item.kind, item.text): item for item in found}
    return sorted(unique.values(), key=lambda item: (-item.weight, item.kind, item.text))


def _missing(infos: Infos) -> Iterator[Finding]:
    absent = [
        stage for stage, info in infos.items() if info is None and not STAGES[stage].transient
    ]
    if absent:
        yield Finding("missing", f"not made yet: {', '.join(absent)}", 3.0)


def _vision(config: Config, infos: Infos) -> Iterator[Finding]:
    limits = config.report
    share = _number(infos, "face_share")
    if share is not None and share < limits.face_share:
        yield Finding("face", f"face in {share:.0%} of the frames", 10 * (1 - share), "face_share")
    second = _number(infos, "second_face_share")
    if second is not None and second > config.manifest.rules.second_face_share:
        text = f"a second face in {second:.0%} of the frames"
        yield Finding("second", text, 4 + 4 * second, "second_face_share")
    success = _number(infos, "success_share")
    if success is not None and success < limits.success_share:
        text = f"OpenFace successful in {success:.0%} of the frames"
        yield Finding("openface", text, 10 * (1 - success), "success_share")
    confidence = _number(infos, "mean_confidence")
    if confidence is not None and 0 < confidence < limits.confidence:
        text = f"OpenFace's mean confidence is {confidence:.2f}"
        yield Finding("confidence", text, 5 * (1 - confidence), "mean_confidence")


def _sound(config: Config, infos: Infos) -> Iterator[Finding]:
    limits = config.report
    voiced = _number(infos, "voiced_share")
    if voiced is not None and voiced < limits.voiced_share:
        text = f"{voiced:.0%} of the sound is voiced"
        yield Finding("voice", text, 4 * (1 - voiced), "voiced_share")
    loudness = _number(infos, "loudness_db")
    if loudness is not None and loudness < limits.loudness_db:
        text = f"the sound is very quiet ({loudness:.0f} dB)"
        yield Finding("quiet", text, 3.0, "loudness_db")


def _number(infos: Infos, name: str) -> float | None:
    """Return a figure of whichever of the stages has it."""
    for info in infos.values():
        if isinstance(value := (info or {}).get(name), int | float):
            return float(value)
    return None
