"""How a build was made: versions, settings off their defaults, time and memory, the DAG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipeline.config import Config
from pipeline.report.sources import Build
from pipeline.stage import Stage
from pipeline.stages import STAGES, STEPS, wanted

PACKAGES = (
    "chsims-build",
    "snakemake",
    "torch",
    "torchvision",
    "facenet-pytorch",
    "librosa",
    "transformers",
    "numpy",
    "numba",
    "scikit-learn",
    "h5py",
)


def versions(build: Build) -> tuple[dict[str, str], str]:
    """Return package versions, and where they were read: the dataset, else this machine."""
    stored = build.dataset.attributes.get("versions") if build.dataset else None
    if isinstance(stored, dict) and stored:
        return {str(k): str(v) for k, v in stored.items()}, "as stored in dataset.h5"
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found, "as installed where this page was made, since dataset.h5 does not say"


def revision(build: Build) -> str | None:
    """Return the git revision stored in the dataset; None without one."""
    stored = build.dataset.attributes.get("git_revision") if build.dataset else None
    return None if stored in (None, "unknown") else str(stored)


@dataclass(frozen=True)
class Difference:
    """One setting that is not at its default."""

    key: str
    default: str
    value: str


def differences(config: Config) -> list[Difference]:
    """List the settings that differ from their defaults.

    Left out are the looks of this page, the stages that no slot needs, and the encoders' models:
    `Build.models_of` knows them, the settings say only where they lie now.
    """
    left_out: dict[str, bool | set[str]] = {"report": True}
    left_out |= {s.name: {"model", "revision"} for s in STAGES.values() if s.model is not None}
    left_out |= dict.fromkeys({*STAGES} - {*wanted(config)}, True)
    ours = _flat(config.model_dump(mode="json", exclude=left_out))
    defaults = _flat(Config().model_dump(mode="json"))
    return [
        Difference(key, _written(defaults.get(key)), _written(value))
        for key, value in ours.items()
        if value != defaults.get(key)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _written(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class StageCost:
    """What a stage took, summed over the jobs in the log."""

    stage: str
    jobs: int
    computed: int
    seconds: float
    peak_mb: float

    @property
    def seconds_per_clip(self) -> float | None:
        """Mean time per computed clip; None where none was computed."""
        return self.seconds / self.computed if self.computed else None


def costs(runs: list[dict[str, Any]]) -> list[StageCost]:
    """Sum the log by stage, in the order data takes."""
    found = []
    for stage in STEPS:
        lines = [line for line in runs if line["stage"] == stage]
        if lines:
            found.append(
                StageCost(
                    stage,
                    len(lines),
                    sum(int(line.get("computed") or 0) for line in lines),
                    sum(float(line.get("seconds") or 0) for line in lines),
                    max(float(line.get("peak_mb") or 0) for line in lines),
                )
            )
    return found


@dataclass(frozen=True)
class Node:
    """A stage in the DAG's picture: place in grid units, state, and a line about it."""

    stage: str
    column: int
    row: int
    state: str
    line: str


def places(slots: Mapping[str, Stage]) -> dict[str, tuple[int, int]]:
    """Return column and row of each step: a row per slot, a column per step of its way.

    Parameters
    ----------
    slots : mapping of str to Stage
        The stage of each filled slot.
    """
    columns = {
        stage.name: _depth(stage) for slot in slots.values() for stage in (slot, *_behind(slot))
    }
    last = max(columns.values(), default=0)
    found = {"manifest": (0, 0)}
    longest = sorted(slots.values(), key=_depth, reverse=True)
    for row, slot in enumerate(longest):
        for stage in _behind(slot):
            found.setdefault(stage.name, (columns[stage.name], row))
        found[slot.name] = (last, row)
    middle = (len(longest) - 1) // 2 if longest else 0
    found["manifest"] = (0, middle)
    ends = ("dataset", "train", "report")
    return found | {name: (last + 1 + i, middle) for i, name in enumerate(ends)}


def _depth(stage: Stage) -> int:
    return 1 + max(map(_depth, stage.inputs), default=0)


def _behind(stage: Stage) -> list[Stage]:
    """Return the stages whose files a stage is made from, directly or not."""
    found: dict[str, Stage] = {}
    for earlier in stage.inputs:
        found |= {other.name: other for other in (earlier, *_behind(earlier))}
    return list(found.values())


def edges(slots: Mapping[str, Stage], *, adopted: bool = False) -> list[tuple[str, str]]:
    """Return which step hands files to which; a way that others make up is left out."""
    found: dict[tuple[str, str], None] = {("adopt", "dataset"): None} if adopted else {}
    for slot in slots.values():
        for stage in (slot, *_behind(slot)):
            known = {other for earlier in stage.inputs for other in _behind(earlier)}
            starts = [earlier.name for earlier in stage.inputs if earlier not in known]
            found |= {(start, stage.name): None for start in starts or ["manifest"]}
        found[slot.name, "dataset"] = None
    return [*found, ("dataset", "train"), ("train", "report")]


def dag(build: Build, trained: int) -> list[Node]:
    """Say of each stage whether it is done, partly done, or not begun."""
    usable = set() if build.manifest is None else set(build.manifest["clip"])
    facts = build.dataset
    single = {
        "manifest": (build.manifest is not None, f"{len(usable):,} clips"),
        "dataset": (
            facts is not None,
            f"{len(facts.clips):,} clips" if facts else "",
        ),
        "train": (bool(trained), f"{trained} model{'s' if trained != 1 else ''}"),
        "report": (True, "this page"),
    }
    steps = places(build.slots)
    if build.adopted is not None:
        steps = {"adopt" if name == "manifest" else name: at for name, at in steps.items()}
        single["adopt"] = (True, build.adopted.name[:14])
    nodes = []
    for stage, (column, row) in steps.items():
        if stage in STAGES:
            lost = {item.clip for item in build.quarantine if item.stage == stage}
            done, total = len(build.done[stage] & usable), len(usable)
            finished = bool(total) and len((build.done[stage] | _lost(build)) & usable) == total
            state = "done" if finished else "partly" if done else "open"
            line = f"{done:,} clips" + (f", {len(lost)} left out" if lost else "")
        else:
            there, line = single[stage]
            state = "done" if there else "open"
        if state == "open":
            unlabelled = build.manifest is not None and build.labelled.empty
            skipped = stage == "train" and facts is not None and unlabelled
            line = "skipped: no label" if skipped else "not made yet"
        nodes.append(Node(stage, column, row, state, line))
    return sorted(nodes, key=lambda node: (node.column, node.row))


def _lost(build: Build) -> set[str]:
    return {item.clip for item in build.quarantine}
