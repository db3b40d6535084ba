"""OpenFace in a podman container, rootless or rootful."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, ClassVar

from pipeline.openface.runtimes.base import Limits, RuntimeUnavailableError, ask
from pipeline.openface.runtimes.engine import ContainerEngine, caller, limit_flags


class Podman(ContainerEngine):
    """OpenFace in a podman container.

    Rootless, ``--userns keep-id`` makes the caller's user the same inside and outside. Where
    the user has no control groups of its own (a cluster node without delegation), limits are
    left to the job.
    """

    name: ClassVar[str] = "podman"
    stop_options: ClassVar[tuple[str, ...]] = ("--force", "--time", "0")

    def version(self) -> str:
        """Return podman's version."""
        return str(self._info.get("version", {}).get("Version", "?"))

    def storage(self) -> str:
        """Return podman's ``graphRoot``."""
        return str(self._info.get("store", {}).get("graphRoot", "podman's storage"))

    def user_options(self) -> list[str]:
        """Return ``--user`` with the caller, mapped to itself when rootless."""
        rootless = self._info.get("host", {}).get("security", {}).get("rootless", False)
        return [*(("--userns", "keep-id") if rootless else ()), "--user", caller()]

    def limit_options(self, limits: Limits) -> list[str]:
        """Return the limits whose control group podman may use."""
        groups = self._info.get("host", {}).get("cgroupControllers") or ()
        return limit_flags(
            limits, memory="memory" in groups, cpus="cpu" in groups, processes="pids" in groups
        )

    def not_answering(self, words: str) -> RuntimeUnavailableError:
        """Pass on podman's words."""
        return RuntimeUnavailableError(
            f"podman does not work here: {words}",
            "try 'podman info'; rootless podman needs entries for you in /etc/subuid and "
            "/etc/subgid, and a storage folder that is not on NFS",
        )

    @cached_property
    def _info(self) -> dict[str, Any]:
        status, output, words = ask([self.name, "info", "--format", "json"])
        if status != 0:
            raise self.not_answering(words)
        info: dict[str, Any] = json.loads(output)
        return info
