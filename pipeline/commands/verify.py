"""chsims-build verify: read every file of a build whole, and hold it against its digest."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.commands.recompute import differences
from pipeline.config import Config
from pipeline.dataset.check import dataset_fault
from pipeline.errors import BuildError
from pipeline.runner.jobs import job_names
from pipeline.stages import STAGES, wanted
from pipeline.store.features import Store
from pipeline.store.features import again as again_clip
from pipeline.store.files import read_json
from pipeline.store.made import again, damaged, read_made
from pipeline.store.packs import SUFFIX
from pipeline.store.records import read_record
from pipeline.store.shards import read_shard
from pipeline.train.stored import seed_fault


@dataclass(frozen=True)
class Fault:
    """A file that is lost or damaged, and the command that makes it again."""

    problem: str
    remedy: str


@dataclass
class Verified:
    """How the files of one kind stand.

    Parameters
    ----------
    kind : str
        What they are.
    whole : int
        Files whose content is as it was written.
    faults : list of Fault
        Those that are lost or damaged.
    unsigned : int
        Those that carry no digest: an earlier version of this package wrote them.
    """

    kind: str
    whole: int = 0
    faults: list[Fault] = field(default_factory=list)
    unsigned: int = 0

    def add(self, fault: str | None, remedy: str) -> None:
        """Count one file: what is wrong with it, empty if nothing, None without a digest."""
        if fault is None:
            self.unsigned += 1
        elif fault:
            self.faults.append(Fault(fault, remedy))
        else:
            self.whole += 1

    def line(self) -> str:
        """Return one line for a person."""
        parts = [f"{self.whole} whole"]
        parts += [f"{len(self.faults)} damaged"] if self.faults else []
        parts += [f"{self.unsigned} with no digest"] if self.unsigned else []
        return f"{self.kind:<14} {', '.join(parts)}"


def verify(config: Config, recompute: int = 0, cores: int = 1) -> Iterator[Verified]:
    """Read a build's files whole, kind by kind; nothing is written into its folder.

    Parameters
    ----------
    config : Config
        Names the build's folder.
    recompute : int
        So many clips are computed anew, in a temporary folder, and compared.
    cores : int
        Processes that compute them.

    Raises
    ------
    BuildError
        If nothing is built there.
    """
    layout = config.layout
    if not layout.manifest.is_file() and not layout.steps_made:
        raise BuildError(
            f"{config.processed}: nothing is built there yet, so there is nothing to verify",
            "build first: chsims-build; or name the build's folder: --set processed=FOLDER",
        )
    yield _step(config, "manifest", "manifest", layout.manifest)
    yield _shards(config)
    yield _records(config)
    yield _features(config)
    yield _dataset(config)
    yield _seeds(config)
    yield _results(config)
    yield _step(config, "report", "report", layout.report)
    yield _small(config)
    if recompute:
        yield _recomputed(config, recompute, cores)


def _step(config: Config, kind: str, step: str, first: Path) -> Verified:
    """Hold the files of a step against its record, which goes when a new build of it begins."""
    found, layout = Verified(kind), config.layout
    record = layout.made(step)
    if not record.is_file():
        if first.is_file():
            found.add(None, "")
        return found
    try:
        made = [each.path for each in read_made(layout, step)]
        faults = dict(damaged(layout, step))
    except (OSError, ValueError) as error:
        found.add(f"{record} is damaged ({error})", f"make it again: {again(step, layout)}")
        return found
    for path in made:
        if path.parent != layout.shards:  # they have a line of their own
            fault = f"{path} {faults[path]}" if path in faults else ""
            found.add(fault, f"make it again: {again(step, layout)}")
    return found


def _shards(config: Config) -> Verified:
    found, layout = Verified("shards"), config.layout
    try:
        faults = dict(damaged(layout, "manifest"))
    except (OSError, ValueError):
        faults = {}  # the manifest's line says so
    for path in {*layout.numbered_shards, *(p for p in faults if p.parent == layout.shards)}:
        fault = f"{path} {faults[path]}" if path in faults else _refusal(read_shard, path)
        found.add(fault, f"make it again: {again('manifest', layout)}")
    return found


def _records(config: Config) -> Verified:
    """Read the jobs' records, and look for the feature files that they list."""
    found, store = Verified("records"), Store(config.processed)
    for stage in (stage for stage in STAGES.values() if not stage.transient):
        remedy = f"make it again: chsims-build --stage {stage.name}"
        for path in sorted({*_expected(config, stage.name), *_written(config, stage.name)}):
            try:
                lost = [c for c in read_record(path).clips if not store.holds(stage.name, c)]
            except (OSError, ValueError) as error:
                found.add(f"{path} is missing or damaged ({error})", remedy)
                continue
            found.add("", "")
            for clip in lost:
                found.add(f"{store.path(stage.name, clip)} is missing", remedy)
    return found


def _written(config: Config, stage: str) -> Iterator[Path]:
    return config.layout.records(stage).glob("*.json")


def _expected(config: Config, stage: str) -> list[Path]:
    """Return the records that a stage must have left, since a dataset was made from them."""
    layout = config.layout
    if stage not in wanted(config) or not layout.made("dataset").is_file():
        return []
    shards = [path.stem for path in layout.numbered_shards]
    return [layout.record(stage, job) for job in job_names(stage, shards)]


def _features(config: Config) -> Verified:
    found, store = Verified("feature files"), Store(config.processed)
    known = _known_clips(config)
    for name in STAGES:
        for path, reason in store.packs.faults(name).items():
            found.add(
                f"{path} is damaged ({reason})", f"make it again: chsims-build --stage {name}"
            )
        for clip in store.clips(name):
            place = f"{config.processed / name / clip}{SUFFIX}"
            needed = f"make it again: {again_clip(name, clip)}"
            orphan = f"delete it: no clip of the manifest needs it ({_deletion(store, name, clip)})"
            try:
                fault = store.fault(name, clip)
            except ValueError as error:
                fault = f"{place} has the name of no clip ({error})"
            found.add(fault, needed if known is None or clip in known else orphan)
    return found


def _deletion(store: Store, stage: str, clip: str) -> str:
    """Return the command that deletes a file, whatever its name makes a shell or zip do."""
    packed = store.packs.find(stage, clip)
    own = store.root / stage / f"{clip}{SUFFIX}"
    if packed is None or own.exists():
        return f"rm {shlex.quote(str(own))}"
    entry = f"{clip}{SUFFIX}".translate({ord(c): f"\\{c}" for c in "\\[]*?"})  # zip's patterns
    return f"zip -d {shlex.quote(str(packed.pack))} {shlex.quote(entry)}"


def _known_clips(config: Config) -> set[str] | None:
    """Return the clips of the manifest; None if a shard is lost, which the shards' line says."""
    try:
        lost = [path for path, _ in damaged(config.layout, "manifest")]
        clips = {c.clip for path in config.layout.numbered_shards for c in read_shard(path)}
    except (OSError, ValueError, BuildError):
        return None
    return None if config.layout.shards in {path.parent for path in lost} else clips


def _dataset(config: Config) -> Verified:
    layout = config.layout
    found = _step(config, "dataset", "dataset", layout.dataset)
    if layout.dataset.is_file() and not found.faults:
        fault = dataset_fault(layout.dataset, config)
        if fault:
            found.add(fault, f"make it again: {again('dataset', layout)}")
        elif fault == "" and found.unsigned:  # its parts' own digests stand for the record
            found.whole, found.unsigned = found.whole + 1, found.unsigned - 1
    return found


def _seeds(config: Config) -> Verified:
    found = Verified("trained seeds")
    root = config.layout.experiments
    listed = {path.parent / seed for path in root.glob("*/*.json") for seed in _listed(path)}
    for folder in sorted({*listed, *root.glob("*/*/seed_*")}):
        found.add(seed_fault(folder), f"train this seed again: {again('train')}")
    return found


def _listed(path: Path) -> list[str]:
    """Return the seeds that a training's list names; a damaged one has a line of its own."""
    try:
        return list(dict(read_json(path)))
    except (OSError, ValueError, TypeError):
        return []


def _results(config: Config) -> Verified:
    found, layout = Verified("results"), config.layout
    steps = [step for step in layout.steps_made if step.startswith("results_")]
    others = {f"results_{path.stem}" for path in layout.results.glob("*.json")}
    for step in sorted({*steps, *others}):
        one = _step(config, "", step, layout.result(step.removeprefix("results_")))
        found.whole += one.whole
        found.unsigned += one.unsigned
        found.faults += one.faults
    return found


def _small(config: Config) -> Verified:
    """Read the settings files and the lists of trained seeds, which each build compares."""
    found, layout = Verified("settings"), config.layout
    paths = [*layout.settings("x").parent.glob("*.json"), *layout.experiments.glob("*/*.json")]
    for path in sorted(paths):
        found.add(_refusal(read_json, path), "it is written again by the next build: chsims-build")
    return found


def _refusal(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except BuildError as error:
        return error.problem
    except (OSError, ValueError) as error:
        return f"{path} is missing or damaged ({error})"
    return ""


def _recomputed(config: Config, clips: int, cores: int) -> Verified:
    found = Verified("computed anew")
    with tempfile.TemporaryDirectory(prefix="chsims-verify-") as folder:
        for stage, clip, difference in differences(config, clips, cores, Path(folder)):
            words = f"{stage} of {clip}: {difference}" if difference else ""
            found.add(words, f"make it again: {again_clip(stage, clip)}")
    return found


def print_verified(config: Config, recompute: int, cores: int) -> bool:
    """Print a line per kind of file and two per fault; return whether all is whole."""
    from rich.console import Console

    console, whole = Console(), True
    for kind in verify(config, recompute, cores):
        console.print(kind.line(), highlight=False, markup=False, soft_wrap=True)
        for fault in kind.faults:
            whole = False
            words = f"  DAMAGED {fault.problem}\n    -> {fault.remedy}"
            console.print(words, highlight=False, markup=False, soft_wrap=True)
    return whole
