"""``chsims-build doctor --openface``: check OpenFace, from the image to the last column."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.commands.checks import Check
from pipeline.errors import BuildError, ClipError
from pipeline.openface.call import Caller
from pipeline.openface.columns import CONFIDENCE
from pipeline.openface.csvs import LAYOUTS, all_csvs, import_folder
from pipeline.openface.folders import faces_folder
from pipeline.openface.form import MAX_BYTES
from pipeline.openface.installation import Installation, rows_tracked
from pipeline.openface.runtimes.base import Limits
from pipeline.openface.runtimes.select import Selection, select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.table import parse_table

if TYPE_CHECKING:
    from pipeline.config import Config

_TMPDIR = "free disk space there, or set TMPDIR to a folder on another disk"
_DOCS = "see docs/openface.md, 'When it does not work'"


def check_openface(config: Config) -> list[Check]:
    """Run OpenFace on a packaged face clip, or check the CSVs that would be imported.

    Parameters
    ----------
    config : Config
        The configuration; only ``openface`` is read.

    Returns
    -------
    list of Check
        The runtime, whether the image is pinned, and the 714 columns, up to the first failure.
    """
    settings = config.openface
    if settings.runtime == "import":
        return _check_import(settings)
    try:
        selection = select_runtime(settings)
    except BuildError as error:
        return [Check("OpenFace runtime", False, error.problem, error.remedy or _DOCS)]
    found = f"{selection.found.description}; {selection.reason}"
    checks = [Check("OpenFace runtime", True, found)]
    if not selection.found.pinned:
        checks.append(_check_digest(selection))
    return [*checks, _check_clip(settings)]


def _check_digest(selection: Selection) -> Check:
    digest = selection.found.identity["image"]
    return Check(
        "OpenFace image pinned",
        None,
        "the configuration pins no image, so a different one of this name would go unnoticed",
        f"set openface.digest: {digest}",
    )


def _check_clip(settings: OpenFaceSettings) -> Check:
    name = "OpenFace on a face clip"
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="chsims-doctor-") as work:
            table = _run_on_packaged_faces(settings, Path(work))
    except BuildError as error:
        return Check(name, False, error.problem, error.remedy or _DOCS)
    except OSError as error:
        where = error.filename or "a temporary folder"
        return Check(name, False, f"cannot write {where}: {error.strerror or error}", _TMPDIR)
    seconds = time.monotonic() - started
    tracked = rows_tracked(table)
    found = (
        f"{len(table)} rows of {table.shape[1]} columns with all action units, a face in {tracked} "
        f"of them, mean confidence {table[:, CONFIDENCE].mean():.2f}, {seconds:.1f} s"
    )
    if tracked == 0:
        return Check(
            name,
            False,
            found,
            f"OpenFace runs but tracks no face: are its models complete? {_DOCS}",
        )
    return Check(name, True, found)


def _run_on_packaged_faces(settings: OpenFaceSettings, work: Path) -> NDArray[np.float32]:
    with faces_folder(work) as scratch:
        caller = Caller(
            select_runtime(settings).runtime,
            scratch,
            Limits(1, settings.memory_mb),
            settings.seconds_per_frame,
        )
        table = Installation(caller).run(lambda: False)
        assert table is not None  # nothing cancels it
        return table


def _check_import(settings: OpenFaceSettings) -> list[Check]:
    name = "OpenFace CSVs"
    try:
        folder = import_folder(settings)
    except BuildError as error:
        return [Check(name, False, error.problem, error.remedy)]
    paths = all_csvs(folder)
    if not paths:
        remedy = "put the CSV of clip video_0001/0001 at video_0001/0001.csv in this folder"
        return [Check(name, False, f"no {LAYOUTS} in {folder}", remedy)]
    return [Check(name, True, f"{len(paths)} in {folder}"), _check_csv(paths[0])]


def _check_csv(path: Path) -> Check:
    try:
        with path.open("rb") as stream:
            table = parse_table(stream.read(MAX_BYTES + 1), str(path))
    except ClipError as error:
        return Check("first CSV", False, error.reason, error.remedy)
    except OSError as error:
        return Check("first CSV", False, f"{path}: {error.strerror}", "make the file readable")
    return Check("first CSV", True, f"{path}: {len(table)} rows of {table.shape[1]} columns")
