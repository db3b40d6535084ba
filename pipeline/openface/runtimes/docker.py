"""OpenFace in a docker container, with a rootful or a rootless daemon."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, ClassVar

from pipeline.openface.runtimes.base import Found, Limits, RuntimeUnavailableError, ask
from pipeline.openface.runtimes.engine import ContainerEngine, caller, limit_flags


class Docker(ContainerEngine):
    """OpenFace in a docker container.

    A rootless daemon maps the container's root to the caller; any other user of the container
    would be a stranger outside, so there the container runs as its root.
    """

    name: ClassVar[str] = "docker"

    def find(self) -> Found:
        """Check that the daemon answers, is docker's own, and has the image.

        Raises
        ------
        RuntimeUnavailableError
            As for any engine, and if ``docker`` is podman under another name.
        """
        status, output, _ = ask([self.name, "--version"])
        if status == 0 and "podman" in output.lower():
            raise RuntimeUnavailableError(
                "the program docker is podman under another name", "set openface.runtime: podman"
            )
        return super().find()

    def version(self) -> str:
        """Return the daemon's version."""
        return str(self._info.get("ServerVersion", "?"))

    def storage(self) -> str:
        """Return the daemon's root folder."""
        return str(self._info.get("DockerRootDir", "docker's storage"))

    def user_options(self) -> list[str]:
        """Return ``--user`` with the caller, or root where root is the caller."""
        options = self._info.get("SecurityOptions") or ()
        rootless = any("name=rootless" in option for option in options)
        return ["--user", "0:0" if rootless else caller()]

    def limit_options(self, limits: Limits) -> list[str]:
        """Return the limits that the daemon says it can enforce."""
        info = self._info
        return limit_flags(
            limits,
            memory=bool(info.get("MemoryLimit")),
            cpus=bool(info.get("CpuCfsQuota")),
            processes=bool(info.get("PidsLimit")),
        )

    def not_answering(self, words: str) -> RuntimeUnavailableError:
        """Tell a missing permission from a daemon that does not run."""
        if "permission denied" in words.lower():
            return RuntimeUnavailableError(
                f"you may not talk to the docker daemon: {words}",
                "sudo usermod -aG docker $USER, then log out and in again; or use rootless docker "
                "or podman, which need no such permission",
            )
        return RuntimeUnavailableError(
            f"the docker daemon does not answer: {words}",
            "start Docker Desktop, or: sudo systemctl start docker",
        )

    @cached_property
    def _info(self) -> dict[str, Any]:
        status, output, words = ask([self.name, "info", "--format", "{{json .}}"])
        info: dict[str, Any] = json.loads(output) if output.strip() else {}
        errors = info.get("ServerErrors")
        if status != 0 or errors:
            raise self.not_answering(errors[0] if errors else words)
        return info
