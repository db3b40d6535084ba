"""What a step of the whole corpus has made: a record with the digest of each of its files.

Snakemake deletes what a rule declares as its output before the rule's job runs. These records
are declared in place of the files, so that the files of the last good build stay, whatever
fails, until new ones are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, read_sealed, write_sealed
from pipeline.store.late import wait_for
from pipeline.store.layout import Layout


@dataclass(frozen=True)
class Made:
    """One file of a record, as it was when the step ended."""

    path: Path
    size: int
    digest: str

    def fault(self) -> str:
        """Say what has become of the file; empty if its content is as recorded."""
        if not self.path.is_file():
            return "is missing"
        if self.path.stat().st_size != self.size:
            return f"has {self.path.stat().st_size} bytes, expected {self.size}"
        if file_digest(self.path) != self.digest:
            return f"does not have the content that was written (SHA-256 {self.digest[:12]}...)"
        return ""

    def is_untouched(self, since: int) -> bool:
        """Tell whether the file is as recorded; its content is read only if it is newer."""
        if not self.path.is_file() or self.path.stat().st_size != self.size:
            return False
        return self.path.stat().st_mtime_ns <= since or not self.fault()


def note_made(layout: Layout, step: str, paths: Iterable[Path]) -> None:
    """Write the record of a step whose files are all there.

    Parameters
    ----------
    layout : Layout
        The build's folder.
    step : str
        ``manifest``, ``dataset``, ``results_table2`` ...
    paths : iterable of Path
        The files that it made.
    """
    files = {
        path.relative_to(layout.root).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_digest(path),
        }
        for path in paths
    }
    write_sealed(layout.made(step), {"files": files})


def read_made(layout: Layout, step: str) -> list[Made]:
    """Read the record of a step.

    Raises
    ------
    OSError, ValueError
        If there is none, or it is damaged.
    """
    try:
        files: Mapping[str, Mapping[str, object]] = read_sealed(layout.made(step))["files"]
        return [
            Made(layout.root / name, int(str(file["bytes"])), str(file["sha256"]))
            for name, file in files.items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{layout.made(step)} is no record of a step: {error!r}") from error


def is_whole(layout: Layout, step: str) -> bool:
    """Tell whether a step's files are there and, as far as times tell, unchanged.

    Raises
    ------
    OSError, ValueError
        If its record cannot be read.
    """
    since = layout.made(step).stat().st_mtime_ns
    return all(made.is_untouched(since) for made in read_made(layout, step))


def damaged(layout: Layout, step: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of a step that is lost or changed, with what is wrong; reads them whole.

    Raises
    ------
    OSError, ValueError
        If the record cannot be read.
    """
    for made in read_made(layout, step):
        fault = made.fault()
        if fault:
            yield made.path, fault


def check_made(layout: Layout, step: str, patience: float = 0.0) -> None:
    """Check the files of a step before they are read; without a record nothing is known of them.

    Parameters
    ----------
    layout : Layout
        The build's folder.
    step : str
        The step.
    patience : float
        Seconds to wait for files that are shown late (`pipeline.store.late`).

    Raises
    ------
    BuildError
        Naming the first file that is lost or changed, and the command that makes it again.
    """
    fault = ""

    def is_whole_now() -> bool:
        nonlocal fault
        fault = _first_fault(layout, step)
        return not fault

    if not wait_for(is_whole_now, layout.root, patience):
        raise BuildError(fault, f"make it again: {again(step, layout)}")


def _first_fault(layout: Layout, step: str) -> str:
    try:
        faults = damaged(layout, step) if layout.made(step).is_file() else iter(())
        return next((f"{path} {fault}" for path, fault in faults), "")
    except (OSError, ValueError) as error:
        return f"{layout.made(step)} is damaged ({error})"


def again(step: str, layout: Layout | None = None) -> str:
    """Return the command that makes a step's files again, whatever they look like now."""
    if layout is not None and layout.adopted.is_file() and step in ("manifest", "dataset"):
        return f"chsims-build adopt FILE --to {layout.root}"
    stage = "train" if step.startswith("results_") else step
    return f"chsims-build --stage {stage} --force"
