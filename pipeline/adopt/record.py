"""What is known of an adopted file: written when it is adopted, read by builds and reports."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, read_sealed, write_sealed
from pipeline.store.layout import Layout


@dataclass(frozen=True)
class Adopted:
    """A feature file that a dataset was made from.

    Parameters
    ----------
    file : str
        Its path when it was adopted.
    size, changed : int
        Its bytes, and the time of its last change in nanoseconds.
    digest : str
        Of its bytes.
    published : str
        What it is, if it is a file that its authors published; else empty.
    remarks : list of str
        What a person should know about how it was read.
    """

    file: str
    size: int
    changed: int
    digest: str
    published: str
    remarks: list[str]

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.file).name

    def described(self) -> str:
        """Return the file's name and digest in words."""
        known = f" ({self.published})" if self.published else ""
        return f"{self.name}{known}, SHA-256 {self.digest}"


def write_adopted(layout: Layout, adopted: Adopted) -> None:
    """Write the record into an adopted folder."""
    write_sealed(layout.adopted, asdict(adopted))


def read_adopted(layout: Layout) -> Adopted | None:
    """Read the record of an adopted folder; None in any other folder.

    Raises
    ------
    BuildError
        If the record is damaged.
    """
    if not layout.adopted.is_file():
        return None
    try:
        return Adopted(**read_sealed(layout.adopted))
    except (OSError, ValueError, TypeError) as error:
        raise BuildError(
            f"{layout.adopted} is damaged ({error})",
            f"adopt the file again: chsims-build adopt FILE --to {layout.root}",
        ) from error


def adopt_again(layout: Layout) -> str:
    """Return the command that makes an adopted folder's dataset again."""
    try:
        adopted = read_adopted(layout)
    except BuildError:
        adopted = None
    file = adopted.file if adopted else "FILE"
    return f"chsims-build adopt {shlex.quote(file)} --to {shlex.quote(str(layout.root))}"


def changed_since(layout: Layout) -> str:
    """Say if the adopted file is there with another content; empty otherwise."""
    adopted = read_adopted(layout)
    if adopted is None or not Path(adopted.file).is_file():
        return ""
    path = Path(adopted.file)
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (adopted.size, adopted.changed):
        return ""
    if status.st_size == adopted.size and file_digest(path) == adopted.digest:
        return ""
    return f"{path} has changed since it was adopted; adopt it again: {adopt_again(layout)}"
