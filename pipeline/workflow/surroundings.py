"""What must be right around a build before it is planned: its folders, and the clock."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.find import sheet_files
from pipeline.runner.limits import limit_mb
from pipeline.stages import STAGES, is_adopted

_FUTURE_SECONDS = 60
"""Clocks of two machines may be so far apart."""

_LEAST_MB = 1000
"""Address space below which Snakemake, or numba in a job, cannot even be loaded."""

_BRACES = re.compile(r"[{}]")


def check_surroundings(config: Config) -> None:
    """Check the build's folders and the dates of the label sheets.

    Raises
    ------
    BuildError
        Naming the path, what is wrong with it, and what to do.
    """
    _refuse_braces("processed", config.processed, "build elsewhere: --set processed=FOLDER")
    _refuse_files(_folders(config))
    if is_adopted(config):  # nothing of raw is read
        return
    link = f"lead a link to it: ln -s '{config.raw.absolute()}' corpus; then --set raw=corpus"
    _refuse_braces("raw", config.raw, link)
    for path in sheet_files(config):
        _refuse_braces("the label sheet", path, "rename it")
        if is_from_the_future(path):
            date = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
            raise BuildError(
                f"{path} is dated {date:%Y-%m-%d %H:%M}, in the future; what is up to date is "
                "told by dates",
                f"set this machine's clock right, or date the file anew: touch '{path}'",
            )


def check_memory_limit() -> None:
    """Refuse a limit on address space under which no job can run.

    Raises
    ------
    BuildError
        Naming the limit, and how to raise it.
    """
    limit = limit_mb()
    if limit is not None and limit < _LEAST_MB:
        raise BuildError(
            f"this shell limits each process to {limit} MB of memory (ulimit -v); a build needs "
            f"at least {_LEAST_MB} MB, and some stages several times as much",
            "raise the limit: ulimit -v unlimited",
        )


def is_from_the_future(path: Path) -> bool:
    """Tell whether a file says that it was changed later than now."""
    return path.stat().st_mtime > time.time() + _FUTURE_SECONDS


def _refuse_braces(key: str, path: Path, remedy: str) -> None:
    """Refuse braces: Snakemake sees a wildcard in them, and knows no way to escape them."""
    if _BRACES.search(str(path)):
        raise BuildError(
            f"{key}: the path {path} holds a brace ({{ or }}), which Snakemake reads as a wildcard",
            remedy,
        )


def _folders(config: Config) -> Iterator[Path]:
    """Yield the folders that a build makes, those that hold others first."""
    layout = config.layout
    yield from reversed([config.processed, *config.processed.parents])
    yield from (layout.shards, layout.settings("x").parent, layout.records("x").parent)
    yield from (layout.logs, layout.scratch, layout.experiments, layout.results, layout.exhibits)
    for stage in STAGES:
        yield from (config.processed / stage, layout.records(stage), layout.logs / stage)
    yield Path(".snakemake")


def _refuse_files(folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder.is_symlink() and not folder.exists():
            raise BuildError(
                f"{folder} is a broken link ({folder.readlink()}), expected a folder",
                f"remove it (rm '{folder}'), or make the folder that it leads to",
            )
        if folder.exists() and not folder.is_dir():
            raise BuildError(
                f"{folder} is a file, expected a folder",
                f"move it away (mv '{folder}' '{folder}.old'), or build elsewhere: "
                "--set processed=FOLDER",
            )
