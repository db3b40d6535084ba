"""One call of OpenFace over some clips, and what it left."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError
from pipeline.openface.disk import check_disk
from pipeline.openface.folders import FaceFolder
from pipeline.openface.form import MAX_BYTES
from pipeline.openface.runtimes.base import Limits, Runtime
from pipeline.openface.runtimes.process import read_log, run_guarded
from pipeline.openface.said import check_installation_lines, ending, last_words
from pipeline.openface.table import MissingModelsError, parse_table

START_SECONDS = 120.0
"""Time for a container to start and OpenFace to load its models, before frames are counted."""

_FIRST_SIGNAL = 128


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
    """

    tables: dict[str, NDArray[np.float32]]
    problems: dict[str, str]
    ending: str
    status: int
    stopped: bool


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
        self._running: dict[Path, Sequence[FaceFolder]] = {}

    def call(self, clips: Sequence[FaceFolder], cancelled: Callable[[], bool]) -> CallResult:
        """Run OpenFace once over `clips`.

        Raises
        ------
        BuildError
            If no clip caused the failure, but the container, the models or the disk.
        """
        # every call has a folder of its own, so that a CSV in it is certainly new
        output = Path(tempfile.mkdtemp(prefix="out-", dir=self.scratch))
        self._running[output] = clips
        try:
            return self._call(clips, output, cancelled)
        finally:
            del self._running[output]

    def finished(self) -> dict[str, NDArray[np.float32]]:
        """Return the tables of the clips that calls under way have finished so far.

        For a process that is told to end. Thread-safe.
        """
        tables: dict[str, NDArray[np.float32]] = {}
        for output, clips in list(self._running.items()):
            with suppress(BuildError, OSError):  # of a broken installation, nothing is kept
                self._check_lines(read_log(output.with_suffix(".log")))
                tables |= _collect(output, clips, whole=False)[0]
        return tables

    def _call(
        self, clips: Sequence[FaceFolder], output: Path, cancelled: Callable[[], bool]
    ) -> CallResult:
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
            failure = self.runtime.explain(ended.status, words)
            if failure is not None:
                raise failure
        self._check_lines(ended.output)
        whole = not ended.stopped and ended.status < _FIRST_SIGNAL
        tables, problems = _collect(output, clips, whole=whole)
        if problems:
            check_disk(self.scratch)
        return CallResult(
            tables=tables,
            problems=problems,
            ending=ending(ended.status, watch.limit if ended.stopped else None, words),
            status=ended.status,
            stopped=ended.stopped,
        )

    def _check_lines(self, output: str) -> None:
        check_installation_lines(output.replace(f"{self.scratch}/", ""), self.runtime.name)


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
    output: Path, clips: Sequence[FaceFolder], *, whole: bool
) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Read the CSVs of a call.

    OpenFace goes over a clip's CSV once more at its end (the action units). Of a call that did
    not end by itself, the clip in hand is therefore not trusted, even if no row is missing.
    """
    tables, problems = {}, {}
    in_hand = "" if whole else _last_begun(output, clips)
    for clip in clips:
        try:
            table = _read(output / f"{clip.name}.csv", clip)
            if clip.name == in_hand:
                raise ClipError("OpenFace ended before it had finished this clip's CSV")
            tables[clip.name] = table
        except MissingModelsError as error:
            raise BuildError(
                f"OpenFace works without all of its action-unit models ({error.reason})",
                error.remedy,
            ) from None
        except ClipError as error:
            problems[clip.name] = error.reason
    return tables, problems


def _last_begun(output: Path, clips: Sequence[FaceFolder]) -> str:
    """Return the last clip, in OpenFace's order, of which there is any file."""
    names = [path.name for path in output.iterdir()]
    begun = [clip.name for clip in clips if any(name.startswith(clip.name) for name in names)]
    return begun[-1] if begun else ""


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
