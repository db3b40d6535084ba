"""Settings files: everything that decides a step's result, as an input of its jobs.

Snakemake knows a job's parameters only while its own notes (``.snakemake``) exist. A settings file
is rewritten only if its content changes, so a changed setting is detected without those notes,
too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.find import media_folders, sheet_files
from pipeline.stage import Stage
from pipeline.stages import STAGES, read_of_clips
from pipeline.store.files import digest, file_digest, package_versions, read_json, write_json
from pipeline.train.registry import MODELS
from pipeline.train.stored import DECIDING, VERSION
from pipeline.workflow.surroundings import is_from_the_future

Told = Callable[[Config], dict[str, Any]]
ToldStep = Callable[[str], dict[str, Any]]
"""Returns the value of `DECIDING_STEPS` for a step."""


def _manifest(config: Config) -> dict[str, Any]:
    return {
        "settings": config.manifest.defining(),
        "read": sorted(read_of_clips(config)),
        "audio_track": config.media.audio_track,
        "shard_size": config.shard_size,
        "media": media_fingerprint(config),
        "sheets": {path.name: file_digest(path) for path in sheet_files(config)},
    }


def _stage(name: str) -> Told:
    def of_stage(config: Config) -> dict[str, Any]:
        stage = STAGES[name]
        imported = watched_fingerprint(config, stage)
        return {
            "settings": stage.settings(config).defining(),
            "digest": stage.settings_digest(config),
            **({"imported": imported} if imported else {}),
        }

    return of_stage


def _dataset(config: Config) -> dict[str, Any]:
    return {
        "settings": config.dataset.defining(),
        "features": config.features.defining(),
        "rules": config.manifest.rules.defining(),
        "preset": config.preset,
    }


def _train(config: Config) -> dict[str, Any]:
    return {
        "settings": config.train.defining(),
        "hyper": {model: info.hyper.defining() for model, info in MODELS.items()},
        "version": VERSION,
        **package_versions(DECIDING),
    }


DECIDING_STEPS: dict[str, Told] = {
    "manifest": _manifest,
    **{name: _stage(name) for name in STAGES},
    "dataset": _dataset,
    "train": _train,
    "report": lambda config: {"settings": config.report.defining()},
}
"""What decides the result of each step, apart from the files that it reads."""


@dataclass(frozen=True)
class Changed:
    """A step whose settings file is out of date."""

    step: str
    content: Any
    is_new: bool


def changed_settings(
    config: Config,
    steps: Iterable[str],
    told: ToldStep | None = None,
) -> list[Changed]:
    """Find the settings files that must be rewritten.

    A step whose settings cannot be determined (its model or program is missing) is skipped; the
    job that needs it reports what is missing.

    Parameters
    ----------
    config : Config
        The configuration; it names the build's folder.
    steps : iterable of str
        The steps to check.
    told : callable, optional
        Returns the value of `DECIDING_STEPS` for a step, if it has been computed already.

    Returns
    -------
    list of Changed
        The steps whose settings or input files have changed since the last build, or are new.
    """
    changed = []
    for step in steps:
        try:
            content = told(step) if told else DECIDING_STEPS[step](config)
        except BuildError:
            continue
        content = json.loads(json.dumps(content))  # as it will be read back: no tuples
        before = _read(config.layout.settings(step))
        if before != content:
            changed.append(Changed(step, content, before is None))
    return changed


def told_once(config: Config) -> ToldStep:
    """Return a function that computes the value of `DECIDING_STEPS` for a step only once."""

    @cache
    def told(step: str) -> dict[str, Any]:
        return DECIDING_STEPS[step](config)

    return told


def write_settings(config: Config, changed: Iterable[Changed]) -> None:
    """Rewrite the settings files of changed steps."""
    for each in changed:
        write_json(config.layout.settings(each.step), each.content)


def is_newer(record: Path, settings: Path) -> bool:
    """Tell whether a step has run since its settings file was written."""
    try:
        return record.stat().st_mtime_ns >= settings.stat().st_mtime_ns
    except OSError:
        return False


def new_file() -> Path:
    """Return a file newer than all others: a dry run uses it instead of writing files."""
    path = Path(".snakemake") / "chsims-build" / "changed"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def _read(path: Path) -> Any:
    """Read a settings file; one from the future would be newer than all that is made with it."""
    try:
        return None if is_from_the_future(path) else read_json(path)
    except (OSError, ValueError):
        return None


def media_fingerprint(config: Config) -> str:
    """Return a digest of the media files' names, sizes and times."""
    folders = media_folders(config)
    return _fingerprint(
        folders.root,
        (
            f"{folder}{os.sep}{name}"
            for video, folder in sorted(folders.videos.items())
            for names in folders.files(video).values()
            for name in names
        ),
    )


def watched_fingerprint(config: Config, stage: Stage) -> str:
    """Return a digest of the names, sizes and times of a stage's further files, or ''."""
    watched = stage.watched(config)
    return _fingerprint(*watched) if watched else ""


def _fingerprint(root: Path, paths: Iterable[Path | str]) -> str:
    """Digest file names relative to `root`, so that the folder can be moved."""
    files: list[list[Any]] = []
    start = f"{root}{os.sep}"
    for path in paths:
        whole = str(path)  # strings are cheaper than paths, and there may be many thousands
        inside = whole.startswith(start)
        name = whole[len(start) :] if inside else str(Path(path).relative_to(root))
        try:
            status = os.stat(whole)  # noqa: PTH116
        except OSError as error:  # a broken link, for example: the clip's own step says so
            files.append([name, error.strerror])
            continue
        files.append([name, status.st_size, status.st_mtime_ns])
    return digest(files)
