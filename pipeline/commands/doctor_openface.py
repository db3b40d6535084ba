"""``chsims-build doctor --openface``: check OpenFace, from the image to the last column."""

from __future__ import annotations

import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.checks import Check
from pipeline.errors import BuildError, ClipError
from pipeline.openface.columns import CONFIDENCE, SUCCESS
from pipeline.openface.csvs import LAYOUTS, all_csvs, import_folder
from pipeline.openface.form import MAX_BYTES
from pipeline.openface.run import CropInputs, RunOpenFace
from pipeline.openface.runtimes.select import Selection, select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.table import parse_table

if TYPE_CHECKING:
    from pipeline.config import Config

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
        The runtime, the image's digest and the 714 columns, up to the first failure.
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
    with tempfile.TemporaryDirectory(prefix="chsims-doctor-") as work:
        checks.append(_check_clip(settings, Path(work)))
    return checks


def packaged_faces() -> list[bytes]:
    """Return the packaged face clip: six JPEGs of 224 px, made from the demo's portrait."""
    folder = files("pipeline.openface") / "data"
    faces = sorted((file for file in folder.iterdir()), key=lambda file: file.name)
    return [file.read_bytes() for file in faces if file.name.endswith(".jpg")]


def _check_digest(selection: Selection) -> Check:
    digest = selection.found.identity["image"]
    return Check(
        "OpenFace image pinned",
        None,
        "the configuration has no digest, so a different image of this name would go unnoticed",
        f"set openface.digest: {digest}",
    )


def _check_clip(settings: OpenFaceSettings, work: Path) -> Check:
    name = "OpenFace on a face clip"
    started = time.monotonic()
    try:
        features = RunOpenFace(settings).extract(CropInputs("doctor", packaged_faces(), work))
    except BuildError as error:
        return Check(name, False, error.problem, error.remedy or _DOCS)
    except ClipError as error:
        return Check(name, False, error.reason, f"OpenFace fails on an ordinary face: {_DOCS}")
    seconds = time.monotonic() - started
    table = features.arrays["table"]
    tracked = int(table[:, SUCCESS].sum())
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
