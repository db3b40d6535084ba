"""Settings of the openface stage."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.settings import Settings, operational


class OpenFaceSettings(Settings):
    """Where the 714 columns of OpenFace come from.

    How OpenFace is started is not part of a key, so moving a folder or changing from docker to
    podman recomputes nothing. What is started is part of it: `pipeline.openface.extractor`
    identifies the image by its ID and the program by its digest (`identity`).
    """

    runtime: Literal["auto", "apptainer", "podman", "docker", "native", "import"] = operational(
        "auto"
    )
    """auto takes the first of apptainer, podman, docker and a native FeatureExtraction that
    responds and has the image; import reads existing CSVs."""
    image: str = operational("docker.io/algebr/openface:latest", min_length=1)
    """Container image; for apptainer the path of a .sif file."""
    digest: str | None = operational(None, pattern=r"^sha256:[0-9a-f]{64}$")
    """Pins the image, sha256:...: its ID, which save and load keep, or the digest that a registry
    gave; of a .sif file its SHA-256. Without it, the build records the ID that it finds, and the
    report warns."""
    image_binary: str = operational(
        "/home/openface-build/build/bin/FeatureExtraction", pattern=r"^/."
    )
    """Path of FeatureExtraction inside the image."""
    native_binary: str = operational("FeatureExtraction", min_length=1)
    """Name or path of FeatureExtraction on this machine (runtime: native)."""
    import_folder: Path | None = operational(None)
    """Folder with VIDEO/CLIP.csv, VIDEO/CLIP/CLIP.csv or VIDEO_CLIP.csv, each plain or .csv.gz
    (runtime: import)."""
    import_by: Literal["auto", "frame", "picture"] = "auto"
    """What imported rows are: frames of the common grid, pictures of the clip's own video, or
    auto: pictures where the CSV has timestamps (OpenFace -f), frames where all are 0 (-fdir)."""
    import_check: Literal["quarantine", "warn"] = operational("quarantine")
    """What happens to a clip whose imported rows are not of the face in the clip: another person
    or clip, another size, a mirrored picture. warn keeps it, with a note."""
    batch_clips: int = operational(16, ge=1)
    """Clips per call of OpenFace; each call loads the models."""
    seconds_per_frame: float = operational(2.0, gt=0)
    """Time limit in seconds for each frame of a clip (plus 120 s to start). A clip that takes
    longer is stopped and the others continue."""
    memory_mb: int = operational(2048, ge=256)
    """Memory limit of one container, in MiB (OpenFace needs about 200)."""
