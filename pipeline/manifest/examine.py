"""Which clips of the label sheet can be used, and why the others cannot."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.corpus import LABELS
from pipeline.errors import ClipError
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import Media, find_media
from pipeline.manifest.parquet import STRINGS
from pipeline.manifest.row import SheetRow
from pipeline.manifest.rules import judge, unusable
from pipeline.manifest.sheet import Sheet
from pipeline.manifest.streams import streams_of
from pipeline.stages import read_of_clips
from pipeline.store.places import is_plain_name
from pipeline.store.quarantine import QuarantineEntry
from pipeline.store.spool import Spool

Read = Callable[[Iterable[Path]], Iterable[Media | ClipError | None]]
"""Reads media files in their order; None for one that must not be opened now, but would have to."""


@dataclass(frozen=True)
class Examined:
    """The clips of a label sheet.

    Parameters
    ----------
    accepted : sequence of dict
        The usable clips in the sheet's order: their rows of the manifest, their ``streams``, and
        the columns that the user keeps (``kept``).
    places : mapping of str to int
        The place of each of them by its id.
    quarantine : list of QuarantineEntry
        The others, in the sheet's order.
    unknown : frozenset of str
        The ids of clips whose media files were not opened.
    """

    accepted: Spool[dict[str, Any]]
    places: Mapping[str, int]
    quarantine: list[QuarantineEntry]
    unknown: frozenset[str]

    def accepted_clip(self, clip: str) -> dict[str, Any] | None:
        """Return a clip's row; None if it cannot be used."""
        return self.accepted[self.places[clip]] if clip in self.places else None


def examine(config: Config, sheet: Sheet, folders: MediaFolders, read: Read) -> Examined:
    """Find and read the media of a label sheet's clips, and apply the corpus rules.

    Parameters
    ----------
    config : Config
        ``manifest`` and ``features``.
    sheet : Sheet
        The label sheet.
    folders : MediaFolders
        The media folders of the corpus.
    read : callable
        Reads the media files that were found.
    """
    refused: dict[int, list[ClipError]] = {}
    found: deque[SheetRow] = deque()
    doubles = _doubles(sheet.rows)

    def paths() -> Iterator[Path]:
        for row in sheet.rows:
            path, errors = None, _line_errors(row, sheet, doubles, config)
            try:
                if is_placed(row):
                    path = find_media(folders, row.video_id, row.clip_id)
            except ClipError as error:
                errors.append(error)
            if errors:
                refused[row.row] = errors
            elif path is not None:
                found.append(row)
                yield path

    accepted: Spool[dict[str, Any]] = Spool()
    places: dict[str, int] = {}
    unknown: set[str] = set()
    for media in read(paths()):
        row = found.popleft()
        try:
            if media is None:
                unknown.add(row.clip)
            else:
                accepted.append(_accept(row, media, config))
                places[row.clip] = len(places)
        except ClipError as error:
            refused[row.row] = [error]
    return Examined(accepted, places, _quarantine(sheet.rows, refused), frozenset(unknown))


def _doubles(rows: Iterable[SheetRow]) -> Counter[str]:
    """Count the lines of each id that more than one line has."""
    seen: set[str] = set()
    found: Counter[str] = Counter()
    for clip in (row.clip for row in rows):
        if clip in seen:
            found[clip] += 1 if clip in found else 2
        seen.add(clip)
    return found


def is_placed(row: SheetRow) -> bool:
    """Tell whether a line's ids can be names of files, so that the clip has a place in a shard."""
    return is_plain_name(row.video_id) and is_plain_name(row.clip_id)


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
        "kept": dict(row.kept),
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
