"""Putting the emulator where each runtime looks for OpenFace."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.openface.settings import OpenFaceSettings

EMULATOR = Path(__file__).parent / "emulator" / "FeatureExtraction"
IN_IMAGE = OpenFaceSettings().image_binary
IMAGE_PROBE = "/bin/Probe"
APPLETS = ["sh", "awk", "cksum", "od", "grep", "tr", "basename", "mkdir", "rm", "sleep", "cat"]


class Harness:
    """One runtime with the emulator in it, told by the emulator's environment to fail."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def absent(self) -> str:
        """Return why this runtime cannot be tested here, or nothing."""
        return ""

    def start(self) -> None:
        """Prepare what all tests share."""

    def stop(self) -> None:
        """Remove it."""

    def running(self) -> list[str]:
        """Return the names of this project's containers that exist."""
        return []

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set this process's environment for one test."""
        self.monkeypatch = monkeypatch

    def settings(self, variables: dict[str, str] | None = None, **more: object) -> OpenFaceSettings:
        """Return the configuration of an OpenFace that fails as `variables` say."""
        raise NotImplementedError


class NativeHarness(Harness):
    """The emulator as a program of this machine."""

    name = "native"

    def absent(self) -> str:
        missing = [tool for tool in APPLETS if shutil.which(tool) is None]
        return f"the emulator needs {', '.join(missing)}" if missing else ""

    def settings(self, variables: dict[str, str] | None = None, **more: object) -> OpenFaceSettings:
        for name, value in (variables or {}).items():
            self.monkeypatch.setenv(name, value)
        values = {"runtime": "native", "native_binary": str(EMULATOR), **more}
        return OpenFaceSettings.model_validate(values)


class ImageHarness(Harness):
    """The emulator and busybox as the whole root file system of an image."""

    def absent(self) -> str:
        if shutil.which(self.name) is None:
            return "not installed"
        busybox = shutil.which("busybox")
        if busybox is None or b"=>" in _run("ldd", busybox, check=False).stdout:
            return "no static busybox to build an image from (apt-get install busybox-static)"
        return ""

    def start(self) -> None:
        self.images: dict[str, str] = {}
        self.archive = self.folder / "root.tar"
        with tarfile.open(self.archive, "w") as archive:
            for name in ("tmp", "proc", "dev", "sys", "etc"):
                entry = tarfile.TarInfo(name)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            archive.add(str(shutil.which("busybox")), "bin/busybox")
            for applet in APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
            archive.add(EMULATOR, IN_IMAGE.lstrip("/"))
            archive.add(EMULATOR.with_name("Probe"), IMAGE_PROBE.lstrip("/"))

    def image(self, variables: dict[str, str]) -> str:
        """Return an image whose environment is `variables`."""
        key = repr(sorted(variables.items()))
        if key not in self.images:
            self.images[key] = f"localhost/openface-emulator:{len(self.images)}"
            self.load(self.images[key], variables)
        return self.images[key]

    def running(self) -> list[str]:
        names = _run(self.name, "ps", "--all", "--format", "{{.Names}}").stdout.decode().split()
        return [name for name in names if name.startswith("chsims-")]

    def load(self, tag: str, variables: dict[str, str]) -> None:
        changes = [f"ENV {name}={value}" for name, value in {"PATH": "/bin", **variables}.items()]
        options = [part for change in changes for part in ("--change", change)]
        _run(self.name, "import", *options, str(self.archive), tag)

    def settings(self, variables: dict[str, str] | None = None, **more: object) -> OpenFaceSettings:
        values = {"runtime": self.name, "image": self.image(variables or {}), **more}
        return OpenFaceSettings.model_validate(values)


class PodmanHarness(ImageHarness):
    """Podman with a storage of its own."""

    name = "podman"

    def absent(self) -> str:
        if shutil.which("runc") is None and os.getuid() == 0:
            return "runc is not installed (apt-get install runc)"
        return super().absent()

    def start(self) -> None:
        super().start()
        self.environment: dict[str, str] = {}
        if os.getuid() == 0:  # a bare machine without systemd, as CI is
            self.environment = self._configure()

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Choose this storage, for one test: two of these may be open in one process."""
        super().use(monkeypatch)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def _configure(self) -> dict[str, str]:
        # podman's cleanup refuses a runroot of more than 50 characters, as pytest's folders
        # are under xdist; the run then waits 20 s for the exit code
        self.runroot = tempfile.mkdtemp(prefix="podman-", dir="/tmp")
        (self.folder / "containers.conf").write_text(
            '[containers]\nnetns = "none"\nlog_driver = "none"\n'
            'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
        )
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/graph"\n'
            f'runroot = "{self.runroot}"\n'
        )
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
        }

    def stop(self) -> None:
        with pytest.MonkeyPatch.context() as chosen:
            self.use(chosen)
            _run("podman", "rmi", "--force", *self.images.values(), check=False)
        if self.environment:
            _run("umount", str(self.folder / "graph" / "overlay"), check=False)
            shutil.rmtree(self.runroot, ignore_errors=True)


class DockerHarness(ImageHarness):
    """Docker, where its daemon runs."""

    name = "docker"

    def absent(self) -> str:
        absent = super().absent()
        if absent:
            return absent
        answer = _run("docker", "info", check=False)
        return "" if answer.returncode == 0 else "its daemon does not run"

    def stop(self) -> None:
        _run("docker", "rmi", "--force", *self.images.values(), check=False)


class ApptainerHarness(ImageHarness):
    """Apptainer with .sif files built from a folder."""

    name = "apptainer"

    def start(self) -> None:
        super().start()
        self.root = self.folder / "root"
        with tarfile.open(self.archive) as archive:
            archive.extractall(self.root, filter="tar")

    def running(self) -> list[str]:
        return []  # its containers are plain processes

    def load(self, tag: str, variables: dict[str, str]) -> None:
        environment = self.root / ".singularity.d" / "env"
        environment.mkdir(parents=True, exist_ok=True)
        lines = [
            f"export {name}='{value}'" for name, value in {"PATH": "/bin", **variables}.items()
        ]
        (environment / "90-environment.sh").write_text("\n".join(lines) + "\n")
        _run("apptainer", "build", "--force", str(self._file(tag)), str(self.root))

    def image(self, variables: dict[str, str]) -> str:
        return str(self._file(super().image(variables)))

    def _file(self, tag: str) -> Path:
        return self.folder / (tag.rpartition(":")[2] + ".sif")


def _run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(argv, capture_output=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{argv[:3]} failed: {done.stderr.decode()}")
    return done


HARNESSES: dict[str, Callable[[Path], Harness]] = {
    kind.name: kind for kind in (NativeHarness, PodmanHarness, DockerHarness, ApptainerHarness)
}
