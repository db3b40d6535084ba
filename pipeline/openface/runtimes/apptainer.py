"""OpenFace in an apptainer container: the way of clusters."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from pipeline.errors import BuildError
from pipeline.openface.runtimes.base import (
    Command,
    Found,
    Limits,
    Runtime,
    RuntimeUnavailableError,
    arguments,
    ask,
    bind,
    thread_environment,
)
from pipeline.store.files import file_digest

_FATAL = 255


@lru_cache(maxsize=4)
def _digest(image: Path) -> str:
    return file_digest(image)


class Apptainer(Runtime):
    """OpenFace in a ``.sif`` image, as the calling user.

    Apptainer's processes are children of this one, so a batch system's limits and its
    cancelling reach them; memory and processors are left to those limits.
    """

    name: ClassVar[str] = "apptainer"

    def find(self) -> Found:
        """Check that apptainer runs and that the image is a file.

        Raises
        ------
        RuntimeUnavailableError
            If either is not so, or the file is not the pinned one.
        """
        if shutil.which(self.name) is None:
            raise RuntimeUnavailableError(
                "apptainer is not installed", "on a cluster, try: module load apptainer"
            )
        image = self._image()
        status, version, words = ask([self.name, "--version"])
        if status != 0:
            raise RuntimeUnavailableError(f"apptainer does not work here: {words}")
        digest = "sha256:" + _digest(image)
        if self.settings.digest not in (None, digest):
            raise RuntimeUnavailableError(
                f"{image} is {digest}, not the pinned {self.settings.digest}",
                "correct openface.digest: for a .sif file it is the output of sha256sum",
            )
        return Found(
            description=f"{version.strip()}, {image} ({digest})",
            identity={"image": digest, "binary": self.settings.image_binary},
            pinned=self.settings.digest is not None,
        )

    def made_by(self) -> str:
        """Name the image file by its SHA-256, and the program in it."""
        return f"image file sha256:{_digest(self._image())}, {self.settings.image_binary}"

    def command(
        self, faces: Path, clips: Sequence[str], output: Path, limits: Limits, unique: str
    ) -> Command:
        """Return ``apptainer exec`` with nothing of this machine visible but the two folders."""
        environment = thread_environment(limits.threads)
        argv = (
            *(self.name, "--silent", "exec", "--containall", "--no-home", "--cleanenv"),
            *("--no-privs", "--net", "--network", "none"),
            *(part for item in environment.items() for part in ("--env", "=".join(item))),
            *("--mount", bind(faces, "/faces") + ",ro"),
            *("--mount", bind(output, "/out")),
            *(str(self._image()), self.settings.image_binary),
            *arguments(clips, "/faces", "/out"),
        )
        return Command(argv, (), {})

    def explain(self, status: int, words: str) -> BuildError | None:
        """Name failures of apptainer itself: exit 255 with a line ``FATAL``."""
        if status != _FATAL or "FATAL" not in words:
            return None
        binary = self.settings.image_binary
        remedy = "see docs/openface.md, 'When it does not work'"
        if f"stat {binary}" in words:
            remedy = "set openface.image_binary to the path of FeatureExtraction inside the image"
        return BuildError(f"apptainer could not run {binary} in {self._image()}: {words}", remedy)

    def _image(self) -> Path:
        image = Path(self.settings.image)
        if not image.is_file():
            raise RuntimeUnavailableError(
                f"apptainer needs the image as a .sif file; {image} is no file on this machine",
                "with network, once: apptainer pull openface.sif docker://algebr/openface:latest; "
                "then set openface.image to the file's path (see docs/openface.md)",
            )
        return image.resolve()
