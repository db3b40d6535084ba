"""Choosing the runtime: the one that is named, or the first that answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.openface.runtimes.apptainer import Apptainer
from pipeline.openface.runtimes.base import Found, Runtime, RuntimeUnavailableError
from pipeline.openface.runtimes.docker import Docker
from pipeline.openface.runtimes.engine import remove_left_over
from pipeline.openface.runtimes.native import Native
from pipeline.openface.runtimes.podman import Podman
from pipeline.openface.settings import OpenFaceSettings

RUNTIMES: tuple[type[Runtime], ...] = (Apptainer, Podman, Docker, Native)
"""Every runtime that starts OpenFace, in the order in which ``auto`` asks them."""


@dataclass(frozen=True)
class Selection:
    """The runtime that is used, what was found of it, and why it was taken."""

    runtime: Runtime
    found: Found
    reason: str


@lru_cache(maxsize=16)
def select_runtime(settings: OpenFaceSettings) -> Selection:
    """Return the runtime to use; the answer is kept for the life of the process.

    Raises
    ------
    BuildError
        If the named runtime cannot be used, or none can: with the reason and the remedy of each.
    """
    if settings.runtime != "auto":
        (named,) = (kind(settings) for kind in RUNTIMES if kind.name == settings.runtime)
        return Selection(named, named.find(), f"openface.runtime is {settings.runtime}")
    refused: list[tuple[str, RuntimeUnavailableError]] = []
    for kind in RUNTIMES:
        runtime = kind(settings)
        try:
            found = runtime.find()
        except RuntimeUnavailableError as error:
            refused.append((kind.name, error))
            continue
        return Selection(runtime, found, _why(kind.name, refused))
    reasons = "\n".join(f"  {name}: {error.problem}" for name, error in refused)
    remedies = "\n     ".join(f"{name}: {error.remedy}" for name, error in refused if error.remedy)
    raise BuildError(
        f"no way to run OpenFace was found on this machine:\n{reasons}",
        f"one of these is enough:\n     {remedies}\n     import: set openface.runtime: import and "
        "openface.import_folder, if you have OpenFace's CSVs",
    )


def end_left_over(work: Path) -> None:
    """End the containers of a build whose jobs and guards were all killed.

    Such a job has left its scratch folder, too: without one, no engine is asked.

    Parameters
    ----------
    work : Path
        The build's folder of scratch folders; it need not exist.

    Raises
    ------
    BuildError
        If a container cannot be removed.
    """
    if not work.is_dir() or not any(work.iterdir()):
        return
    for kind in (Podman, Docker):
        left = remove_left_over(kind, work)
        if left:
            raise BuildError(
                f"{kind.name} does not end the containers of a killed build: {', '.join(left)}",
                f"end them: {kind.name} rm --force {' '.join(left)}",
            )


def _why(name: str, refused: list[tuple[str, RuntimeUnavailableError]]) -> str:
    if not refused:
        return f"{name} is the first runtime asked, and it answers"
    return f"{name} is the first that answers; " + "; ".join(error.problem for _, error in refused)
