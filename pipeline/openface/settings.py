"""Settings of the openface stage."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.settings import Settings, operational


class OpenFaceSettings(Settings):
    """Where the 714 columns of OpenFace come from."""

    runtime: Literal["auto", "apptainer", "podman", "docker", "native", "import"] = "auto"
    """auto takes the first of apptainer, podman, docker and a native FeatureExtraction that
    answers; import reads CSVs that exist already."""
    image: str = "docker.io/algebr/openface:latest"
    """Container image, or the path of a .sif file for apptainer."""
    digest: str | None = Field(None, pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest that pins the image, sha256:...; without it the digest found is recorded."""
    image_binary: str = "/home/openface-build/build/bin/FeatureExtraction"
    """Path of FeatureExtraction inside the image."""
    native_binary: str = "FeatureExtraction"
    """Name or path of FeatureExtraction on this machine (runtime: native)."""
    import_folder: Path | None = None
    """Folder with one VIDEO/CLIP.csv or .csv.gz a clip (runtime: import)."""
    import_by: Literal["auto", "frame", "timestamp"] = "auto"
    """How imported rows meet the 30 Hz grid: by frame number, by timestamp, or whichever fits."""
    batch_clips: int = operational(16, ge=1)
    """Clips in one call of OpenFace, which loads its models once a call."""
    seconds_per_frame: float = operational(2.0, gt=0)
    """Time limit of a call, in seconds for each frame in it (plus 120 s to start)."""
