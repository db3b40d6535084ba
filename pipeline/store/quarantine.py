"""The whole list of clips that were left out, gathered from every stage."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BuildError
from pipeline.store.files import written_whole

if TYPE_CHECKING:
    import pandas as pd

QUARANTINE = "quarantine.csv"
COLUMNS = ("clip", "stage", "reason", "remedy")

Entry = dict[str, str]


@dataclass(frozen=True)
class QuarantineEntry:
    """A clip that cannot be used: where it failed, why, and what a person can do."""

    clip: str
    stage: str
    reason: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """Return the entry as it is written to JSON and CSV."""
        return asdict(self)


def read_quarantine(processed: Path) -> pd.DataFrame:
    """Read the list of clips left out.

    Returns
    -------
    DataFrame
        Columns clip, stage, reason, remedy, all strings; no rows when every clip is used.

    Raises
    ------
    BuildError
        If the dataset stage has not run.
    """
    import pandas as pd

    path = processed / QUARANTINE
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[list(COLUMNS)]
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(
            f"{path} cannot be read ({error})", "build it: chsims-build --stage dataset"
        ) from error


def write_quarantine(processed: Path, entries: Iterable[Entry]) -> None:
    """Write the list, in the order given."""
    with (
        written_whole(processed / QUARANTINE) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: entry[name] for name in COLUMNS} for entry in entries)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Keep a clip's first entry: later stages carry earlier ones' entries along."""
    first: dict[str, Entry] = {}
    unnamed: list[Entry] = []
    for entry in entries:
        if entry["stage"] == "manifest":
            unnamed.append(entry)  # unsafe ids may look alike; each line stays
        else:
            first.setdefault(entry["clip"], entry)
    return [*unnamed, *first.values()]


def nothing_left(entries: list[Entry]) -> BuildError:
    """Return the error of a build in which no clip survived, with the reasons counted."""
    reasons = Counter((entry["stage"], entry["reason"]) for entry in entries)
    shown = "\n".join(
        f"  {count} x {stage}: {reason}" for (stage, reason), count in reasons.most_common(5)
    )
    more = f"\n  and {len(reasons) - 5} other reasons" if len(reasons) > 5 else ""
    return BuildError(
        f"no clip is left for the dataset: all {len(entries)} are in quarantine\n{shown}{more}",
        entries[0]["remedy"] if entries else "the label sheet has no usable clip",
    )
