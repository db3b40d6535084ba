"""chsims-build export: one dataset to one format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.exports.output import Output
from pipeline.exports.registry import FORMATS
from pipeline.exports.source import opened
from pipeline.store.made import check_made


@dataclass(frozen=True)
class Exported:
    """A finished export.

    Parameters
    ----------
    path : Path
        Where it lies.
    left_out : list of str
        What the format cannot carry.
    was_there : bool
        An earlier call had made the same export, and nothing was written.
    """

    path: Path
    left_out: list[str]
    was_there: bool


def export(
    config: Config,
    to: str,
    output: Path | None = None,
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda words: None,
) -> Exported:
    """Export the dataset of a build.

    Parameters
    ----------
    config : Config
        Names the build's folder.
    to : str
        A name of `FORMATS`.
    output : Path, optional
        File or folder to write; by default ``exports/FORMAT`` in the build's folder.
    force : bool
        Rename something else that lies there instead of refusing.
    say : callable
        Prints a line for the user.

    Raises
    ------
    BuildError
        If there is no dataset or it is damaged, the format cannot hold it, or something that is
        not an export lies at `output`.
    """
    form = FORMATS[to]
    check_made(config.layout, "dataset")
    path = output or config.layout.exports / f"{to}{form.suffix}"
    with opened(config) as source:
        identity = {
            "format": to,
            "version": form.version,
            "dataset": source.digest,
            **form.options(source),
        }
        place = Output(path.absolute(), identity, is_folder=not form.suffix)
        left_out = form.left_out(source)
        if place.is_up_to_date():
            return Exported(path, left_out, was_there=True)
        for words in place.begin(force=force):
            say(words)
        form.write(source, place)
        place.finish(left_out)
    return Exported(path, left_out, was_there=False)
