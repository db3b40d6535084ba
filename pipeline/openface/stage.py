"""The openface stage: aligned faces, or CSVs that the user has, to OpenFace's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.config import Config
from pipeline.extractor import Extractor
from pipeline.faces.stage import FACES
from pipeline.openface.csvs import clip_csvs, import_folder, one_csv
from pipeline.openface.settings import OpenFaceSettings
from pipeline.stage import Build, Stage
from pipeline.store.files import file_digest
from pipeline.store.shards import Clip


def _external(config: Config, clip: Clip) -> str:
    folder = config.openface.import_folder
    if config.openface.runtime != "import" or folder is None:
        return ""
    return " ".join(file_digest(path) for path in clip_csvs(folder, clip.clip)) or "missing"


def _load(build: Build, clip: Clip) -> Any:
    from pipeline.faces.extractor import split_crops
    from pipeline.openface.extractor import CropInputs, ImportInputs
    from pipeline.openface.form import MAX_BYTES

    faces = build.store.read("faces", clip.clip)
    if build.config.openface.runtime != "import":
        scratch = build.store.root / "scratch"
        return CropInputs(clip.clip, split_crops(faces), scratch)
    folder = import_folder(build.config.openface)
    path = one_csv(folder, clip.clip, build.config.raw)
    with path.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)  # the extractor refuses what is longer
    return ImportInputs(
        csv=data,
        name=str(path.relative_to(folder)),
        media=build.media(clip),
        box=faces.arrays["box"],
        points=faces.arrays["landmarks"],
        width=faces.info["width"],
        height=faces.info["height"],
        fps=faces.info["fps"],
        crop=build.config.faces.image_size,
    )


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
