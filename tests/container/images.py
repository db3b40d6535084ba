"""Building this project's images without a registry: a base of Debian's packages, own storage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tests.conftest import ROOT

PACKAGES = Path(torch.__file__).resolve().parents[1]
"""Where this environment's packages lie: the locked ones, mounted into the images."""

IN_IMAGE = "/opt/packages"
_DEBIAN = "http://deb.debian.org/debian"

_CONTAINERS = """\
[containers]
netns = "none"
log_driver = "none"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""


def absent() -> str:
    """Return why no image can be built here, or nothing."""
    missing = [tool for tool in ("podman", "runc", "mmdebstrap") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install {' '.join(missing)})"
    if os.getuid() != 0:
        return "only root can make the base image here"
    if sys.version_info[:2] != (3, 11):
        return "the base image has Python 3.11, these packages are for another"
    return ""


@dataclass(frozen=True)
class Definition:
    """The sections of an Apptainer definition that this project's has."""

    source: str
    files: dict[str, str] = field(default_factory=dict)
    post: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    runscript: str = ""

    @classmethod
    def read(cls, path: Path) -> Definition:
        """Read a definition: its header, then sections that begin with ``%``."""
        sections: dict[str, list[str]] = {"": []}
        name = ""
        for line in path.read_text("utf-8").splitlines():
            words = line.strip()
            if words.startswith("%"):
                name = words[1:]
                sections[name] = []
            elif words and not words.startswith("#"):
                sections[name].append(words)
        header = dict(line.split(": ", 1) for line in sections[""])
        exports = (line.removeprefix("export ").split("=", 1) for line in sections["environment"])
        return cls(
            header["From"],
            dict(line.split() for line in sections["files"]),
            tuple(sections["post"]),
            dict(exports),
            " ".join(sections["runscript"]),
        )

    def as_containerfile(self) -> str:
        """Return the same steps in podman's words, on a base that the build names."""
        copied = [f"COPY {source} {target}" for source, target in self.files.items()]
        exported = [f'ENV {name}="{value}"' for name, value in self.environment.items()]
        run = f"RUN {' && '.join(self.post)}"
        start = f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', self.runscript, 'runscript'])}"
        # apptainer starts in the user's folder, with the user's home
        own = ["ENV HOME=/tmp", "WORKDIR /work"]
        return "\n".join(
            ["ARG BASE", "FROM ${BASE}", "ARG PACKAGES", *copied, run, *exported, *own, start]
        )


class Podman:
    """Podman with a storage and a configuration of its own, as root and without systemd.

    Parameters
    ----------
    folder : Path
        Where its images lie.
    """

    base = "localhost/chsims-base:test"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # podman's cleanup refuses a runroot of more than 50 characters
        self._runroot = tempfile.mkdtemp(prefix="podman-", dir="/tmp")
        (folder / "containers.conf").write_text(_CONTAINERS, "utf-8")
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\n'
            f'runroot = "{self._runroot}"\n',
            "utf-8",
        )
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def run(self, *arguments: str | Path, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Run podman with these arguments."""
        return subprocess.run(
            ["podman", *map(str, arguments)],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def make_base(self) -> str:
        """Make the base image from Debian's packages; return what went wrong, or nothing."""
        archive = self.folder / "base.tar"
        wanted = "python3,python3-venv,ca-certificates"
        left_out = [
            f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")
        ]
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={wanted}", *left_out]
        done = subprocess.run(
            [*command, "bookworm", str(archive), _DEBIAN],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode != 0:
            return f"no base image from {_DEBIAN}: {done.stderr.strip()[-300:]}"
        imported = self.run("import", archive, self.base)
        archive.unlink()
        return imported.stderr if imported.returncode else ""

    def build(self, tag: str, containerfile: Path) -> None:
        """Build an image of this checkout whose locked packages are those of this environment."""
        done = self.run(
            "build",
            "--isolation=chroot",
            f"--build-arg=BASE={self.base}",
            f"--build-arg=PACKAGES={IN_IMAGE}",
            f"--volume={PACKAGES}:{IN_IMAGE}:ro",
            f"--file={containerfile}",
            f"--tag={tag}",
            ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, tag: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an image on a folder: no network, a read-only root, a user without a name."""
        # OpenBLAS' code for other processors differs in the last bit; this machine may name one
        named = [f"--env={name}" for name in sorted(os.environ) if name.startswith("OPENBLAS_")]
        return self.run(
            "run",
            *named,
            "--rm",
            "--network=none",
            "--read-only",
            "--tmpfs=/tmp",
            "--user=1234:1234",
            f"--volume={PACKAGES}:{IN_IMAGE}:ro",
            f"--volume={folder}:/work",
            tag,
            *arguments,
        )

    def remove(self) -> None:
        """Remove all images and the storage."""
        self.run("rmi", "--all", "--force")
        overlay = str(self.folder / "graph" / "overlay")
        subprocess.run(["umount", overlay], capture_output=True, check=False)
        shutil.rmtree(self._runroot, ignore_errors=True)
        shutil.rmtree(self.folder / "graph", ignore_errors=True)
