"""What is worth a look in a clip, in words, with a weight that sorts the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.dataset.inputs import damage


@dataclass(frozen=True)
class Finding:
    """One observation about a clip."""

    kind: str
    text: str
    weight: float


KINDS = {
    "missing": "a stage is missing",
    "damaged": "damaged file",
    "face": "face lost",
    "second": "second face",
    "openface": "OpenFace lost the face",
    "confidence": "OpenFace unsure",
    "voice": "hardly any voice",
    "quiet": "very quiet",
    "cut": "cut to the common length",
    "unknown": "unknown tokens",
    "sheet": "manifest warning",
    "note": "note of a stage",
}
"""The kinds of findings, as the filter above the table names them."""

Info = Mapping[str, Mapping[str, Any] | None]


def findings(config: Config, info: Info, warnings: list[str], cut: list[str]) -> list[Finding]:
    """List what a person should know about a clip, worst first.

    Parameters
    ----------
    config : Config
        The limits are those of ``report`` and ``manifest.rules``.
    info : mapping
        Each stage's quality figures, None where the stage has no file.
    warnings : list of str
        The manifest's warnings.
    cut : list of str
        Modalities that were cut to the common length.
    """
    found = [*_missing(info), *(Finding("damaged", words, 9.0) for words in damage(info))]
    found += [*_vision(config, info), *_sound(config, info)]
    found += [Finding("cut", f"{name} cut to the common length", 1.0) for name in cut]
    unknown = int(_number(info, "text", "unknown") or 0)
    if unknown:
        found.append(Finding("unknown", f"{unknown} unknown token(s)", 0.5 + 0.1 * unknown))
    found += [Finding("sheet", warning, 2.0) for warning in warnings]
    for stage in ("openface", "vision"):
        found += [Finding("note", str(note), 1.0) for note in (info[stage] or {}).get("notes", [])]
    unique = {(item.kind, item.text): item for item in found}
    return sorted(unique.values(), key=lambda item: (-item.weight, item.kind, item.text))


def _missing(info: Info) -> Iterator[Finding]:
    absent = [stage for stage, figures in info.items() if figures is None and stage != "frames"]
    if absent:
        yield Finding("missing", f"not made yet: {', '.join(absent)}", 3.0)


def _vision(config: Config, info: Info) -> Iterator[Finding]:
    limits = config.report
    share = _number(info, "faces", "face_share")
    if share is not None and share < limits.face_share:
        yield Finding("face", f"face in {share:.0%} of the frames", 10 * (1 - share))
    second = _number(info, "faces", "second_face_share")
    if second is not None and second > config.manifest.rules.second_face_share:
        yield Finding("second", f"a second face in {second:.0%} of the frames", 4 + 4 * second)
    success = _number(info, "vision", "success_share")
    if success is not None and success < limits.success_share:
        yield Finding("openface", f"OpenFace in {success:.0%} of the frames", 10 * (1 - success))
    confidence = _number(info, "vision", "mean_confidence")
    if confidence is not None and 0 < confidence < limits.confidence:
        yield Finding(
            "confidence", f"OpenFace's mean confidence is {confidence:.2f}", 5 * (1 - confidence)
        )


def _sound(config: Config, info: Info) -> Iterator[Finding]:
    limits = config.report
    voiced = _number(info, "audio", "voiced_share")
    if voiced is not None and voiced < limits.voiced_share:
        yield Finding("voice", f"{voiced:.0%} of the sound is voiced", 4 * (1 - voiced))
    loudness = _number(info, "audio", "loudness_db")
    if loudness is not None and loudness < limits.loudness_db:
        yield Finding("quiet", f"the sound is very quiet ({loudness:.0f} dB)", 3.0)


def _number(info: Info, stage: str, name: str) -> float | None:
    value = (info.get(stage) or {}).get(name)
    return float(value) if isinstance(value, int | float) else None
