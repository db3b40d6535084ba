"""What a way to start OpenFace has to say: is it there, how is it called, how is it stopped."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.errors import BuildError
from pipeline.openface.settings import OpenFaceSettings

_ANSWER_SECONDS = 60.0


class RuntimeUnavailableError(BuildError):
    """This runtime cannot be used on this machine; the message says why and what to do."""


@dataclass(frozen=True)
class Found:
    """A runtime that can be used.

    Parameters
    ----------
    description : str
        What was found, for people: ``podman 4.3.1, docker.io/algebr/openface@sha256:...``.
    identity : dict of str to str
        What the result depends on: the image's ID (or the digest that the configuration pins),
        or the program's digest. The same image under two engines has the same identity.
    pinned : bool
        Whether the configuration named the digest.
    names : tuple of str
        Everything that names this image: its ID, then the digests of registries.
    """

    description: str
    identity: dict[str, str]
    pinned: bool = True
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one call may use: threads, and memory in MiB."""

    threads: int
    memory_mb: int


@dataclass(frozen=True)
class Command:
    """How to start a program, and how to make sure that it has ended.

    Parameters
    ----------
    argv : tuple of str
        The program and its arguments; never a shell string.
    stop : tuple of str
        A command that removes what `argv` leaves running when it is killed, or empty.
    environment : dict of str to str
        Variables added to this process's own.
    """

    argv: tuple[str, ...]
    stop: tuple[str, ...]
    environment: dict[str, str]


class Runtime(ABC):
    """One way to start OpenFace.

    Parameters
    ----------
    settings : OpenFaceSettings
        Image, binary and digest.
    """

    name: ClassVar[str]

    def __init__(self, settings: OpenFaceSettings) -> None:
        self.settings = settings

    @abstractmethod
    def find(self) -> Found:
        """Check that this runtime would work.

        Raises
        ------
        RuntimeUnavailableError
            Saying what is missing and how to get it.
        """

    @abstractmethod
    def made_by(self) -> str:
        """Name this OpenFace by its content, for the dataset and the report."""

    @abstractmethod
    def command(
        self, faces: Path, clips: Sequence[str], output: Path, limits: Limits, unique: str
    ) -> Command:
        """Return the call that runs FeatureExtraction over some folders of images.

        Parameters
        ----------
        faces : Path
            Folder that holds the clips' folders; only ever read.
        clips : sequence of str
            The folders to work off, in this order: plain names below `faces`.
        output : Path
            Empty folder for the CSVs.
        limits : Limits
            Threads and memory.
        unique : str
            A name that nothing else on this machine bears.
        """

    @abstractmethod
    def explain(self, status: int, words: str) -> BuildError | None:
        """Tell whether a call failed before OpenFace itself could start, from its exit status."""


def arguments(clips: Sequence[str], faces: str, output: str) -> tuple[str, ...]:
    """Return FeatureExtraction's arguments: inputs first, flags last.

    With flags before the inputs, OpenFace was seen to find no input and exit 0. All six flags
    are needed: naming any limits the output to what is named.
    """
    inputs = [part for clip in clips for part in ("-fdir", f"{faces}/{clip}")]
    flags = ("-2Dfp", "-3Dfp", "-pdmparams", "-pose", "-aus", "-gaze")
    return (*inputs, "-out_dir", output, *flags)


def bind(source: Path, target: str) -> str:
    """Return the value of ``--mount`` that shows a folder of this machine at `target`."""
    field = f"source={source}"
    if "," in field or '"' in field:  # the value is one line of CSV
        field = '"' + field.replace('"', '""') + '"'
    return f"type=bind,{field},target={target}"


def thread_environment(threads: int) -> dict[str, str]:
    """Return the variables that keep OpenFace's libraries to a number of threads."""
    return {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def ask(argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a short command and return its status, output and error output."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, "", f"{argv[0]} gave no answer in {_ANSWER_SECONDS:.0f} s"
    except OSError as error:
        return 127, "", f"{argv[0]}: {error.strerror or error}"
    return done.returncode, done.stdout.decode("utf-8", "replace"), _last_line(done.stderr)


def _last_line(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "no message")[:500]
