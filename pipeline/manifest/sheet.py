"""The label sheet: label.csv with one line per clip, or annotations.csv with one line per vote.

Light to import: the Snakefile reads it whenever it is parsed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.manifest.checks import (
    has_labels,
    id_columns,
    keep_faults,
    label_faults,
    notes,
    require,
)
from pipeline.manifest.find import find_corpus, find_table, reads_transcripts
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.row import SheetRow, row_of
from pipeline.manifest.table import Table, read_table
from pipeline.manifest.votes import ClipVotes, Vote, flat, identity, read_votes

if TYPE_CHECKING:
    from pipeline.config import Config

_VOTE_COLUMNS = frozenset(("modality", "annotator", "vote"))


@dataclass(frozen=True)
class Sheet:
    """A label sheet that was read.

    Parameters
    ----------
    path : Path
        The file.
    rows : tuple of SheetRow
        Its clips in order.
    votes : tuple of Vote or None
        The votes that count, where annotations.csv was read.
    labelled : bool
        Whether any clip has a label; without one no model is trained.
    notes : tuple of str
        What a person should know about how it was read.
    """

    path: Path
    rows: tuple[SheetRow, ...]
    votes: tuple[Vote, ...] | None
    labelled: bool = True
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """The labels (M, T, A, V) that at least one clip has."""
        return frozenset(
            label
            for label in LABELS
            if any(not math.isnan(getattr(row, label)) for row in self.rows)
        )


def sheet_rows(config: Config) -> list[SheetRow]:
    """Return the sheet's rows in order, ids padded to the media files' names.

    Raises
    ------
    BuildError
        If there is no sheet, or it lacks columns or rows.
    """
    return list(read_sheet(config).rows)


def read_sheet(config: Config, folders: MediaFolders | None = None) -> Sheet:
    """Read the label sheet that `find_corpus` finds.

    A sheet with the columns modality, annotator and vote is averaged into labels; the
    transcripts come from its own ``text`` column, else from transcripts.csv or label.csv
    next to it. A label.csv without label columns takes its labels from annotations.csv next
    to it. With them, its labels stand, missing ones are taken from the votes, and the votes
    are checked and kept.
    """
    found = find_corpus(config)
    folders = folders or MediaFolders(config.raw, found.folder)
    sheet = (
        _of_videos(found.folder, folders)
        if found.sheet is None
        else _read(found.sheet, config, folders)
    )
    return replace(sheet, notes=(*found.notes, *sheet.notes))


def _read(path: Path, config: Config, folders: MediaFolders) -> Sheet:
    settings = config.manifest
    encoding = settings.encoding
    table = read_table(path, encoding, settings.keep_columns)
    if table.columns.keys() >= _VOTE_COLUMNS:
        return _sheet_of_votes(table, config, folders)
    votes_path = find_table(path.parent, "annotations", (".csv",))
    votes: dict[str, ClipVotes] | None = None
    told: tuple[str, ...] = ()
    if votes_path is not None and votes_path != path:
        vote_table = read_table(votes_path, encoding)
        require(vote_table, (*id_columns(vote_table), *sorted(_VOTE_COLUMNS)))
        votes, told = read_votes(vote_table, folders), vote_table.notes
    columns = [name for name in LABELS if name in table.columns]
    faults = [*keep_faults(table, settings.keep_columns)]
    if votes is None or columns:
        faults += label_faults(table, settings.label_range)
    text = ("text",) if reads_transcripts(config) else ()
    require(table, (*id_columns(table), *text), faults)
    rows = [
        row_of(i, record, folders, table.columns, label_range=settings.label_range)
        for i, record in enumerate(table.records)
    ]
    _require_rows(path, rows)
    labelled = bool(columns) and has_labels(rows)
    if votes is not None:
        rows = [_with_votes(row, votes.get(row.clip), labelled) for row in rows]
        labelled = has_labels(rows)
    return Sheet(
        path,
        tuple(rows),
        None if votes is None else tuple(flat(votes)),
        labelled,
        (*notes(table, rows, labelled, settings.label_range), *told),
    )


def _of_videos(folder: Path, folders: MediaFolders) -> Sheet:
    """List the clips of a corpus that has no sheet, by their names."""
    names = sorted(
        (video, clip)
        for video in folders.videos
        for clip in folders.files(video)
        if not clip.startswith(".")
    )
    rows = tuple(SheetRow(row, 0, *name) for row, name in enumerate(names))
    return Sheet(folder, rows, None, labelled=False)


def _sheet_of_votes(table: Table, config: Config, folders: MediaFolders) -> Sheet:
    require(table, id_columns(table))
    votes = read_votes(table, folders)
    transcripts, told = _transcripts(table, config, folders)
    rows = _rows_of_votes(votes, transcripts)
    _require_rows(table.path, rows)
    return Sheet(table.path, tuple(rows), tuple(flat(votes)), True, (*table.notes, *told))


def _require_rows(path: Path, rows: Sequence[SheetRow]) -> None:
    if not rows:
        raise BuildError(
            f"{path} has a header and no clip", "add one line per clip below the header"
        )


def _transcripts(
    table: Table, config: Config, folders: MediaFolders
) -> tuple[list[SheetRow], tuple[str, ...]]:
    """Return rows with the transcripts that belong to a sheet of votes, and notes on them."""
    keep = config.manifest.keep_columns
    if "text" in table.columns:
        require(table, (), [*keep_faults(table, keep)])
        first: dict[tuple[str, str], SheetRow] = {}
        for record in table.records:
            key = folders.full_ids(*identity(record))[:2]
            if key not in first or (record["text"] and not first[key].text):
                first[key] = row_of(0, record, folders, table.columns, labelled=False)
        return list(first.values()), ()
    for stem in ("transcripts", "label"):
        path = find_table(table.path.parent, stem, (".csv",))
        if path is not None:
            found = read_table(path, config.manifest.encoding, keep)
            require(found, (*id_columns(found), "text"), [*keep_faults(found, keep)])
            rows = [
                row_of(0, record, folders, found.columns, labelled=False)
                for record in found.records
            ]
            return [_of_another_sheet(row, path) for row in rows], found.notes
    raise BuildError(
        f"{table.path} has votes but no transcripts; found the columns {', '.join(table.header)}",
        f"add a text column, or put transcripts.csv (clip, text) into {table.path.parent}",
    )


def _of_another_sheet(row: SheetRow, path: Path) -> SheetRow:
    """Let a row's problems name their own sheet and line, since the row's is the votes'."""
    where = f"{path.name}, line {row.line}"
    return replace(row, line=0, problems=tuple(f"{where}: {p}" for p in row.problems))


def _rows_of_votes(votes: dict[str, ClipVotes], transcripts: list[SheetRow]) -> list[SheetRow]:
    """Join votes and transcripts: the transcripts' order, then clips that have votes alone."""
    rows = [_with_votes(row, votes.get(row.clip), labelled=False) for row in transcripts]
    known = {row.clip for row in rows}
    for name, clip in votes.items():
        if name not in known:
            bare = SheetRow(0, 0, clip.video_id, clip.clip_id)
            rows.append(_with_votes(bare, clip, labelled=False))
    return [replace(row, row=i) for i, row in enumerate(rows)]


def _with_votes(row: SheetRow, clip: ClipVotes | None, labelled: bool) -> SheetRow:
    """Give a row its votes' means as labels, except for the labels it has: compare those."""
    if clip is None:
        return replace(row, vote_problems=("it has no votes",))
    means = {name: mean for name in LABELS if (mean := clip.mean(name)) is not None}
    missing: dict[str, Any] = {m: v for m, v in means.items() if math.isnan(getattr(row, m))}
    differing = [
        f"its label {name} is {getattr(row, name):g}, its votes' mean {mean:g}"
        for name, mean in means.items()
        if name not in missing and abs(getattr(row, name) - mean) > 1e-6
    ]
    if labelled:
        doubts = (*clip.unusable, *clip.doubtful, *differing)
        return replace(row, **missing, vote_problems=doubts)
    return replace(
        row,
        **missing,
        problems=(*row.problems, *clip.unusable),
        vote_problems=tuple(clip.doubtful),
    )
