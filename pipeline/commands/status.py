"""chsims-build status: the progress of each stage in clips. Reads file headers only, no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.commands.edited import Edits, edits
from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.build import read_manifest
from pipeline.runner.jobs import shard_names
from pipeline.runner.plan import plan
from pipeline.stage import Build, Stage
from pipeline.stages import STAGES, is_adopted, needed_for, steps_of, wanted
from pipeline.store.freshness import is_outdated, products
from pipeline.store.quarantine import QuarantineEntry, read_entries
from pipeline.store.records import read_record
from pipeline.store.seen import Seen
from pipeline.store.shards import Clip, read_shard
from pipeline.workflow.settings_files import ToldStep, changed_settings, told_once


@dataclass(frozen=True)
class StageStatus:
    """How many clips of one stage are done, stale and in quarantine."""

    stage: str
    done: int
    stale: int
    quarantine: tuple[QuarantineEntry, ...]
    problem: str = ""
    again: int = 0
    """Of the stale clips, those that are computed again because what was dropped is needed."""

    @property
    def words(self) -> str:
        """Why clips are computed again; empty if none is."""
        if not self.again:
            return ""
        return (
            f"{self.stage}: a stage needs what was dropped of {self.again} clips "
            f"({STAGES[self.stage].trimmed_by}: false), so it is computed again"
        )


def clips_of(config: Config) -> list[Clip]:
    """Return the clips of all shards that the manifest has written."""
    shards = [config.layout.shard(name) for name in shard_names(config)]
    return [clip for shard in shards if shard.is_file() for clip in read_shard(shard)]


def stage_status(config: Config, clips: list[Clip]) -> Iterator[StageStatus]:
    """Yield the status of each per-clip stage that a slot needs, in the order of the data."""
    build, stages = Build.of(config), [STAGES[name] for name in wanted(config)]
    for stage in stages:
        _look_at(build, stage)
    problems: dict[str, str] = {}
    counts = {stage.name: Counter[str]() for stage in stages}
    own: dict[str, list[QuarantineEntry]] = {stage.name: [] for stage in stages}
    for clip in clips:  # all stages of a clip together: their keys build on each other
        for stage in stages:
            if stage.name not in problems:
                try:
                    (step,) = plan(build, stage, [clip])
                except BuildError as error:  # e.g. no OpenFace here, so the key is unknown
                    problems |= _with_readers(stage, stages, str(error))
                    continue
                counts[stage.name].update({step.state: 1, "again": step.again})
                if step.quarantine is not None and step.quarantine.stage == stage.name:
                    own[stage.name].append(step.quarantine)
    for name, found in counts.items():
        if name in problems:
            yield StageStatus(name, 0, 0, (), problems[name])
        else:
            listed = tuple(own[name])
            yield StageStatus(name, found["done"], found["stale"], listed, again=found["again"])


def _look_at(build: Build, stage: Stage) -> None:
    """Find out at once what needs no look at each clip: which files there are, as noted or not."""
    build.store.list_once(stage.name)
    seen = Seen(build.store, stage.name)
    for path in build.config.layout.records(stage.name).glob("*.json"):
        with suppress(OSError, ValueError):  # a damaged record, for example
            seen.is_as_noted(path.stem, read_record(path))


def _with_readers(stage: Stage, stages: Iterable[Stage], problem: str) -> dict[str, str]:
    """Return the problem of a stage for it, and for all stages that need its files."""
    found = {stage.name: problem}
    for other in stages:  # in the order of the data
        if any(earlier.name in found for earlier in other.inputs):
            found[other.name] = problem
    return found


def clips_due(config: Config, stages: Sequence[str] = ()) -> str:
    """Say how many clips each stage would compute, as the label sheet and the media are now.

    Parameters
    ----------
    config : Config
        Its ``run`` names the requested clips (if empty, all) and the stages to recompute.
    stages : sequence of str
        The requested stages; if empty, all.
    """
    if is_adopted(config):
        return "clips to compute: none, since their features were adopted"
    clips, asked = clips_of(config), set(config.run.clips)
    if not clips:
        return "no manifest yet: the number of clips to compute is known once it is built"
    edited = edits(config, clips)
    clips = [clip for clip in edited.clips if not asked or clip.clip in asked]
    needed = _needed(config, stages)
    due, notes = [], [edited.words]
    for row in stage_status(config, clips):
        if row.stage in needed and (row.stale or row.problem):
            due.append(f"{row.stage} {'?' if row.problem else row.stale}")
            notes.append(row.words)
    counted = f"clips to compute: {', '.join(due) or 'none'} (of {len(clips)})"
    return "\n".join(filter(None, [*notes, counted]))


def _needed(config: Config, stages: Sequence[str]) -> set[str]:
    """Return the per-clip stages that the given ones need, including themselves."""
    if not stages or set(stages) - set(STAGES) - {"manifest"}:
        return set(wanted(config))
    return set(needed_for(name for name in stages if name in STAGES))


def manifest_quarantine(config: Config) -> list[QuarantineEntry]:
    """Return the clips that the manifest left out."""
    path = config.layout.manifest_quarantine
    return read_entries(path) if path.is_file() else []


def print_status(config: Config, *, with_quarantine: bool = False) -> None:
    """Print a table of the stages, the products, and the clips in quarantine."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not config.layout.manifest.is_file():
        console.print(
            f"{config.processed}: nothing has been built yet; start with chsims-build --dry-run"
        )
        return
    told = told_once(config)
    table = Table("stage", "done", "stale", "quarantined", title=str(config.processed))
    for column in table.columns[1:]:
        column.justify = "right"
    entries, clips = manifest_quarantine(config), clips_of(config)
    if is_adopted(config):
        table.add_row("adopted", str(len(read_manifest(config.processed))), "-", "-")
    else:
        table.add_row("manifest", str(len(clips)), "-", str(len(entries) or "-"))
    edited = _edited(config, clips, told)
    clips = clips if isinstance(edited, str) else edited.clips
    problems: dict[str, str] = {}
    notes = [edited if isinstance(edited, str) else edited.words]
    for row in stage_status(config, clips):
        if row.problem:
            problems.setdefault(row.problem, row.stage)
            table.add_row(row.stage, "?", "?", "?")
            continue
        table.add_row(
            row.stage, str(row.done), str(row.stale or "-"), str(len(row.quarantine) or "-")
        )
        entries += row.quarantine
        notes.append(row.words)
    console.print(table)
    for note in filter(None, notes):
        console.print(note, highlight=False, markup=False)
    for problem, stage in problems.items():
        console.print(f"{stage}: {problem}", highlight=False, markup=False)
    before_edits = not isinstance(edited, str) and bool(edited.words)
    for line in _products(config, told, before_edits=before_edits):
        console.print(line, highlight=False, markup=False)
    if entries and not with_quarantine:
        console.print(f"{len(entries)} clips in quarantine: chsims-build status --quarantine")
    for entry in entries if with_quarantine else ():
        console.print(
            f"{entry.clip} ({entry.stage}): {entry.reason}\n    -> {entry.remedy}",
            highlight=False,
            markup=False,
        )


def _edited(config: Config, clips: list[Clip], told: ToldStep) -> Edits | str:
    """Return the edits, or why they are not known: a status is worth showing all the same."""
    if is_adopted(config):
        return ""
    try:
        return edits(config, clips, told)
    except BuildError as error:
        return f"the label sheet cannot be compared with the manifest: {error}"


def print_prediction(config: Config, sentiments: dict[str, tuple[float, float]]) -> None:
    """Print the sentiments that a model predicts, from -1 (negative) to 1 (positive)."""
    from rich.console import Console
    from rich.table import Table

    names = {"M": "multimodal", "T": "text", "A": "audio", "V": "vision"}
    table = Table("task", "sentiment", "spread over seeds")
    for task, (mean, spread) in sentiments.items():
        table.add_row(f"{task} {names[task]}", f"{mean:+.2f}", f"{spread:.2f}")
    console = Console()
    console.print(table)
    if config.text.model == "demo":
        console.print("untrained text model: demo only; these numbers are meaningless")


def _products(config: Config, told: ToldStep, *, before_edits: bool) -> Iterator[str]:
    """Say for each product whether it exists and is up to date."""
    layout = config.layout
    deciding = steps_of(config)
    built = any(product.is_file() for product in products(layout))
    changed = {each.step for each in changed_settings(config, deciding, told)} if built else set()
    last = {layout.dataset: "dataset", layout.result("table2"): "train", layout.report: "report"}
    for path in products(layout):
        if not path.is_file():
            yield f"{path}: not built yet"
            continue
        size = f"{path}: {path.stat().st_size / 1e6:.1f} MB"
        before = deciding[: deciding.index(last[path]) + 1] if last[path] in deciding else []
        others = [step for step in before if step in changed]
        if before_edits or is_outdated(layout, path):
            yield f"{size}, from an earlier build (chsims-build updates it)"
        elif others:
            yield f"{size}, made with other settings of {', '.join(others)}"
        else:
            yield size
