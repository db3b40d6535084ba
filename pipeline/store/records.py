"""Records: what a job has made, which Snakemake tracks in place of the feature files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.store.files import read_sealed, write_sealed
from pipeline.store.quarantine import QuarantineEntry


@dataclass(frozen=True)
class Record:
    """The result of one job of a stage.

    Parameters
    ----------
    clips : mapping of str to str
        The key of each finished clip, computed now or earlier.
    quarantine : tuple of QuarantineEntry
        The clips that it could not use, including those of earlier stages.
    """

    clips: Mapping[str, str]
    quarantine: tuple[QuarantineEntry, ...]


def write_record(path: Path, clips: Mapping[str, str], bad: Iterable[QuarantineEntry]) -> None:
    """Write a job's record."""
    in_order = sorted(bad, key=lambda entry: entry.clip)
    write_sealed(
        path, {"clips": dict(clips), "quarantine": [entry.as_dict() for entry in in_order]}
    )


def read_record(path: Path) -> Record:
    """Read a job's record.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If it is not a record.
    """
    try:
        values = read_sealed(path)
        entries = tuple(QuarantineEntry.of(row) for row in values["quarantine"])
        return Record(dict(values["clips"]), entries)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a record of a job: {error!r}") from error


def read_finished(path: Path, stage: str) -> Record:
    """Read the record of a job that must have finished.

    Raises
    ------
    BuildError
        If it has not finished, or its record cannot be read.
    """
    try:
        return read_record(path)
    except (OSError, ValueError) as error:
        found = "does not exist" if isinstance(error, FileNotFoundError) else f"is damaged: {error}"
        raise BuildError(
            f"the {stage} stage is not finished: {path} {found}",
            f"build it: chsims-build --stage {stage}",
        ) from error
