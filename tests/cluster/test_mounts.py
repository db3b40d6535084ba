"""A network file system: jobs see the project through a mount of their own, with its own cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, absent, running
from tests.cluster.test_slurm import Project, building, files_below

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        "CHSIMS_NETWORK" not in os.environ,
        reason="takes three minutes, root and Debian's sshfs (CHSIMS_NETWORK=1 runs it)",
    ),
]

SERVER = "/usr/lib/openssh/sftp-server"
_CACHES = ("dcache", "entry", "negative", "attr")
CACHED = 10
"""Seconds for which a mount goes by what it once saw, a file that was not there included."""


class TwoHosts(Slurm):
    """A Slurm whose jobs run in a mount namespace: there, the shared folder is mounted anew."""

    def __init__(self, folder: Path, exported: Path, mount: Path) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.mount = mount
        client = folder / "client"
        client.write_text(f"#!/bin/sh\nexec {SERVER}\n", "utf-8")
        client.chmod(0o755)
        caches = ",".join(f"{cache}_timeout={CACHED}" for cache in _CACHES)
        options = f"ssh_command={client},allow_other,{caches}"
        self.mounting = ["sshfs", "-o", options, f"host:{exported}", str(mount)]

    def start(self) -> None:
        """Mount the folder for the planning process, then start the daemons."""
        subprocess.run(self.mounting, check=True)
        super().start()

    def stop(self) -> None:
        """Kill the daemons and jobs, and remove the mount."""
        super().stop()
        subprocess.run(["umount", "-l", str(self.mount)], check=True)

    def command_of(self, name: str) -> list[str]:
        """Return a daemon's command: slurmd sees the shared folder through its own mount."""
        command = super().command_of(name)
        if name != "slurmd":
            return command
        anew = 'umount -l "$1" && shift && "$1" "$2" "$3" "$4" "$5" && shift 5 && exec "$@"'
        own = ["unshare", "--mount", "--propagation", "private", "sh", "-c", anew, "sh"]
        return [*own, str(self.mount), *self.mounting, *command]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[TwoHosts]:
    if reason := absent():
        pytest.skip(f"no Slurm: {reason}")
    if shutil.which("sshfs") is None or not Path(SERVER).is_file():
        pytest.skip("no sshfs (apt-get install sshfs openssh-sftp-server)")
    for name in ("exported", "mount"):
        (tmp_path / name).mkdir()
    with tempfile.TemporaryDirectory() as folder:  # short, since it holds a socket
        two = TwoHosts(Path(folder), tmp_path / "exported", tmp_path / "mount")
        with running(two) as started:
            yield started


def test_jobs_on_a_mount_of_their_own_give_the_local_bytes(hosts: TwoHosts, tmp_path: Path) -> None:
    for name in ("local", "mount/far"):
        (tmp_path / name).mkdir()
    local = Project(tmp_path / "local", epochs=100)
    local.build_near()
    waiting = ("--set", "store.latency_wait=60", "--snakemake=--latency-wait=60")
    remote = Project(hosts.mount / "far", epochs=100)
    with building(hosts, remote, "--stage", "train", *waiting) as build:
        words, _ = build.communicate(timeout=900)
    assert build.returncode == 0, words
    assert files_below(tmp_path / "exported" / "far" / "far") == local.files("near")
