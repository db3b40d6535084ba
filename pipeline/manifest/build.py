"""manifest: one table of usable clips, the quarantine, and the shards of the extractors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config, available_cores
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.examine import Examined, examine, is_placed
from pipeline.manifest.find import media_folders
from pipeline.manifest.media import Media, MediaReader
from pipeline.manifest.numbers import all_numbers, number
from pipeline.manifest.parquet import (
    OWN_NAMES,
    column_names,
    manifest_schema,
    read_table,
    vote_schema,
    write_table,
)
from pipeline.manifest.places import places_of
from pipeline.manifest.sheet import Sheet, read_sheet
from pipeline.store.layout import Layout
from pipeline.store.made import again, note_made
from pipeline.store.quarantine import QuarantineEntry, write_entries
from pipeline.store.shards import shard_content, shard_name, write_shard
from pipeline.terminal import tracked

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 10
_NOTES = "chsims_sheet_notes"
"""Key of the notes in the metadata of ``manifest.parquet``."""


def build_manifest(config: Config, *, progress: bool = True) -> tuple[str, ...]:
    """Read the label sheet, find and probe the media, apply the corpus rules, write it all.

    Writes ``manifest.parquet``, ``manifest_quarantine.json``, ``shards/*.json`` and, where
    annotations.csv was read, ``votes.parquet`` below ``config.processed``; a file is
    written whole or not at all. The same inputs give the same bytes, except that clips keep the
    shards that earlier builds gave them.

    Parameters
    ----------
    config : Config
        ``raw``, ``processed``, ``shard_size``, ``on_bad_clip`` and ``manifest``.
    progress : bool
        Show a progress bar when standard error is a terminal.

    Returns
    -------
    tuple of str
        What a person should know about how the sheet was read; `sheet_notes` gives it later.

    Raises
    ------
    BuildError
        If there is no sheet, it lacks columns or rows, or a clip is bad and
        ``on_bad_clip`` is stop.
    """
    folders = media_folders(config)
    sheet = read_sheet(config, folders)
    reader = MediaReader(folders, config.processed, available_cores(), config.media.audio_track)

    def read(paths: Iterable[Path]) -> Iterator[Media | ClipError]:
        return tracked(reader.read(paths), "manifest", len(sheet.rows), shown=progress)

    examined = examine(config, sheet, folders, read)
    if examined.quarantine and config.on_bad_clip == "stop":
        raise _stop(examined.quarantine)
    _write(config, sheet, examined)
    return sheet.notes


def _stop(quarantine: Sequence[QuarantineEntry]) -> BuildError:
    """Make one error of all clips that cannot be used."""
    shown = "".join(f"\n  clip {e.clip}: {e.reason}" for e in quarantine[:_SHOWN])
    more = f"\n  and {len(quarantine) - _SHOWN} more" if len(quarantine) > _SHOWN else ""
    return BuildError(
        f"{len(quarantine)} clip(s) cannot be used (on_bad_clip is stop):{shown}{more}",
        "; ".join(dict.fromkeys(e.remedy for e in quarantine[:_SHOWN])),
    )


def read_manifest(processed: Path, kept: Sequence[str] = ()) -> pd.DataFrame:
    """Read the table of usable clips.

    Parameters
    ----------
    processed : Path
        The build's folder.
    kept : sequence of str
        Columns of the label sheet that it must have (``manifest.keep_columns``).

    Returns
    -------
    DataFrame
        One row per clip in the sheet's order; columns as in docs/architecture.md. Missing
        strings are NaN, `warnings` are lists.

    Raises
    ------
    BuildError
        If the manifest has not been built.
    """
    import pandas as pd

    path = Layout(processed).manifest
    try:
        table = read_table(path)
        if not {*OWN_NAMES, *kept} <= {*table.columns}:
            raise ValueError("columns are missing")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    table["warnings"] = pd.Series([list(w) for w in table["warnings"]], dtype=object)
    return table


def read_columns(processed: Path, names: Sequence[str]) -> Any:
    """Read some columns of the table of usable clips, as a pyarrow table: one row per clip.

    Raises
    ------
    BuildError
        If the manifest has not been built, or lacks a column.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    path = Layout(processed).manifest
    try:
        if not {*OWN_NAMES, *names} <= {*column_names(path)}:
            raise ValueError("columns are missing")
        return pq.read_table(path, columns=list(names))
    except (OSError, ValueError, ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> BuildError:
    return BuildError(f"{path} cannot be read ({error})", f"make it again: {again('manifest')}")


def shards_of(config: Config, sheet: Sheet, examined: Examined) -> Iterator[dict[str, Any]]:
    """Yield the content of each shard file, in the order of their numbers."""
    size = config.shard_size
    shards = places_of(config.layout, (row.clip for row in sheet.rows if is_placed(row)), size)
    for shard in shards:
        usable = map(examined.accepted_clip, shard)
        yield shard_content((_for_shard(entry) for entry in usable if entry), shard, size)


def _for_shard(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what the extractors need to know of a clip."""
    named = {name: entry[name] for name in ("clip", "media", "media_digest", "text", "streams")}
    return {**named, "seconds": entry["duration"]}


def _write(config: Config, sheet: Sheet, examined: Examined) -> None:
    layout = config.layout
    paths = []
    for place, content in enumerate(shards_of(config, sheet, examined)):
        paths.append(layout.shard(shard_name(place)))
        write_shard(paths[-1], content)
    for stale in {*layout.numbered_shards} - {*paths}:
        stale.unlink()
    write_entries(layout.manifest_quarantine, examined.quarantine)
    if sheet.votes is None:
        layout.votes.unlink(missing_ok=True)
    else:
        write_table(layout.votes, [asdict(vote) for vote in sheet.votes], vote_schema())
    numbers, words = _kept(sheet)
    rows = (_with_kept(entry, numbers, words) for entry in examined.accepted)
    write_manifest(config.processed, rows, sheet.notes, numbers, words)
    files = [layout.manifest, layout.manifest_quarantine, *paths]
    note_made(layout, "manifest", [*files, *([layout.votes] if sheet.votes is not None else [])])


def _kept(sheet: Sheet) -> tuple[list[str], list[str]]:
    """Return the names of the kept columns that hold only numbers, and of the others."""
    names = list(dict.fromkeys(name for row in sheet.rows for name in row.kept))
    numbers = [
        name for name in names if all_numbers([row.kept.get(name, "") for row in sheet.rows])
    ]
    return numbers, [name for name in names if name not in numbers]


def _with_kept(entry: dict[str, Any], numbers: list[str], words: list[str]) -> dict[str, Any]:
    """Return a row of the manifest whose kept columns are numbers and words."""
    kept = entry["kept"]
    of_numbers = {name: number(kept.get(name, "")) for name in numbers}
    return {**entry, **of_numbers, **{name: kept.get(name, "") for name in words}}


def write_manifest(
    processed: Path,
    rows: Iterable[dict[str, Any]],
    notes: Sequence[str] = (),
    numbers: Sequence[str] = (),
    words: Sequence[str] = (),
) -> None:
    """Write ``manifest.parquet``.

    Parameters
    ----------
    processed : Path
        The build's folder.
    rows : iterable of dict
        Rows that have all its columns.
    notes : sequence of str
        What a person should know about how the sheet was read.
    numbers, words : sequence of str
        The columns that the user keeps, by their type.
    """
    schema = manifest_schema(numbers, words).with_metadata({_NOTES: json.dumps(list(notes))})
    write_table(Layout(processed).manifest, rows, schema)


def sheet_notes(processed: Path) -> tuple[str, ...]:
    """Return what a person should know about how the label sheet was read.

    Raises
    ------
    BuildError
        If the manifest has not been built.
    """
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    path = Layout(processed).manifest
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, ValueError, ArrowException) as error:
        raise _unreadable(path, error) from error
    return tuple(json.loads(metadata.get(_NOTES.encode(), b"[]")))
