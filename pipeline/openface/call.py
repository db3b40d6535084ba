"""One call of OpenFace over some clips, and what it left."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError
from pipeline.openface.form import MAX_BYTES
from pipeline.openface.runtimes.base import Limits, Runtime
from pipeline.openface.runtimes.process import run_guarded
from pipeline.openface.table import MissingModelsError, parse_table

START_SECONDS = 120.0
"""Time for a container to start and OpenFace to load its models, before frames are counted."""

_PROBE_BYTES = 1 << 20
_WORDS = 300
_TELLING = re.compile(
    r"error|fail|could not|couldn't|cannot|can't|not exist|no images|no such|exception|terminate|"
    r"fatal|killed|denied|no space|unable|invalid",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class FaceFolder:
    """A clip's face images, laid out for OpenFace: a folder `name` with `images` files."""

    name: str
    images: int


@dataclass(frozen=True)
class CallResult:
    """What one call left.

    Parameters
    ----------
    tables : dict of str to ndarray, float32 [images, 714]
        The clips that can be trusted: a CSV that is new, whole, and has one row per image.
    problems : dict of str to str
        What is wrong with each other clip's CSV.
    ending : str
        How OpenFace ended and its own last words, for people.
    status : int
        Its exit status.
    stopped : bool
        Whether it was stopped because a clip took too long.
    silent : bool
        Whether it left no file at all: it never began to work.
    """

    tables: dict[str, NDArray[np.float32]]
    problems: dict[str, str]
    ending: str
    status: int
    stopped: bool
    silent: bool


class Caller:
    """Calls OpenFace on folders of face images below one scratch folder.

    Parameters
    ----------
    runtime : Runtime
        How OpenFace is started.
    scratch : Path
        Folder with the clips' folders in ``faces/``; outputs and logs are written next to it.
    limits : Limits
        Threads and memory of one call.
    seconds_per_frame : float
        Time limit of a clip, for each of its frames.
    """

    def __init__(
        self, runtime: Runtime, scratch: Path, limits: Limits, seconds_per_frame: float
    ) -> None:
        self.runtime = runtime
        self.scratch = scratch
        self.limits = limits
        self.seconds_per_frame = seconds_per_frame

    def call(self, clips: Sequence[FaceFolder], cancelled: Callable[[], bool]) -> CallResult:
        """Run OpenFace once over `clips`.

        Raises
        ------
        BuildError
            If no clip caused the failure, but the container, the models or the disk.
        """
        # every call has a folder of its own, so that a CSV in it is certainly new
        output = Path(tempfile.mkdtemp(prefix="out-", dir=self.scratch))
        command = self.runtime.command(
            self.scratch / "faces",
            [clip.name for clip in clips],
            output,
            self.limits,
            f"chsims-{os.getpid()}-{output.name}",
        )
        longest = max(clip.images for clip in clips)
        watch = _Watch(output, START_SECONDS + self.seconds_per_frame * longest)
        ended = run_guarded(
            command,
            output.with_suffix(".log"),
            self.scratch,
            lambda: cancelled() or watch.expired(),
        )
        words = last_words(ended.output.replace(f"{self.scratch}/", ""))
        if not ended.stopped:
            self._raise_for_installation(ended.status, words, ended.output)
        tables, problems = _collect(output, clips)
        if problems:
            _raise_for_disk(output)
        return CallResult(
            tables=tables,
            problems=problems,
            ending=_ending(ended.status, ended.stopped, watch.limit, words),
            status=ended.status,
            stopped=ended.stopped,
            silent=not any(output.iterdir()),
        )

    def _raise_for_installation(self, status: int, words: str, output: str) -> None:
        failure = self.runtime.explain(status, words)
        if failure is not None:
            raise failure
        if "Could not load the landmark detector" in output:
            raise BuildError(
                f"OpenFace ({self.runtime.name}) has no landmark models: {words}",
                "put OpenFace's model folder next to its binary (its download_models.sh fetches "
                "the large ones); see docs/openface.md",
            )


class _Watch:
    """Tells when one clip takes longer than it may: OpenFace begins a file with each clip."""

    def __init__(self, output: Path, limit: float) -> None:
        self.limit = limit
        self._output = output
        self._files = 0
        self._since = time.monotonic()

    def expired(self) -> bool:
        files = sum(1 for _ in self._output.iterdir())
        if files != self._files:
            self._files, self._since = files, time.monotonic()
        return time.monotonic() - self._since > self.limit


def _collect(
    output: Path, clips: Sequence[FaceFolder]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    tables, problems = {}, {}
    for clip in clips:
        try:
            tables[clip.name] = _read(output / f"{clip.name}.csv", clip)
        except MissingModelsError as error:
            raise BuildError(
                f"OpenFace works without all of its action-unit models ({error.reason})",
                error.remedy,
            ) from None
        except ClipError as error:
            problems[clip.name] = error.reason
    return tables, problems


def _read(path: Path, clip: FaceFolder) -> NDArray[np.float32]:
    try:
        # what a container wrote is not trusted: no links, no devices
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 (a descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ClipError("OpenFace's CSV is no regular file")
            data = stream.read(MAX_BYTES + 1)
    except OSError:
        raise ClipError("OpenFace wrote no CSV") from None
    table = parse_table(data, "OpenFace's CSV")
    if len(table) != clip.images:
        raise ClipError(f"OpenFace's CSV has {len(table)} rows for {clip.images} face images")
    return table


def _raise_for_disk(output: Path) -> None:
    # OpenFace exits 0 on a full disk; only trying tells, since quotas show in no free-space figure
    probe = output.with_suffix(".probe")
    try:
        with probe.open("wb") as stream:
            stream.write(bytes(_PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise BuildError(
            f"OpenFace cannot write its CSVs in {output.parent}: {error.strerror}",
            "free disk space there, or set TMPDIR to a folder on another disk",
        ) from None
    finally:
        probe.unlink(missing_ok=True)


def last_words(output: str) -> str:
    """Return the lines of OpenFace's output that tell what went wrong, or its last line."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    lines = ["".join(filter(str.isprintable, line)) for line in lines]
    telling = [line for line in lines if _TELLING.search(line)] or lines
    return "; ".join(dict.fromkeys(telling[-2:]))[-_WORDS:] or "(it said nothing)"


def _ending(status: int, stopped: bool, limit: float, words: str) -> str:
    if stopped:
        return f"stopped after {limit:.0f} s without finishing a clip; its last words: {words}"
    how = {134: "aborted", 137: "was killed, most likely for lack of memory", 139: "crashed"}
    if status == 143:
        return f"OpenFace was stopped from outside (exit 143): {words}"
    return f"OpenFace {how.get(status, 'ended')} (exit {status}): {words}"
