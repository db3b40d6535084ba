"""What the dataset is made from: the manifest, the records, and the feature files' headers.

Nothing here reads a feature; lengths come from the files' headers, so memory stays small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.corpus import LABELS, MODALITIES
from pipeline.errors import BuildError
from pipeline.manifest.build import QUARANTINE as MANIFEST_QUARANTINE
from pipeline.manifest.build import SHARDS, read_manifest
from pipeline.manifest.settings import CorpusRules
from pipeline.runner.jobs import job_names
from pipeline.stage import Build
from pipeline.stages import STAGES
from pipeline.store.features import Store
from pipeline.store.files import read_json
from pipeline.store.quarantine import Entry, merged, nothing_left
from pipeline.store.shards import Clip, read_shard

_READ = (*MODALITIES, "faces", "openface")
"""Stages whose files are read: the features, and what says how good they are."""

_FIGURES = {
    "face_share": ("faces", "face_share"),
    "second_face_share": ("faces", "second_face_share"),
    "face_probability": ("faces", "mean_probability"),
    "success_share": ("vision", "success_share"),
    "mean_confidence": ("vision", "mean_confidence"),
    "voiced_share": ("audio", "voiced_share"),
    "loudness_db": ("audio", "loudness_db"),
    "unknown_tokens": ("text", "unknown"),
}

_COLUMNS = (
    *("clip", "row", "video_id", "text", *LABELS),
    *("mode", "speaker", "gender", "age", "duration", "warnings"),
)

QUALITY = ("duration", *_FIGURES)
"""Per-clip quality figures, NaN where a stage does not give one."""


@dataclass(frozen=True, slots=True)
class ClipInput:
    """One clip that goes into the dataset.

    Parameters
    ----------
    clip : str
        Its id.
    row : dict
        What the dataset needs of its row of the manifest; None where the sheet is silent.
    steps : dict of str to int
        Steps of each modality, before cutting.
    widths : dict of str to int
        Feature dimensions of each modality.
    quality : dict of str to float
        The figures named in `QUALITY`.
    warnings : tuple of str
        Rules it breaks that only warn.
    openface_runtime, text_model : str or None
        Where its features come from.
    """

    clip: str
    row: dict[str, Any]
    steps: dict[str, int]
    widths: dict[str, int]
    quality: dict[str, float]
    warnings: tuple[str, ...]
    openface_runtime: str | None
    text_model: str | None


def gather(config: Config) -> tuple[list[ClipInput], list[Entry]]:
    """Return the clips of the dataset in the sheet's order, and the whole quarantine.

    Raises
    ------
    BuildError
        If a stage is not finished, a feature was made with other settings or from other
        inputs than the build's, no clip is left, or ``on_bad_clip`` is stop and the face rules
        refuse a clip.
    """
    processed = config.processed
    build = Build.of(config)
    store = build.store
    known = _clips(processed)
    manifest = read_manifest(processed)[list(_COLUMNS)].astype(object)
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()}
        for row in manifest.where(manifest.notna(), None).to_dict("records")
    ]
    entries: list[Entry] = []
    keys: dict[str, dict[str, str]] = {}
    for stage in _READ:
        keys[stage], quarantined = _records(processed, stage)
        entries += quarantined
    lost = {entry["clip"] for entry in entries}
    clips: list[ClipInput] = []
    for row in rows:
        if row["clip"] in lost:
            continue
        infos = {
            stage: _checked_info(build, stage, row["clip"], keys[stage], known) for stage in keys
        }
        warnings, refusal = _judge(infos, config.manifest.rules)
        if refusal is None:
            clips.append(_clip_input(store, row, infos, warnings))
            continue
        entries.append({"clip": row["clip"], "stage": "dataset", **refusal})
        if config.on_bad_clip == "stop":
            raise BuildError(
                f"clip {row['clip']}: {refusal['reason']} (on_bad_clip is stop)",
                refusal["remedy"],
            )
    entries += read_json(processed / MANIFEST_QUARANTINE)
    entries = _in_order(merged(entries), {row["clip"]: row["row"] for row in rows})
    if not clips:
        raise nothing_left(entries)
    return clips, entries


def _records(processed: Path, stage: str) -> tuple[dict[str, str], list[Entry]]:
    """Read a stage's records: the key of each clip it finished, and its quarantine."""
    keys: dict[str, str] = {}
    entries: list[Entry] = []
    for name in job_names(stage, _shard_names(processed)):
        path = processed / "records" / stage / f"{name}.json"
        if not path.is_file():
            raise BuildError(
                f"the {stage} stage is not finished: {path} does not exist",
                f"build it: chsims-build --stage {stage}",
            )
        record = read_json(path)
        keys |= record["clips"]
        entries += record["quarantine"]
    return keys, entries


def _shard_names(processed: Path) -> list[str]:
    return sorted(p.stem for p in (processed / SHARDS).glob("*.json") if p.stem.isdigit())


def _clips(processed: Path) -> dict[str, Clip]:
    paths = [processed / SHARDS / f"{name}.json" for name in _shard_names(processed)]
    return {clip.clip: clip for path in paths for clip in read_shard(path)}


def _checked_info(
    build: Build, stage: str, clip: str, keys: dict[str, str], known: dict[str, Clip]
) -> dict[str, Any]:
    """Return a feature file's info, after making sure that it is the one this build makes."""
    store = build.store
    again = f"make it again: chsims-build --stage {stage} --clip {clip} --force"
    if clip not in keys or clip not in known:
        raise BuildError(
            f"clip {clip} is in the manifest, but the records of the {stage} stage do not know it",
            f"build it: chsims-build --stage {stage}",
        )
    header = store.header(stage, clip)
    if header is None:
        raise BuildError(f"{store.path(stage, clip)} is missing or damaged", again)
    if header["key"] != keys[clip]:
        raise BuildError(
            f"{store.path(stage, clip)} was made from other inputs than its record says "
            f"(key {header['key'][:12]}, expected {keys[clip][:12]})",
            again,
        )
    if header["key"] != build.key(STAGES[stage], known[clip]):
        raise BuildError(
            f"{store.path(stage, clip)} was made with other settings, other versions or from "
            "other inputs than this build has now",
            f"build the stage again: chsims-build --stage {stage}",
        )
    info: dict[str, Any] = header["info"]
    return info


def _judge(
    infos: dict[str, dict[str, Any]], rules: CorpusRules
) -> tuple[tuple[str, ...], dict[str, str] | None]:
    """Apply the rules damaged, no_face and second_face to one clip."""
    warnings: list[str] = []
    for rule, reason, remedy in (*_damage(infos), *_face_findings(infos["faces"], rules)):
        action = getattr(rules, rule)
        if action == "quarantine":
            return tuple(warnings), {"reason": reason, "remedy": remedy}
        if action == "warn":
            warnings.append(reason)
    return tuple(warnings), None


def damage(infos: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Say in which of a clip's streams ffmpeg met errors, from the stages' infos."""
    streams = (("faces", "video"), ("audio", "sound"))
    met = ((stream, (infos.get(stage) or {}).get("errors")) for stage, stream in streams)
    return [f"ffmpeg met {errors} errors in its {stream}" for stream, errors in met if errors]


def _damage(infos: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    remedy = "look at the clip; replace the file by a whole copy, or leave the clip out"
    for words in damage(infos):
        yield "damaged", f"damaged: {words}", remedy


def _face_findings(info: dict[str, Any], rules: CorpusRules) -> Iterator[tuple[str, str, str]]:
    if info.get("face_share") == 0:
        yield (
            "no_face",
            "no face was found in any frame",
            "look at the clip; leave it out, or lower faces.min_face_size or min_probability",
        )
    second = info.get("second_face_share") or 0.0
    if second > rules.second_face_share:
        yield (
            "second_face",
            f"a second face in {second:.0%} of the frames (limit {rules.second_face_share:.0%})",
            "cut the clip so that the speaker is alone, or raise manifest.rules.second_face_share",
        )


def _clip_input(
    store: Store, row: dict[str, Any], infos: dict[str, dict[str, Any]], warnings: tuple[str, ...]
) -> ClipInput:
    clip = row["clip"]
    shapes = {stage: _shape(store, stage, clip) for stage in MODALITIES}
    quality = {name: _number(infos[stage].get(key)) for name, (stage, key) in _FIGURES.items()}
    return ClipInput(
        clip=clip,
        row=row,
        steps={stage: shape[0] for stage, shape in shapes.items()},
        widths={stage: shape[1] for stage, shape in shapes.items()},
        quality={"duration": row["duration"], **quality},
        warnings=(*row["warnings"], *warnings),
        openface_runtime=infos["openface"].get("runtime"),
        text_model=infos["text"].get("model"),
    )


def _shape(store: Store, stage: str, clip: str) -> tuple[int, int]:
    """Return the shape of a clip's feature from its file's header."""
    from safetensors import SafetensorError, safe_open

    path = store.path(stage, clip)
    try:
        with safe_open(path, "numpy") as file:
            steps, width = file.get_slice(stage).get_shape()
    except (OSError, SafetensorError, ValueError) as error:
        raise BuildError(
            f"{path} holds no array {stage} [steps, dimensions] ({error})",
            f"make it again: chsims-build --stage {stage} --clip {clip} --force",
        ) from error
    return int(steps), int(width)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _in_order(entries: list[Entry], rows: dict[str, int]) -> list[Entry]:
    """Put the manifest's entries first, as they came, then the others by place in the sheet."""
    return sorted(entries, key=lambda e: (e["stage"] != "manifest", rows.get(e["clip"], -1)))
