"""What has changed in the label sheet and the media since the manifest was made."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.corpus import LABELS
from pipeline.errors import ClipError
from pipeline.manifest.build import read_columns
from pipeline.manifest.find import media_folders
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import find_media
from pipeline.manifest.row import SheetRow
from pipeline.manifest.sheet import read_sheet
from pipeline.store.files import file_digest
from pipeline.store.made import is_whole
from pipeline.store.places import is_plain_name
from pipeline.store.quarantine import read_entries
from pipeline.store.shards import Clip
from pipeline.workflow.settings_files import ToldStep, changed_settings, is_newer, told_once

_UNKNOWN = "unknown"
"""Digest of a file that was not read: features with this key do not exist."""
_OTHER = ("mode", "speaker", "gender", "age", "english")


@dataclass(frozen=True)
class Edits:
    """The clips as the sheet has them now, and the number of those that differ.

    Parameters
    ----------
    clips : list of Clip
        What a build would have to compute. A clip whose media file was changed, and a new clip,
        have a digest that no feature has.
    added, removed, texts, media, others : int
        Clips that are new, gone, have another transcript, another media file, or other labels
        or attributes.
    """

    clips: list[Clip]
    added: int = 0
    removed: int = 0
    texts: int = 0
    media: int = 0
    others: int = 0

    @property
    def words(self) -> str:
        """A sentence about the edits; empty without any."""
        found = {
            "new": self.added,
            "removed": self.removed,
            "with another transcript": self.texts,
            "with another media file": self.media,
            "with other labels or attributes": self.others,
        }
        listed = ", ".join(f"{count} clip(s) {what}" for what, count in found.items() if count)
        if not listed:
            return ""
        return f"the label sheet or media changed since the manifest was made: {listed}"


def edits(config: Config, clips: list[Clip], told: ToldStep | None = None) -> Edits:
    """Compare the label sheet and the media with the manifest.

    Nothing was edited if the sheet's bytes, and the media files' names, sizes and times, are those
    that the manifest was made from. Otherwise both are compared clip by clip: a media file is read
    only if it was written after the manifest and has the same size.
    A clip in quarantine that may have been mended is not counted, because only a build can tell.

    Parameters
    ----------
    config : Config
        The configuration in force.
    clips : list of Clip
        Those of the manifest.
    told : callable, optional
        Returns the value of `DECIDING_STEPS` for a step, if it has been computed already.

    Raises
    ------
    BuildError
        If the sheet or the manifest cannot be read.
    """
    if _is_made_from_these(config, told):
        return Edits(clips)
    folders = media_folders(config)
    rows = {row.clip: row for row in read_sheet(config, folders).rows if _can_be_used(row)}
    table = read_columns(config.processed, ("clip", "size", *LABELS, *_OTHER))
    known = {str(row["clip"]): row for row in table.to_pylist()}
    lost = {entry.clip for entry in read_entries(config.layout.manifest_quarantine)}
    made = config.layout.manifest.stat().st_mtime_ns
    kept = [clip for clip in clips if clip.clip in rows]
    new = [
        Clip(row.clip, "", _UNKNOWN, 0.0, row.text)
        for name, row in rows.items()
        if name not in known and name not in lost and _has_media(folders, row)
    ]
    changed = {clip.clip for clip in kept if _media_changed(config.raw, clip, known, made)}
    now = [
        replace(
            clip,
            text=rows[clip.clip].text,
            media_digest=_UNKNOWN if clip.clip in changed else clip.media_digest,
        )
        for clip in kept
    ]
    return Edits(
        [*now, *new],
        added=len(new),
        removed=len(clips) - len(kept),
        texts=sum(one.text != other.text for one, other in zip(kept, now, strict=True)),
        media=len(changed),
        others=sum(_differs(rows[clip.clip], known[clip.clip]) for clip in kept),
    )


def _is_made_from_these(config: Config, told: ToldStep | None) -> bool:
    """Tell whether the manifest is whole and was made from the sheet and the media as they are."""
    layout, told = config.layout, told or told_once(config)
    told("manifest")  # what cannot be determined, for lack of a sheet, would not count as changed
    try:
        return (
            not changed_settings(config, ["manifest"], told)
            and is_newer(layout.made("manifest"), layout.settings("manifest"))
            and is_whole(layout, "manifest")
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # its record is damaged
        return False


def _can_be_used(row: SheetRow) -> bool:
    return is_plain_name(row.video_id) and is_plain_name(row.clip_id) and not row.problems


def _has_media(folders: MediaFolders, row: SheetRow) -> bool:
    try:
        return bool(find_media(folders, row.video_id, row.clip_id))
    except ClipError:
        return False


def _media_changed(raw: Path, clip: Clip, known: dict[str, dict[Any, Any]], made: int) -> bool:
    """Tell whether a file is gone or has other bytes."""
    path = raw / clip.media
    try:
        found = path.stat()
        if found.st_size != known[clip.clip]["size"]:
            return True
        return found.st_mtime_ns > made and file_digest(path) != clip.media_digest
    except OSError:
        return True


def _differs(row: SheetRow, stored: dict[Any, Any]) -> bool:
    """Tell whether the labels or attributes of a line are others than those of the manifest."""
    labels = any(
        getattr(row, name) != stored[name]
        and not (math.isnan(getattr(row, name)) and math.isnan(stored[name]))
        for name in LABELS
    )
    return labels or any(getattr(row, name) != _text(stored[name]) for name in _OTHER)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
