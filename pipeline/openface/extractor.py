"""The openface stage: which extractor serves a configuration, and what identifies it."""

from __future__ import annotations

from pipeline.openface.csvs import import_folder
from pipeline.openface.imported import ImportedOpenFace, ImportInputs
from pipeline.openface.run import CropInputs, RunOpenFace
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings

__all__ = [
    "CropInputs",
    "ImportInputs",
    "ImportedOpenFace",
    "RunOpenFace",
    "identity",
]


def identity(settings: OpenFaceSettings) -> dict[str, str]:
    """Return what identifies the OpenFace that is used, as a part of the key.

    For a container the image's ID (the digest that is pinned, if one is) and the binary's path in
    it, for a native program its SHA-256 and a fingerprint of the models next to it, and
    ``import`` for CSVs (whose own digests are a part of the key of each clip). Asked once per
    process. `pipeline.openface.known` maps the names of one image to each other.

    Raises
    ------
    BuildError
        If the runtime cannot be used, or there is no folder to import from.
    """
    if settings.runtime == "import":
        import_folder(settings)
        return {"runtime": "import", "check": settings.import_check}
    if settings.digest and settings.runtime in ("apptainer", "podman", "docker"):
        return {"image": settings.digest, "binary": settings.image_binary}
    return dict(select_runtime(settings).found.identity)
