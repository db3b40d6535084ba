"""Where an export goes: written next to its place, renamed when it is whole, resumable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, read_sealed, write_sealed, written_whole

MARK = "export.json"
"""Record of an export: in its folder, or next to its file with the file's name in front."""

_MADE_BY = "chsims-build export"


class Output:
    """The place of one export.

    Parameters
    ----------
    path : Path
        A file, or a folder.
    is_folder : bool
        Which of them.
    identity : mapping
        Everything that decides the content: format, dataset, options. JSON values.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, is_folder: bool) -> None:
        self.path, self.is_folder = path, is_folder
        self.identity = dict(identity)
        self.work = path.with_name(f".{path.name}.export") if is_folder else path.parent
        self.files: dict[str, dict[str, Any]] = {}

    @property
    def record(self) -> Path:
        """The record of a finished export."""
        return self.path / MARK if self.is_folder else _record_of(self.path)

    def is_up_to_date(self) -> bool:
        """Tell whether the same export is there already, every byte of it."""
        found = _read(self.record)
        return found is not None and found["identity"] == self.identity and self._is_ours(found)

    def begin(self, *, force: bool) -> list[str]:
        """Make sure that nothing of the user's is overwritten, and find what can be resumed.

        Parameters
        ----------
        force : bool
            Move something else out of the way instead of refusing.

        Returns
        -------
        list of str
            What was moved, for the user.

        Raises
        ------
        BuildError
            If something that is not an export of this program lies at the path, and `force`
            is not given or the name that it would get is taken.
        """
        moved = self._make_room(force=force)
        if not self.is_folder:
            return moved
        state = _read(self.work / MARK)
        if state is not None and state["identity"] == self.identity:
            self.files = {
                name: made for name, made in state["files"].items() if _holds(self.work, name, made)
            }
        elif state is not None:
            shutil.rmtree(self.work)
        elif self.work.exists() and any(self.work.iterdir()):
            raise BuildError(
                f"{self.work} is in the way: it is the place of an unfinished export, but holds "
                "no record of one",
                f"move it away (mv '{self.work}' '{self.work}.old')",
            )
        self.work.mkdir(parents=True, exist_ok=True)
        self._note()
        return moved

    def is_done(self, name: str) -> bool:
        """Tell whether an earlier, interrupted run has written a file of the folder."""
        return name in self.files

    @contextmanager
    def new(self, name: str = "") -> Iterator[Path]:
        """Yield the path to write a file to; the file appears when it is whole.

        Parameters
        ----------
        name : str
            Its name in the folder; empty for an export that is one file.
        """
        target = self.work / name if self.is_folder else self.path
        with written_whole(target) as temporary:
            yield temporary
        self.files[name] = {"bytes": target.stat().st_size, "sha256": file_digest(target)}
        if self.is_folder:
            self._note()

    def finish(self, left_out: list[str]) -> None:
        """Write the record, and put a folder in its place."""
        if not self.is_folder:
            write_sealed(self.record, self._content(complete=True) | {"left_out": left_out})
            return
        write_sealed(self.work / MARK, self._content(complete=True) | {"left_out": left_out})
        for extra in self.work.iterdir():
            if extra.name not in {MARK, *(Path(name).parts[0] for name in self.files)}:
                shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
        if not self.path.exists():
            self.work.rename(self.path)
            return
        old = self.path.with_name(f".{self.path.name}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        self.path.rename(old)
        self.work.rename(self.path)
        shutil.rmtree(old)

    def _content(self, *, complete: bool) -> dict[str, Any]:
        return {
            "made_by": _MADE_BY,
            "complete": complete,
            "identity": self.identity,
            "files": self.files,
        }

    def _note(self) -> None:
        write_sealed(self.work / MARK, self._content(complete=False))

    def _make_room(self, *, force: bool) -> list[str]:
        found = _read(self.record)
        if not self.path.exists() and not self.path.is_symlink():
            return []
        if found is not None and self._is_ours(found):
            return []
        if not force:
            raise BuildError(
                f"{self.path} exists and is not an unchanged export of chsims-build, so it is not "
                "overwritten",
                "choose another --output, or add --force, which renames it to "
                f"{self.path.name}.old",
            )
        aside = self.path.with_name(f"{self.path.name}.old")
        if aside.exists() or aside.is_symlink():
            raise BuildError(
                f"{self.path} would be renamed to {aside}, which exists", "move that away first"
            )
        self.path.rename(aside)
        return [f"{self.path} is now {aside}"]

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        """Tell whether what lies at the path is what an export wrote, and nothing else."""
        if not found.get("complete") or self.path.is_symlink():
            return False
        if not self.is_folder:
            return self.path.is_file() and _holds(self.path, "", found["files"].get("", {}))
        if not self.path.is_dir():
            return False
        there = {p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file()}
        return there == {MARK, *found["files"]} and all(
            _holds(self.path, name, made) for name, made in found["files"].items()
        )


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.{MARK}")


def _read(path: Path) -> dict[str, Any] | None:
    """Return a record of an export; None if there is none, or it is not one of ours."""
    try:
        found = read_sealed(path)
    except (OSError, ValueError):
        return None
    fits = found.get("made_by") == _MADE_BY and isinstance(found.get("files"), dict)
    return found if fits and isinstance(found.get("identity"), dict) else None


def _holds(folder: Path, name: str, made: Mapping[str, Any]) -> bool:
    path = folder / name if name else folder
    return (
        path.is_file()
        and path.stat().st_size == made.get("bytes")
        and file_digest(path) == made.get("sha256")
    )
