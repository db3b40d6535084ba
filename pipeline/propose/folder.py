"""The folder that is proposed into: which film has which id, which clip which number.

Ids never change their meaning: a film is known by its content, a clip by its film and its first
and last picture, and the number of a clip that is no longer proposed is not given again.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.annotate.database import FILE as VOTES
from pipeline.errors import BuildError
from pipeline.manifest.encoding import decode
from pipeline.manifest.examine import printable
from pipeline.store.files import file_digest, read_sealed, write_sealed, written_whole

STORE = ".propose"
"""Where what is known of the films is kept; its name begins with a dot, so a build skips it."""

SHEET = "transcripts.csv"
_COLUMNS = ("video_id", "clip_id", "text")
_LEDGER = "films.json"


@dataclass
class FilmRecord:
    """One film of the folder.

    Parameters
    ----------
    video_id : str
        Name of the folder of its clips.
    digest : str
        SHA-256 of the film.
    name : str
        Its file's name when it was last proposed.
    clips : dict of str to str
        Clip id by part of the film (``first-stop``), also of parts that are left now.
    files : dict of str to str
        Key by file of each clip that lies in the folder.
    """

    video_id: str
    digest: str
    name: str
    clips: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def clip_id(self, part: str) -> str:
        """Return the number of a part; a new part gets the next one."""
        if part not in self.clips:
            self.clips[part] = f"{len(self.clips) + 1:04d}"
        return self.clips[part]


class Folder:
    """A folder of proposed clips.

    Parameters
    ----------
    path : Path
        The folder; made if it does not exist.
    encoding : str
        Of an edited ``transcripts.csv`` (``manifest.encoding``).

    Raises
    ------
    BuildError
        If it holds something that this command did not write.
    """

    def __init__(self, path: Path, encoding: str = "auto") -> None:
        self.path = path
        self.encoding = encoding
        self.store = path / STORE
        self.films: list[FilmRecord] = []
        self.digests: dict[str, list[Any]] = {}
        self.sheets: list[str] = []
        self._read()

    def _read(self) -> None:
        ledger = self.store / _LEDGER
        if not ledger.exists():
            self._require_empty()
            return
        try:
            known = read_sealed(ledger)
        except (OSError, ValueError) as error:
            raise BuildError(
                f"{ledger} is damaged ({error}); it says which clip is which",
                "propose into a new folder: --to FOLDER",
            ) from error
        self.films = [FilmRecord(**each) for each in known["films"]]
        self.digests = known["digests"]
        self.sheets = known["sheets"]

    def _require_empty(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise BuildError(f"{self.path} is a file", "name a new folder: --to raw/NEW")
        found = sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
        if found:
            raise BuildError(
                f"{self.path} holds {found[0]}, which chsims-build propose did not write",
                "name a new or an empty folder: --to raw/NEW",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from proposing into the folder."""
        self.store.mkdir(parents=True, exist_ok=True)
        with (self.store / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BuildError(
                    f"another chsims-build propose works on {self.path}", "wait until it has ended"
                ) from None
            self._read()
            yield

    def digest(self, film: Path) -> str:
        """Return the SHA-256 of a film, remembered by path, size and time of change."""
        status = film.stat()
        state = [status.st_size, status.st_mtime_ns]
        place = str(film.resolve())
        known = self.digests.get(place)
        if known is None or known[:2] != state:
            known = self.digests[place] = [*state, file_digest(film)]
        return str(known[2])

    def record(self, digest: str, name: str) -> FilmRecord:
        """Return the record of a film; a new film gets the next id that no folder has."""
        for film in self.films:
            if film.digest == digest:
                film.name = name
                return film
        number = len(self.films) + 1
        given = {film.video_id for film in self.films}
        while (own := f"video_{number:04d}") in given or (self.path / own).exists():
            number += 1
        made = FilmRecord(own, digest, name)
        self.films.append(made)
        return made

    def save(self) -> None:
        """Write down which film and clip is which."""
        value = {
            "films": [asdict(film) for film in self.films],
            "digests": self.digests,
            "sheets": self.sheets,
        }
        write_sealed(self.store / _LEDGER, value)

    @property
    def round(self) -> Path | None:
        """The round of annotation that was begun on the folder, if there is one."""
        return next(iter(sorted(self.path.glob(f".annotate*/{VOTES}"))), None)

    def check_kept(self, film: FilmRecord, wanted: Mapping[str, str]) -> None:
        """Refuse to change or remove clips that somebody works with.

        Parameters
        ----------
        film : FilmRecord
            The film.
        wanted : mapping of str to str
            Key by file of the clips that it should have.

        Raises
        ------
        BuildError
            If a round of annotation was begun, or the transcripts were edited, and a clip would
            change or go.
        """
        changed = [name for name, key in sorted(film.files.items()) if wanted.get(name) != key]
        if not changed:
            return
        why = ""
        if self.round is not None:
            why = f"annotators work on them ({self.round.relative_to(self.path)})"
        elif self._edited():
            why = f"{SHEET} was edited"
        if why:
            raise BuildError(
                f"{self.path}: {len(changed)} clips of {printable(film.name)} would be changed or "
                f"removed with these settings (the first is {film.video_id}/{changed[0]}), but "
                f"{why}",
                "repeat the settings with which they were made, or propose into a new folder: "
                "--to FOLDER",
            )

    def _edited(self) -> bool:
        sheet = self.path / SHEET
        return sheet.exists() and file_digest(sheet) not in self.sheets

    def check_sheet(self) -> None:
        """Refuse an edited ``transcripts.csv`` that cannot be read, before anything is done.

        Raises
        ------
        BuildError
            Says why.
        """
        if self._edited():
            _read_sheet(self.path / SHEET, self.encoding)

    def write_sheet(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Write ``transcripts.csv``; lines that somebody changed or added stay as they are.

        Parameters
        ----------
        rows : sequence of (video_id, clip_id, text)
            Of all clips in the folder, in order.
        """
        sheet = self.path / SHEET
        columns: list[str] = list(_COLUMNS)
        lines = {(video, clip): [video, clip, text] for video, clip, text in rows}
        if self._edited():
            columns, kept = _read_sheet(sheet, self.encoding)
            blank = [""] * len(columns)
            places = [columns.index(name) for name in _COLUMNS]
            for key, line in lines.items():
                made = list(blank)
                for place, value in zip(places, line, strict=True):
                    made[place] = value
                lines[key] = kept.get(key, made)
            lines |= {key: line for key, line in kept.items() if key not in lines}
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([columns, *(lines[key] for key in sorted(lines))])
        data = stream.getvalue().encode()
        if not self._edited():  # an edited sheet stays one: its lines are kept from now on
            self.sheets = [*self.sheets[-1:], hashlib.sha256(data).hexdigest()]
            self.save()  # before the sheet: a kill between must not make it look edited
        with written_whole(sheet) as temporary:
            temporary.write_bytes(data)


def _read_sheet(sheet: Path, encoding: str) -> tuple[list[str], dict[tuple[str, str], list[str]]]:
    """Return the columns and the lines of an edited sheet, by clip.

    Raises
    ------
    BuildError
        If it is no such sheet any longer.
    """
    text = decode(sheet.read_bytes(), sheet, encoding).text
    lines = [line for line in csv.reader(io.StringIO(text, newline="")) if any(line)]
    columns = lines[0] if lines else []
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise BuildError(
            f"{sheet} was edited and has no column {missing[0]}; expected the columns "
            f"{', '.join(_COLUMNS)}, separated by commas; found {', '.join(columns) or 'nothing'}",
            "name its columns so again, or propose into a new folder: --to FOLDER",
        )
    video, clip = columns.index("video_id"), columns.index("clip_id")
    found = {}
    for line in lines[1:]:
        line += [""] * (len(columns) - len(line))
        # spreadsheets make numbers of clip ids
        line[clip] = line[clip].zfill(4) if line[clip].isdecimal() else line[clip]
        found[line[video], line[clip]] = line
    return columns, found
