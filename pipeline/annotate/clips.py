"""The clips of a folder that can be annotated, with what is already known about each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config, available_cores
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.checks import id_columns, require
from pipeline.manifest.find import find_table
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import Media, MediaReader, find_media
from pipeline.manifest.row import SheetRow, row_of
from pipeline.manifest.table import read_table
from pipeline.store.places import is_plain_name

_SHEETS = ("transcripts", "label", "meta")
"""Sheets that name clips and give transcripts, best first; their labels are not read."""


@dataclass(frozen=True)
class Clip:
    """One clip that can be annotated.

    Parameters
    ----------
    video_id, clip_id : str
        Names of its folder and of its file without extension.
    media : str
        Path of its file, relative to the corpus folder.
    digest : str
        SHA-256 of the file.
    video, audio : int
        Index of each stream in the file.
    text : str
        Its transcript; empty until somebody types it.
    speaker, gender, age, english, mode : str or None
        What the sheet says about it.
    """

    video_id: str
    clip_id: str
    media: str
    digest: str
    video: int
    audio: int
    text: str = ""
    speaker: str | None = None
    gender: str | None = None
    age: str | None = None
    english: str | None = None
    mode: str | None = None

    @property
    def name(self) -> str:
        """The clip's id, ``video_id/clip_id``."""
        return f"{self.video_id}/{self.clip_id}"


@dataclass(frozen=True)
class LeftOut:
    """A clip that cannot be annotated, and why."""

    name: str
    reason: str


def read_clips(config: Config, store: Path) -> tuple[list[Clip], list[LeftOut]]:
    """Find and probe the clips of ``config.raw``.

    A transcripts, label or meta sheet names the clips and gives transcripts. Without one, every
    media file is a clip without a transcript.

    Parameters
    ----------
    config : Config
        ``raw``, ``media.audio_track`` and ``manifest.encoding``.
    store : Path
        The folder of the annotation, which keeps a cache of digests.

    Returns
    -------
    clips : list of Clip
        In the order of the sheet, or by name.
    left_out : list of LeftOut
        Those that cannot be annotated.

    Raises
    ------
    BuildError
        If the folder does not exist, its sheet cannot be read, or no clip can be annotated.
    """
    raw = config.raw
    require_folder(raw)
    folders = MediaFolders(raw, raw)
    rows, left_out = _rows(config, folders)
    paths: dict[str, Path] = {}
    for row in rows:
        try:
            paths[row.clip] = find_media(folders, row.video_id, row.clip_id)
        except ClipError as error:
            left_out.append(LeftOut(row.clip, f"{error.reason}; {error.remedy}"))
    rows = [row for row in rows if row.clip in paths]
    reader = MediaReader(folders, store, available_cores(), config.media.audio_track)
    clips: list[Clip] = []
    for row, media in zip(rows, reader.read(list(paths.values())), strict=True):
        made = _clip(row, media)
        if isinstance(made, Clip):
            clips.append(made)
        else:
            left_out.append(made)
    if not clips:
        why = "".join(f"\n  clip {each.name}: {each.reason}" for each in left_out[:10])
        raise BuildError(
            f"{raw} has no clip that can be annotated{why}",
            "put the clips there, one folder per video: video_0001/0001.mp4 (docs/annotating.md)",
        )
    return clips, left_out


def require_folder(raw: Path) -> None:
    """Refuse a corpus folder that does not exist, before anything is written there."""
    if not raw.is_dir():
        raise BuildError(
            f"the folder {raw} does not exist; expected clips in it (video_0001/0001.mp4)",
            "name the corpus folder: chsims-build annotate FOLDER",
        )


def _clip(row: SheetRow, media: Media | ClipError) -> Clip | LeftOut:
    if isinstance(media, ClipError):
        return LeftOut(row.clip, f"{media.reason}; {media.remedy}")
    video, audio = media.probe.video_stream, media.probe.audio_stream
    if video is None or audio is None:
        lacking = "picture" if video is None else "sound"
        return LeftOut(row.clip, f"{media.path} has no {lacking}; replace it with a file with both")
    known = {name: getattr(row, name) for name in ("speaker", "gender", "age", "english", "mode")}
    return Clip(
        row.video_id, row.clip_id, media.path, media.digest, video, audio, row.text, **known
    )


def _rows(config: Config, folders: MediaFolders) -> tuple[list[SheetRow], list[LeftOut]]:
    """Return one row per clip id, and the ids that cannot be used."""
    sheet = next((p for stem in _SHEETS if (p := find_table(config.raw, stem))), None)
    if sheet is None:
        return list(_rows_of_files(folders)), []
    table = read_table(sheet, config.manifest.encoding)
    require(table, id_columns(table))
    rows = [
        row_of(i, record, folders, table.columns, labelled=False)
        for i, record in enumerate(table.records)
    ]
    return _unique(rows, sheet)


def _rows_of_files(folders: MediaFolders) -> Iterator[SheetRow]:
    for video_id in sorted(folders.videos):
        for clip_id in sorted(folders.files(video_id)):
            if is_plain_name(video_id) and is_plain_name(clip_id):
                yield SheetRow(0, 0, video_id, clip_id)


def _unique(rows: Sequence[SheetRow], sheet: Path) -> tuple[list[SheetRow], list[LeftOut]]:
    good: dict[str, SheetRow] = {}
    left_out: dict[str, LeftOut] = {}
    for row in rows:
        where = f"{sheet.name}, line {row.line}"
        if not (is_plain_name(row.video_id) and is_plain_name(row.clip_id)):
            left_out[row.clip] = LeftOut(row.clip, f"{where}: not an id that can be a file's name")
        elif row.problems:
            left_out[row.clip] = LeftOut(row.clip, f"{where}: {'; '.join(row.problems)}")
        elif row.clip in good:
            left_out[row.clip] = LeftOut(row.clip, f"{where}: a second line for this clip")
        good.setdefault(row.clip, row)
    return [row for name, row in good.items() if name not in left_out], list(left_out.values())
