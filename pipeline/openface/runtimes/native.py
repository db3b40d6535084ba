"""OpenFace as a program of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
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
    thread_environment,
)
from pipeline.store.files import digest, file_digest

_NOT_STARTED = (126, 127)
_MODEL_FOLDERS = ("model", "AU_predictors", "classifiers", "../etc/OpenFace")


class Native(Runtime):
    """A FeatureExtraction on the PATH or at a path, under the job's own limits."""

    name: ClassVar[str] = "native"

    def find(self) -> Found:
        """Check that the program is there and may be executed.

        Raises
        ------
        RuntimeUnavailableError
            If not.
        """
        program = self._program()
        identity = {"program": "sha256:" + file_digest(program), "models": _models(program.parent)}
        return Found(f"{program} ({identity['program']})", identity)

    def made_by(self) -> str:
        """Name the program and the models next to it by their SHA-256."""
        program = self._program()
        return f"program sha256:{file_digest(program)}, models sha256:{_content(program.parent)}"

    def command(
        self, faces: Path, clips: Sequence[str], output: Path, limits: Limits, unique: str
    ) -> Command:
        """Return the plain call."""
        argv = (str(self._program()), *arguments(clips, str(faces), str(output)))
        return Command(argv, (), thread_environment(limits.threads))

    def explain(self, status: int, words: str) -> BuildError | None:
        """Name a program that could not be started, e.g. for want of a library: exit 126, 127."""
        if status not in _NOT_STARTED:
            return None
        return BuildError(
            f"{self._program()} does not start: {words}",
            "install the missing library, or set LD_LIBRARY_PATH; 'ldd' names what it needs",
        )

    def _program(self) -> Path:
        named = str(Path(self.settings.native_binary).expanduser())
        found = shutil.which(named)
        if found is not None:
            # OpenFace looks for its models next to the path it was called by, not next to a link
            return Path(found).resolve()
        if os.sep not in named:
            raise RuntimeUnavailableError(
                f"there is no {named} on the PATH",
                "set openface.native_binary to the path of FeatureExtraction",
            )
        state = "may not be executed" if Path(named).is_file() else "does not exist"
        raise RuntimeUnavailableError(
            f"openface.native_binary is {named}, which {state}",
            "correct the path" if "not exist" in state else f"chmod +x {named}",
        )


def _models(folder: Path) -> str:
    """Return a fingerprint of the models next to the program: their names and sizes.

    It is a part of keys, so it must be quick: the models have some hundred megabytes.
    """
    sizes = {name: path.stat().st_size for name, path in _model_files(folder)}
    return "sha256:" + digest(sizes)


@lru_cache(maxsize=4)
def _content(folder: Path) -> str:
    """Return the SHA-256 over names and content of the models; read once per process."""
    return digest({name: file_digest(path) for name, path in _model_files(folder)})


def _model_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for models in _MODEL_FOLDERS:
        for path in sorted((folder / models).rglob("*")):
            if path.is_file():
                yield str(path.relative_to(folder / models)), path
