"""The list of clips that were left out: one type, one reader, one writer."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import read_json, write_json, written_whole


@dataclass(frozen=True)
class QuarantineEntry:
    """A clip that cannot be used.

    Parameters
    ----------
    clip : str
        Its id, or the text in its place in the sheet.
    stage : str
        The stage that failed.
    reason : str
        Why it failed.
    remedy : str
        What the user can do about it.
    """

    clip: str
    stage: str
    reason: str
    remedy: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> QuarantineEntry:
        """Return the entry of a row of JSON or CSV; missing fields are empty."""
        return cls(*(str(row.get(field.name) or "") for field in fields(cls)))

    def as_dict(self) -> dict[str, str]:
        """Return the entry as it is written to JSON and CSV."""
        return asdict(self)


def read_entries(path: Path) -> list[QuarantineEntry]:
    """Read entries from a JSON list, e.g. of the manifest.

    Raises
    ------
    BuildError
        If there is no such file, or it is not such a list.
    """
    try:
        return [QuarantineEntry.of(row) for row in read_json(path)]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BuildError(
            f"{path} is missing or damaged ({error})",
            "make it again: chsims-build --stage manifest --force",
        ) from error


def write_entries(path: Path, entries: Iterable[QuarantineEntry]) -> None:
    """Write entries as a JSON list."""
    write_json(path, [entry.as_dict() for entry in entries])


def read_quarantine(path: Path) -> list[QuarantineEntry]:
    """Read ``quarantine.csv``.

    Raises
    ------
    BuildError
        If there is no such file, or it cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as stream:
            rows = csv.DictReader(line.replace("\0", "") for line in stream)
            if "clip" not in (rows.fieldnames or ()):
                raise ValueError("it has no column clip")
            return [QuarantineEntry.of(row) for row in rows if row.get("clip")]
    except (OSError, csv.Error, ValueError) as error:
        raise BuildError(
            f"{path} cannot be read ({error})",
            "make it again: chsims-build --stage dataset --force",
        ) from error


def write_quarantine(path: Path, entries: Iterable[QuarantineEntry]) -> None:
    """Write ``quarantine.csv``, in the order given."""
    columns = [field.name for field in fields(QuarantineEntry)]
    with (
        written_whole(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entry.as_dict() for entry in entries)


def merged(entries: Iterable[QuarantineEntry]) -> list[QuarantineEntry]:
    """Keep each clip's first entry: later stages repeat the entries of earlier ones."""
    first: dict[str, QuarantineEntry] = {}
    unnamed: list[QuarantineEntry] = []
    for entry in entries:
        if entry.stage == "manifest":
            unnamed.append(entry)  # unsafe ids may look alike, so every line stays
        else:
            first.setdefault(entry.clip, entry)
    return [*unnamed, *first.values()]


def nothing_left(entries: list[QuarantineEntry]) -> BuildError:
    """Return the error of a build in which no clip survived, with the reasons counted."""
    reasons = Counter((entry.stage, entry.reason) for entry in entries)
    shown = "\n".join(
        f"  {count} x {stage}: {reason}" for (stage, reason), count in reasons.most_common(5)
    )
    more = f"\n  and {len(reasons) - 5} other reasons" if len(reasons) > 5 else ""
    return BuildError(
        f"no clip is left for the dataset: all {len(entries)} are in quarantine\n{shown}{more}",
        entries[0].remedy if entries else "the label sheet has no usable clip",
    )
