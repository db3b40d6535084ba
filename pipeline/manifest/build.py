"""manifest: one table of usable clips, the quarantine, and the shards of the extractors."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config, available_cores
from pipeline.corpus import LABELS
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.find import media_folders
from pipeline.manifest.media import Media, MediaReader, find_media
from pipeline.manifest.numbers import all_numbers, number
from pipeline.manifest.parquet import (
    OWN_NAMES,
    STRINGS,
    manifest_schema,
    read_table,
    vote_schema,
    write_table,
)
from pipeline.manifest.row import SheetRow
from pipeline.manifest.rules import judge, unusable
from pipeline.manifest.sheet import Sheet, read_sheet
from pipeline.manifest.streams import streams_of
from pipeline.stages import read_of_clips
from pipeline.store.layout import Layout
from pipeline.store.made import again, note_made
from pipeline.store.places import is_plain_name
from pipeline.store.quarantine import QuarantineEntry, write_entries
from pipeline.store.shards import shard_name, write_shard
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
    written whole or not at all, and the same inputs give the same bytes.

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
    refused: dict[int, list[ClipError]] = {}
    paths: dict[int, Path] = {}
    doubles = Counter(row.clip for row in sheet.rows)
    for row in sheet.rows:
        errors = _line_errors(row, sheet, doubles, config)
        try:
            if is_plain_name(row.video_id) and is_plain_name(row.clip_id):
                paths[row.row] = find_media(folders, row.video_id, row.clip_id)
        except ClipError as error:
            errors.append(error)
        if errors:
            refused[row.row] = errors
            paths.pop(row.row, None)
    reader = MediaReader(folders, config.processed, available_cores(), config.media.audio_track)
    results = tracked(reader.read(list(paths.values())), "manifest", len(paths), shown=progress)
    accepted: list[dict[str, Any]] = []
    for row, media in zip([sheet.rows[i] for i in paths], results, strict=True):
        try:
            accepted.append(_accept(row, media, config))
        except ClipError as error:
            refused[row.row] = [error]
    quarantine = _quarantine(sheet.rows, refused)
    if quarantine and config.on_bad_clip == "stop":
        raise _stop(quarantine)
    _write(config, sheet, accepted, quarantine)
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


def _unreadable(path: Path, error: Exception) -> BuildError:
    return BuildError(f"{path} cannot be read ({error})", f"make it again: {again('manifest')}")


def printable(name: str) -> str:
    """Return a name that can be shown: what a terminal would act on is spelled out."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return safe if len(safe) <= 120 else f"{safe[:117]}..."


def _line_errors(
    row: SheetRow, sheet: Sheet, doubles: Counter[str], config: Config
) -> list[ClipError]:
    """Return everything that is wrong with a line of the sheet, its media aside."""
    errors = []
    if not (is_plain_name(row.video_id) and is_plain_name(row.clip_id)):
        errors.append(
            ClipError(
                "not an id that can be a file's name",
                "video_id and clip_id must be plain names: no slash, no leading dot, no control or "
                "reserved characters, 120 bytes at most",
            )
        )
    elif doubles[row.clip] > 1:
        lines = ", ".join(str(other.line) for other in sheet.rows if other.clip == row.clip)
        errors.append(
            ClipError(
                f"{doubles[row.clip]} lines of {sheet.path.name} have this id (lines {lines}); "
                "none is used, since either may be wrong",
                "keep the right line and take the others out",
            )
        )
    correct = f"correct line {row.line} of {sheet.path.name}" if row.line else "correct the votes"
    errors += [ClipError(problem, correct) for problem in row.problems]
    if not errors:  # what cannot be read is not judged
        found = [
            *unusable(row, None),
            *judge(row, None, config.manifest.applied_rules, read_of_clips(config)).refusals,
        ]
        errors += [ClipError(finding.reason, finding.remedy) for finding in found]
    return errors


def _accept(row: SheetRow, media: Media | ClipError, config: Config) -> dict[str, Any]:
    if isinstance(media, ClipError):
        raise media
    verdict = judge(row, media.probe, config.manifest.applied_rules, read_of_clips(config))
    bad = [*unusable(row, media.probe), *verdict.refusals]
    if bad:
        raise ClipError("; ".join(f.reason for f in bad), "; ".join(f.remedy for f in bad))
    return {
        "clip": row.clip,
        **{name: getattr(row, name) for name in ("video_id", "clip_id", "row", "text")},
        **{name: getattr(row, name) for name in (*LABELS, *STRINGS)},
        "media": media.path,
        "media_digest": media.digest,
        "size": media.size,
        **asdict(media.probe),
        "streams": streams_of(media.probe),
        "warnings": list(verdict.warnings),
        **row.kept,
    }


def _quarantine(
    rows: Sequence[SheetRow], refused: dict[int, list[ClipError]]
) -> list[QuarantineEntry]:
    """List refused clips in the sheet's order, a doubled id once, each with all its faults."""
    listed: dict[str, QuarantineEntry] = {}
    for row in rows:
        if not (errors := refused.get(row.row)):
            continue
        clip = f"{printable(row.video_id)}/{printable(row.clip_id)}"
        key = clip if is_plain_name(row.video_id) and is_plain_name(row.clip_id) else str(row.row)
        where = f"line {row.line}: " if row.line else ""
        reasons = "; ".join(dict.fromkeys(error.reason for error in errors))
        remedy = "; ".join(dict.fromkeys(error.remedy for error in errors))
        reason = printable_text(f"{where}{reasons}")
        listed.setdefault(key, QuarantineEntry(clip, "manifest", reason, remedy))
    return list(listed.values())


def printable_text(text: str) -> str:
    """Return a message without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else " " for c in text)[:1000]


def _write(
    config: Config,
    sheet: Sheet,
    accepted: list[dict[str, Any]],
    quarantine: list[QuarantineEntry],
) -> None:
    layout = config.layout
    shards: list[list[dict[str, Any]]] = [
        [] for _ in range(-(-len(sheet.rows) // config.shard_size))
    ]
    for entry in accepted:
        shard = shards[entry["row"] // config.shard_size]
        shard.append({name: entry[name] for name in ("clip", "media", "media_digest", "text")})
        shard[-1]["seconds"] = entry["duration"]
        shard[-1]["streams"] = entry["streams"]
    for place, clips in enumerate(shards):
        write_shard(layout.shard(shard_name(place)), clips)
    for stale in layout.numbered_shards[len(shards) :]:
        stale.unlink()
    write_entries(layout.manifest_quarantine, quarantine)
    if sheet.votes is None:
        layout.votes.unlink(missing_ok=True)
    else:
        write_table(layout.votes, [asdict(vote) for vote in sheet.votes], vote_schema())
    numbers, words = _kept(sheet, accepted)
    write_manifest(config.processed, accepted, sheet.notes, numbers, words)
    files = [layout.manifest, layout.manifest_quarantine, *layout.numbered_shards]
    note_made(layout, "manifest", [*files, *([layout.votes] if sheet.votes is not None else [])])


def _kept(sheet: Sheet, accepted: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Turn the kept columns that hold only numbers into numbers; return their names by type."""
    names = list(dict.fromkeys(name for row in sheet.rows for name in row.kept))
    values = {name: [row.kept.get(name, "") for row in sheet.rows] for name in names}
    numbers = [name for name in names if all_numbers(values[name])]
    for entry in accepted:
        for name in names:
            text = entry.get(name, "")
            entry[name] = number(text) if name in numbers else text
    return numbers, [name for name in names if name not in numbers]


def write_manifest(
    processed: Path,
    rows: list[dict[str, Any]],
    notes: Sequence[str] = (),
    numbers: Sequence[str] = (),
    words: Sequence[str] = (),
) -> None:
    """Write ``manifest.parquet``.

    Parameters
    ----------
    processed : Path
        The build's folder.
    rows : list of dict
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
