"""What podman and docker have in common: their command line."""

from __future__ import annotations

import json
import os
import re
import shutil
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
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
from pipeline.store.files import digest

_PROCESSES = 512
_ENGINE_FAILED, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127


class ContainerEngine(Runtime):
    """OpenFace in a container of an engine with docker's command line.

    The container has no network, a read-only root file system, no capabilities, the faces
    read-only at ``/faces``, one writable folder ``/out``, the caller's user and group, and limits
    on memory, processors and processes. Images are never pulled by a build.
    """

    stop_options: ClassVar[tuple[str, ...]] = ("--force",)
    """Options of ``rm`` that end a running container at once."""

    def find(self) -> Found:
        """Check that the engine answers and has the image.

        Raises
        ------
        RuntimeUnavailableError
            If the engine is not installed or does not answer, or the image is not there.
        """
        names = self._image_names
        identity = self.settings.digest or names[0]
        return Found(
            description=f"{self.name} {self.version()}, {self.settings.image} ({names[0]})",
            identity={"image": identity, "binary": self.settings.image_binary},
            pinned=self.settings.digest is not None,
            names=names,
        )

    def made_by(self) -> str:
        """Name the image by its ID, and the program in it."""
        return f"image {self._image_names[0]}, {self.settings.image_binary}"

    @abstractmethod
    def version(self) -> str:
        """Return the engine's version."""

    @abstractmethod
    def storage(self) -> str:
        """Return the folder in which the engine keeps images and containers."""

    @abstractmethod
    def user_options(self) -> list[str]:
        """Return the options that make output files the caller's own."""

    @abstractmethod
    def limit_options(self, limits: Limits) -> list[str]:
        """Return the options for the limits that this engine can enforce here."""

    @abstractmethod
    def not_answering(self, words: str) -> RuntimeUnavailableError:
        """Turn the engine's refusal to answer into what a person can do about it."""

    def command(
        self, faces: Path, clips: Sequence[str], output: Path, limits: Limits, unique: str
    ) -> Command:
        """Return the engine's ``run`` with every restriction, and the ``rm`` that ends it."""
        environment = thread_environment(limits.threads)
        argv = [
            *(self.name, "run", "--rm", "--pull", "never", "--name", unique),
            *("--label", _label(faces.parent.parent)),
            *("--network", "none", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - the container's
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            # without this, SELinux hides the mounted folders from the container
            *("--security-opt", "label=disable"),
            *self.user_options(),
            *self.limit_options(limits),
            *(part for item in environment.items() for part in ("--env", "=".join(item))),
            *("--mount", bind(faces, "/faces") + ",readonly"),
            *("--mount", bind(output, "/out")),
            *("--entrypoint", self.settings.image_binary, self._image_names[0]),
            *arguments(clips, "/faces", "/out"),
        ]
        return Command(tuple(argv), (self.name, "rm", *self.stop_options, unique), {})

    def explain(self, status: int, words: str) -> BuildError | None:
        """Name failures of the engine itself: exit 125, 126 and 127."""
        if status == _ENGINE_FAILED and "no space left" in words.lower():
            return BuildError(
                f"{self.name} could not start the OpenFace container: {words}",
                f"free disk space in {self.storage()}, where {self.name} keeps its containers",
            )
        if status == _ENGINE_FAILED:
            return BuildError(
                f"{self.name} could not start the OpenFace container: {words}",
                "see docs/openface.md, 'When it does not work'",
            )
        if status in (_NOT_EXECUTABLE, _NOT_FOUND):
            return BuildError(
                f"the image {self.settings.image} cannot run {self.settings.image_binary}: {words}",
                "set openface.image_binary to the path of FeatureExtraction inside the image",
            )
        return None

    @cached_property
    def _image_names(self) -> tuple[str, ...]:
        """Return what names the image: its ID, which ``save`` and ``load`` keep, then digests."""
        if shutil.which(self.name) is None:
            raise RuntimeUnavailableError(
                f"{self.name} is not installed", f"install {self.name}; see docs/openface.md"
            )
        name, pinned = self.settings.image, self.settings.digest
        by_digest = f"{re.sub(r'(:[^/:@]+)?(@.*)?$', '', name)}@{pinned}"
        words = ""
        for reference in (by_digest, pinned, name) if pinned else (name,):
            status, output, words = ask([self.name, "image", "inspect", reference])
            if status == 0:
                names = _names(output)
                if pinned is None or pinned in names:
                    return names
                raise RuntimeUnavailableError(
                    f"{self.name} has {name} as {', '.join(names)}, not as the pinned {pinned}",
                    f"fetch the pinned image ({self.name} pull {by_digest}, or {self.name} load), "
                    "or correct openface.digest",
                )
        # an engine that does not answer at all fails in the same way: ask which it is
        status, _, answer = ask([self.name, "info"])
        if status != 0:
            raise self.not_answering(answer)
        wanted = f"{name}, pinned to {pinned}" if pinned else name
        pull = f"{self.name} pull {by_digest if pinned else name}"
        if pinned:
            pull += f" (if openface.digest is an image's ID: {self.name} pull {name})"
        raise RuntimeUnavailableError(
            f"{self.name} does not have the image {wanted} ({words})",
            f"with network, once: {pull}; without: {self.name} load -i FILE (see docs/openface.md)",
        )


def remove_left_over(engine: type[ContainerEngine], work: Path) -> list[str]:
    """Remove the containers that run for scratch folders below `work`, whose jobs are all dead.

    A container belongs to the engine, so it outlives a job that is killed with its guard.

    Parameters
    ----------
    engine : type of ContainerEngine
        Podman or Docker.
    work : Path
        The build's folder of scratch folders.

    Returns
    -------
    list of str
        IDs of the containers that could not be removed.
    """
    if shutil.which(engine.name) is None:
        return []
    listed = [engine.name, "ps", "--all", "--quiet", "--filter", f"label={_label(work)}"]
    _, output, _ = ask(listed)
    left = output.split()
    if not left or ask([engine.name, "rm", *engine.stop_options, *left])[0] == 0:
        return []
    return ask(listed)[1].split()


def _label(work: Path) -> str:
    """Return the label of the containers of a build, by its folder of scratch folders."""
    return f"chsims-build={digest(str(work.resolve()))[:16]}"


def _names(output: str) -> tuple[str, ...]:
    image = json.loads(output)[0]
    identifier = "sha256:" + image["Id"].removeprefix("sha256:")
    digests = [digest.rpartition("@")[2] for digest in image.get("RepoDigests") or ()]
    return tuple(
        name for name in dict.fromkeys((identifier, *digests, image.get("Digest"))) if name
    )


def caller() -> str:
    """Return this process's user and group, ``uid:gid``."""
    return f"{os.getuid()}:{os.getgid()}"


def limit_flags(limits: Limits, *, memory: bool, cpus: bool, processes: bool) -> list[str]:
    """Return docker's flags for those limits that the machine's control groups can enforce."""
    options: list[str] = []
    if memory:
        options += ["--memory", f"{limits.memory_mb}m"]
    if cpus:
        options += ["--cpus", str(limits.threads)]
    if processes:
        options += ["--pids-limit", str(_PROCESSES)]
    return options
