"""What the dataset is made from: the manifest, the records, and the feature files' headers.

Nothing here reads a feature; lengths come from the files' headers, so memory stays small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.faces.stage import FACES
from pipeline.manifest.build import read_manifest
from pipeline.manifest.settings import CorpusRules
from pipeline.runner.jobs import job_names, shards_of_job
from pipeline.stage import Build, Stage
from pipeline.stages import STAGES, slots, wanted
from pipeline.store.features import Store
from pipeline.store.features import again as again_clip
from pipeline.store.layout import Layout
from pipeline.store.made import check_made
from pipeline.store.quarantine import QuarantineEntry, merged, nothing_left, read_entries
from pipeline.store.records import read_finished
from pipeline.store.shards import Clip, read_shard

_COLUMNS = (
    *("clip", "row", "video_id", "text", *LABELS),
    *("mode", "speaker", "gender", "age", "duration", "warnings"),
)


@dataclass(frozen=True)
class Gathered:
    """What goes into the dataset, and what was left out.

    Parameters
    ----------
    clips : list of ClipInput
        In the sheet's order.
    quarantine : list of QuarantineEntry
        The manifest's entries first, then the others by place in the sheet.
    remarks : list of str
        Rules that were not applied.
    """

    clips: list[ClipInput]
    quarantine: list[QuarantineEntry]
    remarks: list[str]


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
        Its duration in seconds, and the figures of the stages; NaN where a stage has none.
    warnings : tuple of str
        Rules it breaks that only warn.
    sources : dict of str to str
        Where its features come from, by the dataset's attributes (`Stage.sources`).
    """

    clip: str
    row: dict[str, Any]
    steps: dict[str, int]
    widths: dict[str, int]
    quality: dict[str, float]
    warnings: tuple[str, ...]
    sources: dict[str, str]


def gather(config: Config) -> Gathered:
    """Read the headers of the feature files that the filled slots need, and judge the clips.

    Raises
    ------
    BuildError
        If a stage is not finished, a file that is read is damaged, a feature was made with
        other settings or from other inputs than the build's, no clip is left, or
        ``on_bad_clip`` is stop and the face rules refuse a clip.
    """
    build, layout = Build.of(config), config.layout
    check_made(layout, "manifest", config.store.latency_wait)
    shards = {path.stem: read_shard(path) for path in layout.numbered_shards}
    known = {clip.clip: clip for clips_of in shards.values() for clip in clips_of}
    members = {name: {clip.clip for clip in clips_of} for name, clips_of in shards.items()}
    kept = config.manifest.keep_columns
    manifest = read_manifest(config.processed, kept)[[*_COLUMNS, *kept]].astype(object)
    rows: list[dict[str, Any]] = [
        {str(name): value for name, value in row.items()}
        for row in manifest.where(manifest.notna(), None).to_dict("records")
    ]
    entries: list[QuarantineEntry] = []
    keys: dict[str, dict[str, str]] = {}
    for stage in _read_stages(config):
        keys[stage.name], quarantined = finished_clips(layout, stage, members)
        entries += quarantined
    lost = {entry.clip for entry in entries}
    clips: list[ClipInput] = []
    for row in rows:
        if row["clip"] in lost:
            continue
        infos = {
            stage: _checked_info(build, stage, row["clip"], keys[stage], known) for stage in keys
        }
        warnings, refusal = _judge(infos, config.manifest.rules)
        if refusal is None:
            clips.append(_clip_input(build, row, infos, warnings))
            continue
        entries.append(QuarantineEntry(row["clip"], "dataset", **refusal))
        if config.on_bad_clip == "stop":
            raise BuildError(
                f"clip {row['clip']}: {refusal['reason']} (on_bad_clip is stop)",
                refusal["remedy"],
            )
    entries += read_entries(layout.manifest_quarantine)
    entries = _in_order(merged(entries), {row["clip"]: row["row"] for row in rows})
    if not clips:
        raise nothing_left(entries)
    return Gathered(clips, entries, not_applied(keys))


def _read_stages(config: Config) -> list[Stage]:
    """Return the stages whose files are read: the features, and what says how good they are."""
    features = list(slots(config).values())
    needed = [STAGES[name] for name in wanted(config)]
    return features + [s for s in needed if s not in features and not s.transient]


def quality_names(config: Config) -> list[str]:
    """Return the names of the quality figures of a clip, in the order in which they are written."""
    read = {stage.name for stage in _read_stages(config)}
    stages = [stage for stage in STAGES.values() if stage.name in read]
    return ["duration", *(figure.name for stage in stages for figure in stage.figures)]


def finished_clips(
    layout: Layout, stage: Stage, shards: Mapping[str, Set[str]]
) -> tuple[dict[str, str], list[QuarantineEntry]]:
    """Read a stage's records: the key of each clip it finished, and its quarantine.

    A record may still list clips of a shard that is gone, or that have moved to another one: only
    the record of the job that has a clip now says anything about it.

    Parameters
    ----------
    layout : Layout
        The build's files.
    stage : Stage
        The stage.
    shards : mapping of str to set of str
        The clips of each shard, in order.
    """
    keys: dict[str, str] = {}
    entries: list[QuarantineEntry] = []
    names = list(shards)
    for job in job_names(stage.name, names):
        own = {clip for name in shards_of_job(stage.name, job, names) for clip in shards[name]}
        record = read_finished(layout.record(stage.name, job), stage.name)
        keys |= {clip: key for clip, key in record.clips.items() if clip in own}
        entries += (entry for entry in record.quarantine if entry.clip in own)
    return keys, entries


def not_applied(stages: Iterable[str]) -> list[str]:
    """Say which corpus rules have nothing to apply to in a dataset of these stages."""
    if FACES.name in stages:
        return []
    return [
        "the corpus rules no_face and second_face were not applied: "
        "no feature of this dataset needs faces"
    ]


def _checked_info(
    build: Build, stage: str, clip: str, keys: dict[str, str], known: dict[str, Clip]
) -> dict[str, Any]:
    """Return a feature file's info, after making sure that it is the one this build makes."""
    store = build.store
    again = f"make it again: {again_clip(stage, clip)}"
    if clip not in keys or clip not in known:
        raise BuildError(
            f"clip {clip} is in the manifest, but the records of the {stage} stage do not know it",
            f"build it: chsims-build --stage {stage}",
        )
    header = store.settled(stage, clip, keys[clip])
    if header is None:
        raise BuildError(store.lacking(stage, clip), again)
    if header["key"] != keys[clip]:
        raise BuildError(
            f"{store.where(stage, clip)} was made from other inputs than its record says "
            f"(key {header['key'][:12]}, expected {keys[clip][:12]})",
            again,
        )
    if header["key"] != build.key(STAGES[stage], known[clip]):
        raise BuildError(
            f"{store.where(stage, clip)} was made with other settings, other versions or from "
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
    for rule, reason, remedy in (*_damage(infos), *_face_findings(infos, rules)):
        action = getattr(rules, rule)
        if action == "quarantine":
            return tuple(warnings), {"reason": reason, "remedy": remedy}
        if action == "warn":
            warnings.append(reason)
    return tuple(warnings), None


def damage(infos: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Say in which of a clip's streams ffmpeg met errors, from the stages' infos."""
    decoding = [stage for stage in STAGES.values() if stage.decodes]
    met = ((s.decodes, (infos.get(s.name) or {}).get("errors")) for s in decoding)
    return [f"ffmpeg met {errors} errors in its {stream}" for stream, errors in met if errors]


def _damage(infos: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    remedy = "look at the clip; replace the file by a whole copy, or leave the clip out"
    for words in damage(infos):
        yield "damaged", f"damaged: {words}", remedy


def _face_findings(
    infos: dict[str, dict[str, Any]], rules: CorpusRules
) -> Iterator[tuple[str, str, str]]:
    info = infos.get(FACES.name, {})
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
    build: Build, row: dict[str, Any], infos: dict[str, dict[str, Any]], warnings: tuple[str, ...]
) -> ClipInput:
    shapes = {
        slot: _shape(build.store, stage, row["clip"]) for slot, stage in slots(build.config).items()
    }
    read = [stage for stage in STAGES.values() if stage.name in infos]
    quality = {
        figure.name: _number(infos[stage.name].get(figure.key))
        for stage in read
        for figure in stage.figures
    }
    sources = {
        attribute: infos[stage.name].get(key)
        for stage in read
        for attribute, key in stage.sources.items()
    }
    return ClipInput(
        clip=row["clip"],
        row=row,
        steps={slot: shape[0] for slot, shape in shapes.items()},
        widths={slot: shape[1] for slot, shape in shapes.items()},
        quality={"duration": row["duration"], **quality},
        warnings=(*row["warnings"], *warnings),
        sources={attribute: value for attribute, value in sources.items() if value},
    )


def _shape(store: Store, stage: Stage, clip: str) -> tuple[int, int]:
    """Return the shape of a clip's feature from its file's header."""
    assert stage.feature is not None
    place, array = store.where(stage.name, clip), stage.feature.array
    try:
        with store.opened(stage.name, clip) as file:
            steps, width = file.shape(array)
    except BuildError as error:
        raise BuildError(
            f"{place} holds no array {array} [steps, dimensions] ({error.problem})", error.remedy
        ) from error
    return steps, width


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _in_order(entries: list[QuarantineEntry], rows: dict[str, int]) -> list[QuarantineEntry]:
    """Put the manifest's entries first, as they came, then the others by place in the sheet."""
    return sorted(entries, key=lambda e: (e.stage != "manifest", rows.get(e.clip, -1)))
