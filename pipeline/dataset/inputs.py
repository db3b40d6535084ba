"""What the dataset is made from: the manifest, the records, and the feature files' headers.

Nothing here reads a feature; lengths come from the files' headers, so memory stays small.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.corpus import LABELS
from pipeline.dataset.clips import Clips
from pipeline.dataset.finished import finished_shards
from pipeline.dataset.split import natural_order
from pipeline.errors import BuildError
from pipeline.faces.stage import FACES
from pipeline.manifest.build import read_columns
from pipeline.manifest.settings import CorpusRules
from pipeline.stage import Build, Stage
from pipeline.stages import STAGES, slots, wanted
from pipeline.store.features import Store
from pipeline.store.features import again as again_clip
from pipeline.store.made import check_made
from pipeline.store.quarantine import QuarantineEntry, merged, nothing_left, read_entries
from pipeline.store.shards import Clip

_COLUMNS = (
    *("clip", "row", "video_id", "text", *LABELS),
    *("mode", "speaker", "gender", "age", "duration", "warnings"),
)


@dataclass(frozen=True)
class Gathered:
    """What goes into the dataset, and what was left out.

    Parameters
    ----------
    clips : Clips
        In natural order of their ids.
    quarantine : list of QuarantineEntry
        The manifest's entries first, then the others by place in the sheet.
    remarks : list of str
        Rules that were not applied.
    """

    clips: Clips
    quarantine: list[QuarantineEntry]
    remarks: list[str]


def gather(config: Config) -> Gathered:
    """Read the headers of the feature files that the filled slots need, and judge the clips.

    Raises
    ------
    BuildError
        If a stage is not finished, a file that is read is damaged, a feature was made with
        other settings or from other inputs than the build's, no clip is left, or
        ``on_bad_clip`` is stop and the face rules refuse a clip; the error names the first one
        in the order of the shards.
    """
    layout = config.layout
    check_made(layout, "manifest", config.store.latency_wait)
    found = _Columns(config)
    entries: list[QuarantineEntry] = []
    lost: set[str] = set()
    for shard in finished_shards(layout, found.stages):
        entries += shard.quarantine
        lost.update(entry.clip for entry in shard.quarantine)
        for clip in shard.clips:
            if clip.clip in lost or clip.clip not in found.places:
                continue
            infos = {
                name: _checked_info(found.build, name, clip, keys)
                for name, keys in shard.keys.items()
            }
            warnings, refusal = _judge(infos, config.manifest.rules)
            if refusal is None:
                found.take(clip.clip, infos, warnings)
                continue
            lost.add(clip.clip)
            entries.append(QuarantineEntry(clip.clip, "dataset", **refusal))
            if config.on_bad_clip == "stop":
                raise BuildError(
                    f"clip {clip.clip}: {refusal['reason']} (on_bad_clip is stop)",
                    refusal["remedy"],
                )
    found.check(lost)
    entries += read_entries(layout.manifest_quarantine)
    entries = _in_order(merged(entries), found.places)
    if not found.taken.any():
        raise nothing_left(entries)
    return Gathered(found.clips(), entries, not_applied(stage.name for stage in found.stages))


class _Columns:
    """The columns of `Clips`, filled clip by clip."""

    def __init__(self, config: Config) -> None:
        names = [*_COLUMNS, *config.manifest.keep_columns]
        self.build, self.stages = Build.of(config), _read_stages(config)
        self.table = read_columns(config.processed, names)
        ids = self.table.column("clip").to_pylist()
        self.places = {str(clip): place for place, clip in enumerate(ids)}
        self.slots, count = slots(config), len(ids)
        self.taken = np.zeros(count, bool)
        self.steps = {slot: np.zeros(count, np.int32) for slot in self.slots}
        self.widths = {slot: np.zeros(count, np.int32) for slot in self.slots}
        self.quality = {name: np.full(count, math.nan) for name in quality_names(config)}
        self.quality["duration"] = self.table.column("duration").to_numpy().astype(np.float64)
        self.warnings: dict[int, tuple[str, ...]] = {}
        self.sources: dict[str, set[str]] = {}
        self.figures = [(stage, figure) for stage in self.stages for figure in stage.figures]

    def take(
        self, clip: str, infos: Mapping[str, Mapping[str, Any]], warnings: tuple[str, ...]
    ) -> None:
        """Note what the feature files say of a clip that goes into the dataset."""
        place = self.places[clip]
        self.taken[place] = True
        for slot, stage in self.slots.items():
            self.steps[slot][place], self.widths[slot][place] = _shape(
                self.build.store, stage, clip
            )
        for stage, figure in self.figures:
            self.quality[figure.name][place] = _number(infos[stage.name].get(figure.key))
        for stage in self.stages:
            for attribute, key in stage.sources.items():
                if value := infos[stage.name].get(key):
                    self.sources.setdefault(attribute, set()).add(value)
        if warnings:
            self.warnings[place] = warnings

    def check(self, lost: Container[str]) -> None:
        """Refuse a manifest with a clip that no shard has."""
        for clip, place in self.places.items():
            if not self.taken[place] and clip not in lost:
                raise _unknown(clip, self.stages[0].name)

    def clips(self) -> Clips:
        """Return the clips that were taken."""
        ids = self.table.column("clip").to_pylist()
        rows = np.flatnonzero(self.taken).tolist()
        rows.sort(key=lambda row: natural_order(ids[row]))
        return Clips(
            self.table,
            np.array(rows, np.int64),
            self.steps,
            self.widths,
            self.quality,
            self.warnings,
            self.sources,
        )


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


def not_applied(stages: Iterable[str]) -> list[str]:
    """Say which corpus rules have nothing to apply to in a dataset of these stages."""
    if FACES.name in stages:
        return []
    return [
        "the corpus rules no_face and second_face were not applied: "
        "no feature of this dataset needs faces"
    ]


def _checked_info(build: Build, stage: str, of: Clip, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return a feature file's info, after making sure that it is the one this build makes."""
    store, clip = build.store, of.clip
    again = f"make it again: {again_clip(stage, clip)}"
    if clip not in keys:
        raise _unknown(clip, stage)
    header = store.settled(stage, clip, keys[clip])
    if header is None:
        raise BuildError(store.lacking(stage, clip), again)
    if header["key"] != keys[clip]:
        raise BuildError(
            f"{store.where(stage, clip)} was made from other inputs than its record says "
            f"(key {header['key'][:12]}, expected {keys[clip][:12]})",
            again,
        )
    if header["key"] != build.key(STAGES[stage], of):
        raise BuildError(
            f"{store.where(stage, clip)} was made with other settings, other versions or from "
            "other inputs than this build has now",
            f"build the stage again: chsims-build --stage {stage}",
        )
    info: dict[str, Any] = header["info"]
    return info


def _unknown(clip: str, stage: str) -> BuildError:
    return BuildError(
        f"clip {clip} is in the manifest, but the records of the {stage} stage do not know it",
        f"build it: chsims-build --stage {stage}",
    )


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
