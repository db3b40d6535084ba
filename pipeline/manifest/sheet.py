"""The label sheet: label.csv with one line a clip, or annotations.csv with one line a vote.

Standard library only: the Snakefile asks for the number of shards whenever it is parsed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.row import SPELLINGS, SheetRow, row_of
from pipeline.manifest.table import Table, read_table
from pipeline.manifest.votes import ClipVotes, Vote, flat, identity, read_votes

if TYPE_CHECKING:
    from pipeline.config import Config

_VOTE_COLUMNS = frozenset(("modality", "annotator", "vote"))
_TRANSCRIPT_SHEETS = ("label.csv", "transcripts.csv")


@dataclass(frozen=True)
class Sheet:
    """The sheet's rows and, where annotations.csv was read, the votes that count."""

    path: Path
    rows: tuple[SheetRow, ...]
    votes: tuple[Vote, ...] | None


def sheet_rows(config: Config) -> list[SheetRow]:
    """Return the sheet's rows in order, ids padded to the media files' names.

    Raises
    ------
    BuildError
        If there is no sheet, or it lacks columns or rows.
    """
    return list(read_sheet(config).rows)


def shard_count(config: Config) -> int:
    """Return the number of shards: the sheet's rows by ``shard_size``, rounded up."""
    return -(-len(read_sheet(config).rows) // config.shard_size)


def read_sheet(config: Config, folders: MediaFolders | None = None) -> Sheet:
    """Read the label sheet that `config` names, or label.csv, or annotations.csv.

    A sheet with the columns modality, annotator and vote is averaged into labels; the
    transcripts come from its own ``text`` column, else from label.csv or transcripts.csv
    beside it. A label.csv without a ``label`` column takes its labels from annotations.csv
    beside it; with one, its labels stand and the votes are checked and kept.
    """
    folders = folders or MediaFolders(config.raw)
    path = find_sheet(config)
    encoding = config.manifest.encoding
    table = read_table(path, encoding, SPELLINGS)
    votes_path = _beside(path, "annotations.csv")
    votes: dict[str, ClipVotes] | None = None
    if table.columns >= _VOTE_COLUMNS:
        votes = read_votes(table, folders)
        labelled = any("M" in clip.by_modality for clip in votes.values())
        _require(table, labelled, "a vote on modality M")
        rows = _rows_of_votes(votes, _transcripts(table, encoding, folders))
    else:
        if votes_path is not None and votes_path != path:
            vote_table = read_table(votes_path, encoding, SPELLINGS)
            _require_columns(vote_table, (*_id_columns(vote_table), *sorted(_VOTE_COLUMNS)))
            votes = read_votes(vote_table, folders)
        labels = () if votes is not None else ("M",)
        _require_columns(table, (*_id_columns(table), "text", *labels))
        labelled = "M" in table.columns
        rows = [row_of(i, record, folders) for i, record in enumerate(table.records)]
        if votes is not None:
            rows = [_with_votes(row, votes.get(row.clip), labelled) for row in rows]
    if not rows:
        raise BuildError(
            f"{table.path} has a header and no clip", "add one line a clip below the header"
        )
    return Sheet(path, tuple(rows), None if votes is None else tuple(flat(votes)))


def find_sheet(config: Config) -> Path:
    """Return the path of the label sheet."""
    raw = config.raw
    if not raw.is_dir():
        raise BuildError(
            f"the folder {raw} does not exist; expected raw clips and their label sheet there",
            "set raw to the corpus folder: --set raw=/path/to/CH-SIMS",
        )
    if config.manifest.sheet is not None:
        path = raw / config.manifest.sheet
        if path.is_file():
            return path
        wanted = f"the label sheet {path} (manifest.sheet)"
    else:
        for name in ("label.csv", "annotations.csv"):
            if (found := _beside(raw / name, name)) is not None:
                return found
        wanted = f"label.csv or annotations.csv in {raw}"
    tables = sorted(p.name for p in raw.glob("*") if p.suffix.lower() in (".csv", ".tsv", ".xlsx"))
    remedy = "put label.csv there (columns video_id, clip_id, text, label; docs/data-format.md)"
    if tables:
        remedy = f"found {', '.join(tables[:5])}: name the sheet with --set manifest.sheet=NAME"
    elif _beside(raw.resolve().parent / "label.csv", "label.csv") is not None:
        remedy = f"label.csv lies one folder up: --set raw={raw.resolve().parent}"
    raise BuildError(f"no label sheet: expected {wanted}", remedy)


def sheet_files(config: Config) -> list[Path]:
    """Return every file that `read_sheet` may read, the sheet first: what a build depends on."""
    sheet = find_sheet(config)
    names = ("annotations.csv", *_TRANSCRIPT_SHEETS)
    others = [found for name in names if (found := _beside(sheet, name)) is not None]
    return [sheet, *(path for path in others if path != sheet)]


def _beside(path: Path, name: str) -> Path | None:
    """Find a file by name in a path's folder, whatever the case of its letters."""
    same = [p for p in path.parent.glob("*.[cC][sS][vV]") if p.name.casefold() == name]
    return min(same, default=None)


def _id_columns(table: Table) -> tuple[str, ...]:
    return ("clip",) if "clip" in table.columns else ("video_id", "clip_id")


def _require_columns(table: Table, expected: tuple[str, ...]) -> None:
    lacking = [SPELLINGS[name][0] for name in expected if name not in table.columns]
    _require(
        table,
        not lacking,
        f"the columns {', '.join(SPELLINGS[name][0] for name in expected)}",
        f"lacks {', '.join(lacking)}",
    )


def _require(table: Table, satisfied: bool, expected: str, lacks: str = "has none") -> None:
    if satisfied:
        return
    raise BuildError(
        f"{table.path} {lacks}; expected {expected}; found the columns "
        f"{', '.join(table.header) or '(none: the file is empty)'}",
        "rename the columns in the sheet's first line (any order will do), or name another "
        "sheet with --set manifest.sheet=NAME",
    )


def _transcripts(table: Table, encoding: str, folders: MediaFolders) -> list[SheetRow]:
    """Return rows with the transcripts that belong to a sheet of votes."""
    _require_columns(table, _id_columns(table))
    if "text" in table.columns:
        first: dict[tuple[str, str], SheetRow] = {}
        for record in table.records:
            key = folders.full_ids(*identity(record))[:2]
            if key not in first or (record["text"] and not first[key].text):
                first[key] = row_of(0, record, folders, labelled=False)
        return list(first.values())
    for name in _TRANSCRIPT_SHEETS:
        path = _beside(table.path, name)
        if path is not None:
            found = read_table(path, encoding, SPELLINGS)
            _require_columns(found, (*_id_columns(found), "text"))
            return [row_of(0, record, folders, labelled=False) for record in found.records]
    raise BuildError(
        f"{table.path} has votes but no transcripts; found the columns {', '.join(table.header)}",
        f"add a text column, or put transcripts.csv (clip, text) into {table.path.parent}",
    )


def _rows_of_votes(votes: dict[str, ClipVotes], transcripts: list[SheetRow]) -> list[SheetRow]:
    """Join votes and transcripts: the transcripts' order, then clips that have votes alone."""
    rows = [_with_votes(row, votes.get(row.clip), labelled=False) for row in transcripts]
    known = {row.clip for row in rows}
    for name, clip in votes.items():
        if name not in known:
            bare = SheetRow(0, clip.line, clip.video_id, clip.clip_id)
            rows.append(_with_votes(bare, clip, labelled=False))
    return [replace(row, row=i) for i, row in enumerate(rows)]


def _with_votes(row: SheetRow, clip: ClipVotes | None, labelled: bool) -> SheetRow:
    """Give a row its votes' means as labels, or compare them with the labels it has."""
    if clip is None:
        if labelled:
            return replace(row, vote_problems=("it has no votes",))
        return replace(row, problems=(*row.problems, "it has no votes"))
    means = {name: clip.mean(name) for name in LABELS}
    if labelled:
        differing = [
            f"its label {name} is {getattr(row, name):g}, its votes' mean {mean:g}"
            for name, mean in means.items()
            if mean is not None and abs(getattr(row, name) - mean) > 1e-6
        ]
        return replace(row, vote_problems=(*clip.unusable, *clip.doubtful, *differing))
    labels: dict[str, Any] = {m: math.nan if v is None else v for m, v in means.items()}
    return replace(
        row,
        **labels,
        problems=(*row.problems, *clip.unusable),
        vote_problems=tuple(clip.doubtful),
    )
