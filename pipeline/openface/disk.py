"""What to advise when the disk under a scratch folder is full."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pipeline.errors import BuildError

_PROBE_BYTES = 1 << 20


def cannot_write(what: str, work: Path, error: OSError) -> BuildError:
    """Return the error for a scratch folder that cannot be written.

    Parameters
    ----------
    what : str
        What was to be written.
    work : Path
        The folder that holds the scratch folders.
    error : OSError
        What the system said.
    """
    work = work.absolute()
    disk = mount_point(work)
    temporary = work.is_relative_to(Path(tempfile.gettempdir()).resolve())
    elsewhere = "set TMPDIR to" if temporary else "build in (--set processed=FOLDER)"
    return BuildError(
        f"cannot write {what} in {work}: {error.strerror or error}",
        f"free disk space on {disk}, which holds {work}, or {elsewhere} a folder on another disk; "
        "if there is space, correct the folder's permissions",
    )


def check_disk(scratch: Path) -> None:
    """Try to write a megabyte: OpenFace exits 0 on a full disk, and quotas show nowhere else.

    Raises
    ------
    BuildError
        If the folder's disk is full; names the folder and the disk.
    """
    probe = scratch / "disk.probe"
    try:
        with probe.open("wb") as stream:
            stream.write(bytes(_PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise cannot_write("OpenFace's CSVs", scratch.parent, error) from None
    finally:
        probe.unlink(missing_ok=True)


def mount_point(folder: Path) -> Path:
    """Return the root of the file system on which a folder lies, or its next parent that exists."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    place = place.resolve()
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return place
