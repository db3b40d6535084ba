"""The openface stage: aligned faces, or CSVs that the user has, to OpenFace's table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.openface.settings import OpenFaceSettings
from pipeline.stage import Build, Stage
from pipeline.store.files import file_digest
from pipeline.store.shards import Clip


def imported_csvs(config: Config, clip: Clip) -> list[Path]:
    """Return a clip's OpenFace CSVs, VIDEO/CLIP.csv or .csv.gz: one, if all is well."""
    folder = config.openface.import_folder
    if folder is None:
        return []
    paths = [folder / f"{clip.clip}{suffix}" for suffix in (".csv", ".csv.gz")]
    root = folder.resolve()
    return [path for path in paths if path.is_file() and path.resolve().is_relative_to(root)]


def _external(config: Config, clip: Clip) -> str:
    if config.openface.runtime != "import":
        return ""
    return " ".join(file_digest(path) for path in imported_csvs(config, clip)) or "missing"


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.faces.extractor import split_crops
    from pipeline.openface.extractor import CropInputs, ImportInputs
    from pipeline.openface.table import MAX_BYTES

    faces = build.store.read("faces", clip.clip)
    if build.config.openface.runtime != "import":
        scratch = build.store.root / "scratch"
        return CropInputs(clip.clip, split_crops(faces), scratch)
    paths = imported_csvs(build.config, clip)
    if len(paths) != 1:
        found = " and ".join(path.name for path in paths) or "none"
        raise ClipError(
            f"expected one OpenFace CSV, {build.config.openface.import_folder}/{clip.clip}.csv or "
            f".csv.gz; found {found}",
            "leave one CSV of this clip there; run OpenFace on it if there is none",
        )
    with paths[0].open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)  # the extractor refuses what is longer
    return ImportInputs(data, paths[0].name, faces.info["frames"], faces.info["fps"])


def _extractor(settings: OpenFaceSettings) -> type[Extractor]:
    from pipeline.openface.extractor import ImportedOpenFace, RunOpenFace

    return ImportedOpenFace if settings.runtime == "import" else RunOpenFace


def _identity(settings: OpenFaceSettings) -> Mapping[str, Any]:
    from pipeline.openface.extractor import identity

    return identity(settings)


def _batch(settings: OpenFaceSettings) -> int:
    return 1 if settings.runtime == "import" else settings.batch_clips


OPENFACE = Stage(
    name="openface",
    source="none",
    inputs=(FACES,),
    load=_load,
    extractor=_extractor,
    identity=_identity,
    external=_external,
    batch=_batch,
)
