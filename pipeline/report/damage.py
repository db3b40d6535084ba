"""Files of a build that are not as they were written: the report names what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.stages import STAGES
from pipeline.store.files import read_json
from pipeline.store.layout import Layout
from pipeline.store.made import Made, again, read_made
from pipeline.store.quarantine import read_entries, read_quarantine
from pipeline.store.records import read_record
from pipeline.train.stored import METRICS_FILE, seed_fault, stored_key

_LARGE = 100_000_000
"""Bytes from which a file is read whole only if its time says that it was changed."""


def damaged_files(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Yield each damaged file's name, what is wrong with it, and the command that makes it again.

    Feature files and large weights are read whole by ``chsims-build verify`` only.

    Parameters
    ----------
    layout : Layout
        The build's folder.
    """
    seen: set[Path] = set()
    for step in layout.steps_made:
        if step != "report":  # the page that is being made
            yield from _of_step(layout, step, seen)
    for path, command in _unrecorded(layout):
        if path.is_file() and path not in seen:
            yield from _if_unreadable(layout, path, command)
    for path in sorted(layout.experiments.glob(f"*/*/seed_*/{METRICS_FILE}")):
        fault = _seed_fault(path.parent)
        if fault:
            yield _name(layout, path.parent), fault, again("train")


def _of_step(layout: Layout, step: str, seen: set[Path]) -> Iterator[tuple[str, str, str]]:
    record = layout.made(step)
    try:
        since, made = record.stat().st_mtime_ns, read_made(layout, step)
    except (OSError, ValueError):
        yield _name(layout, record), "is damaged", again(step)
        return
    for each in made:
        seen.add(each.path)
        fault = _fault(each, since)
        if fault:
            yield _name(layout, each.path), fault, again(step)


def _fault(made: Made, since: int) -> str:
    try:
        if made.size >= _LARGE and made.is_untouched(since):
            return ""
        return made.fault()
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _seed_fault(folder: Path) -> str:
    if sum(path.stat().st_size for path in folder.iterdir()) < _LARGE:
        return "is damaged" if seed_fault(folder) else ""
    return "" if stored_key(folder) else "is damaged"


def _unrecorded(layout: Layout) -> Iterator[tuple[Path, str]]:
    """Yield files that another step's record does not name, or whose record is gone."""
    yield layout.quarantine, again("dataset")
    yield layout.manifest_quarantine, again("manifest")
    for path in sorted(layout.results.glob("*.json")):
        yield path, again(f"results_{path.stem}")
    for stage in STAGES:
        for path in sorted(layout.records(stage).glob("*.json")):
            yield path, f"chsims-build --stage {stage}"


def _if_unreadable(layout: Layout, path: Path, command: str) -> Iterator[tuple[str, str, str]]:
    try:
        if path == layout.quarantine:
            read_quarantine(path)
        elif path == layout.manifest_quarantine:
            read_entries(path)
        elif path.parent.parent == layout.records("x").parent:
            read_record(path)
        else:
            read_json(path)
    except (OSError, ValueError, BuildError) as error:
        yield _name(layout, path), f"cannot be read ({error.__cause__ or error})", command


def _name(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.root).as_posix()
