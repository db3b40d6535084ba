"""The openface stage: which extractor serves a configuration, and what identifies it."""

from __future__ import annotations

from pipeline.extractor import Extractor
from pipeline.openface.imported import ImportedOpenFace, ImportInputs, imported_csv
from pipeline.openface.settings import OpenFaceSettings

__all__ = ["ImportInputs", "ImportedOpenFace", "identity", "imported_csv", "make_extractor"]


def make_extractor(settings: OpenFaceSettings, threads: int = 1) -> Extractor:
    """Return the extractor of the configured runtime.

    Parameters
    ----------
    settings : OpenFaceSettings
        The runtime and how to reach it.
    threads : int
        Cores that OpenFace may use.
    """
    return ImportedOpenFace(settings)


def identity(settings: OpenFaceSettings) -> dict[str, str]:
    """Return what identifies the OpenFace that is used, as a part of the key."""
    return {"runtime": "import", "import_by": settings.import_by}
