"""Whether OpenFace itself works: the packaged face clip decides, not the user's clips."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError
from pipeline.openface.call import Caller
from pipeline.openface.columns import CONFIDENCE, SUCCESS
from pipeline.openface.folders import lay_out

KILLED = 137
"""Exit status of a process that was killed: the kernel's answer to a lack of memory."""

_NAME = "packaged"
_SURE = 0.5
"""Confidence of a face that is tracked. OpenFace's are near 0.98; the first row on which it
detects a face has `success` 1 whatever its confidence (0.02 was seen)."""

_REMEDY = "run chsims-build doctor --openface; see docs/openface.md, 'When it does not work'"


def packaged_faces() -> list[bytes]:
    """Return the packaged face clip: six JPEGs of 224 px, made from the demo's portrait."""
    folder = files("pipeline.openface") / "data"
    faces = sorted((file for file in folder.iterdir()), key=lambda file: file.name)
    return [file.read_bytes() for file in faces if file.name.endswith(".jpg")]


def rows_tracked(table: NDArray[np.float32]) -> int:
    """Return the number of rows in which a face is tracked with some confidence.

    Parameters
    ----------
    table : ndarray, float32 [rows, 714]
        An OpenFace table.
    """
    return int(((table[:, SUCCESS] == 1) & (table[:, CONFIDENCE] >= _SURE)).sum())


class Installation:
    """The OpenFace behind a `Caller`, on trial with the packaged face clip.

    Parameters
    ----------
    caller : Caller
        How it is called; its scratch folder has a folder ``faces/``.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._one_at_a_time = threading.Lock()

    def check(self, cancelled: Callable[[], bool]) -> None:
        """Stop the build if OpenFace fails on the packaged face clip too.

        Raises
        ------
        BuildError
            If it does; names what OpenFace said.
        """
        table = self.run(cancelled)
        if table is not None and rows_tracked(table) == 0:
            raise BuildError(
                f"OpenFace ({self.caller.runtime.name}) runs but tracks no face, not even in the "
                "face clip of the doctor: its models are damaged or of another version",
                _REMEDY,
            )

    def run(self, cancelled: Callable[[], bool]) -> NDArray[np.float32] | None:
        """Run OpenFace on the packaged face clip.

        Returns
        -------
        ndarray, float32 [6, 714], or None
            Its table; None if `cancelled` ended the call.

        Raises
        ------
        BuildError
            If OpenFace fails.
        """
        with self._one_at_a_time:
            clip = lay_out(self.caller.scratch, _NAME, packaged_faces())
            done = self.caller.call([clip], cancelled)
        if done.tables or cancelled():
            return done.tables.get(_NAME)
        said = f"{done.problems[_NAME]}; {done.ending}"
        name = self.caller.runtime.name
        if done.status == KILLED and not done.stopped:
            raise BuildError(
                f"OpenFace ({name}) is killed even on the face clip of the doctor; the memory "
                f"limit is {self.caller.limits.memory_mb} MiB ({said})",
                "raise openface.memory_mb, or the memory that the batch system gives the job",
            )
        raise BuildError(
            f"OpenFace ({name}) does not work: it fails even on the face clip of the doctor, so "
            f"the clips are not the cause: {said}",
            _REMEDY,
        )
