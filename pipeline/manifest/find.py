"""Finding the corpus below ``raw``: its label sheet, and the folder that its media lie in.

Light to import: the Snakefile asks whenever it is parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BuildError
from pipeline.manifest.folders import MediaFolders

if TYPE_CHECKING:
    from pipeline.config import Config

SHEETS = ("label", "meta", "annotations", "transcripts")
"""Names of label sheets without their suffix, best first; CH-SIMS v2 calls its sheet meta.csv, and
`chsims-build propose` writes transcripts of clips that nobody has labelled yet."""

_STEMS = ("annotations", "label", "transcripts")
_SUFFIXES = (".csv", ".tsv", ".xlsx")
_DEPTH = 2
"""Folders between raw and a sheet: a download folder, and the one inside its archive."""

_PUT = "put label.csv there (columns video_id, clip_id, text, label; docs/data-format.md)"
_WITHOUT_TEXT = "or leave out the transcripts and what is made from them: --set features.text=none"

_NOT_A_CORPUS = ("raw", "processed", "__macosx")


@dataclass(frozen=True)
class Found:
    """A corpus that was found.

    Parameters
    ----------
    sheet : Path, optional
        Its label sheet; None for a folder of videos.
    folder : Path
        The folder with ``VIDEO/CLIP.mp4`` or ``Raw/VIDEO/CLIP.mp4``.
    notes : tuple of str
        Which folder or sheet was chosen, if there was a choice.
    """

    sheet: Path | None
    folder: Path
    notes: tuple[str, ...] = ()


def find_corpus(config: Config) -> Found:
    """Find the label sheet and the folder of the media.

    The sheet is ``manifest.sheet``, or label, meta, annotations or transcripts (.csv, .tsv or
    .xlsx) in ``raw``. If ``raw`` has neither a sheet nor videos, the one corpus up to two folders
    below is taken. Videos without a sheet are a corpus too, without transcripts and labels, if no
    feature is made from the transcript.

    Raises
    ------
    BuildError
        If there is no sheet and transcripts are needed, or more than one corpus below ``raw``.
    """
    raw = config.raw
    if not raw.is_dir():
        raise BuildError(
            f"the folder {raw} does not exist; expected raw clips and their label sheet there",
            "set raw to the corpus folder: --set raw=/path/to/CH-SIMS",
        )
    if config.manifest.sheet is not None:
        path = raw / config.manifest.sheet
        if not path.is_file():
            raise _no_sheet(raw, f"the label sheet {path} (manifest.sheet)")
        return Found(path, raw)
    if found := _corpus_in(raw):
        return found
    has_videos = _has_videos(raw)
    below = [] if has_videos else _corpora_below(raw)
    if len(below) == 1:
        (found,) = below
        inner = found.folder.relative_to(raw)
        note = f"raw has no label sheet of its own; the corpus in its folder {inner} was taken"
        return Found(found.sheet, found.folder, (note, *found.notes))
    if below:
        listed = ", ".join(str(found.folder) for found in below)
        raise BuildError(
            f"{raw} has no label sheet, and {len(below)} folders below it have one: {listed}",
            f"choose one: --set 'raw={below[0].folder}'",
        )
    error = _no_sheet(raw, f"label.csv, meta.csv, annotations.csv or transcripts.csv in {raw}")
    if not has_videos or error.remedy != _PUT:
        raise error
    if reads_transcripts(config):
        raise BuildError(error.problem, f"{_PUT}; {_WITHOUT_TEXT}")
    note = "raw has no label sheet; its videos are taken without transcripts and labels"
    return Found(None, raw, (note,))


def reads_transcripts(config: Config) -> bool:
    """Tell whether a filled slot is made from the transcript."""
    from pipeline.stages import read_of_clips  # it imports the stages' settings

    return "text" in read_of_clips(config)


def sheet_files(config: Config) -> list[Path]:
    """Return every file that `read_sheet` may read, the sheet first: what a build depends on."""
    sheet = find_corpus(config).sheet
    if sheet is None:
        return []
    found = [find_table(sheet.parent, stem, (".csv",)) for stem in _STEMS]
    return [sheet, *(path for path in found if path is not None and path != sheet)]


def media_folders(config: Config) -> MediaFolders:
    """Return the media folders of the corpus."""
    return MediaFolders(config.raw, find_corpus(config).folder)


def find_table(folder: Path, stem: str, suffixes: Sequence[str] = _SUFFIXES) -> Path | None:
    """Find a table by name, whatever the case of its letters; the first suffix wins."""
    names = [f"{stem}{suffix}" for suffix in suffixes]
    same = [p for p in sorted(folder.glob("*.*")) if p.name.casefold() in names]
    return min(same, key=lambda p: names.index(p.name.casefold()), default=None)


def _corpus_in(folder: Path) -> Found | None:
    sheets = [path for stem in SHEETS if (path := find_table(folder, stem)) is not None]
    if not sheets:
        return None
    told = [
        f"there are {sheets[0].name} and {path.name}; {sheets[0].name} was read"
        for path in sheets[1:]
        if path.stem.casefold() == "meta"
    ]
    return Found(sheets[0], folder, tuple(told))


def _corpora_below(raw: Path) -> list[Found]:
    """Return the corpora of the first level below raw that has any."""
    level = [raw]
    for _ in range(_DEPTH):
        level = [folder for above in level for folder in _folders(above)]
        if found := [corpus for folder in level if (corpus := _corpus_in(folder))]:
            return found
    return []


def _folders(folder: Path) -> Iterator[Path]:
    """Yield the subfolders that may hold a corpus; links that lead elsewhere are not followed."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        is_named_so = path.name.casefold() in _NOT_A_CORPUS or path.name.startswith(".")
        if path.is_dir() and not path.is_symlink() and not is_named_so:
            yield path


def _has_videos(raw: Path) -> bool:
    """Tell whether media files lie where those of a corpus in raw itself would."""
    folders = MediaFolders(raw)
    return any(folders.files(video) for video in folders.videos)


def _no_sheet(raw: Path, wanted: str) -> BuildError:
    tables = sorted(p.name for p in raw.glob("*") if p.suffix.lower() in _SUFFIXES)
    remedy = _PUT
    above = raw.resolve().parent
    if tables:
        remedy = f"found {', '.join(tables[:5])}: name the sheet with --set manifest.sheet=NAME"
    elif (found := _corpus_in(above)) and found.sheet:
        remedy = f"{found.sheet.name} lies one folder up: --set 'raw={above}'"
    return BuildError(f"no label sheet: expected {wanted}", remedy)
