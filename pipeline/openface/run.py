"""Runtimes that start OpenFace: batches of face crops in, one checked table per clip out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import EndedEarly, Extractor
from pipeline.openface.call import Caller, CallResult
from pipeline.openface.columns import COLUMNS, FRAME
from pipeline.openface.folders import FaceFolder, faces_folder, lay_out
from pipeline.openface.installation import KILLED, Installation, rows_tracked
from pipeline.openface.runtimes.base import Limits
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store.features import Features

_REMEDY = "look at the clip's face crops; the other clips are not affected"
_TOO_SLOW = (
    "look at the clip's face crops; if OpenFace is only slow, raise openface.seconds_per_frame and "
    "try it again: chsims-build --stage openface --clip VIDEO/CLIP --force"
)
_FROM_OUTSIDE = (KILLED, 143)
"""Exit statuses of a process that something else ended: memory limit, batch system, a person."""

_FAREWELL_SECONDS = 2.0
"""How long a process that is told to end waits for its calls of OpenFace to be stopped; it is
killed after `pipeline.runner.crew.PATIENCE`. What still runs then is ended by the guards."""

_Table = NDArray[np.float32]
_Tables = dict[str, _Table | ClipError]


@dataclass(frozen=True)
class CropInputs:
    """One clip's face crops.

    Parameters
    ----------
    clip : str
        The clip's id, for messages only.
    crops : list of bytes or None
        A JPEG file for each frame of the grid; None where no face was found.
    work : Path
        Folder for scratch files.
    """

    clip: str
    crops: Sequence[bytes | None]
    work: Path


class RunOpenFace(Extractor):
    """Run OpenFace on the face crops of many clips at once.

    Parameters
    ----------
    settings : OpenFaceSettings
        The runtime and its limits.
    threads : int
        Number of cores. A batch is divided among as many parallel calls of OpenFace.

    Notes
    -----
    Frames without a face are left out of what OpenFace sees, as in the published recipe, rather
    than replaced by a black image on which its tracker would drift. Afterwards every frame has
    its row again: those left out hold zeros, with ``success`` 0. OpenFace's exit status decides
    nothing: a clip counts when its CSV is new and whole and has one row for each image sent. What
    is good in a batch is kept; the first clip that is not (OpenFace works in order) is tried
    once more alone and then given up; the rest go on as a batch. If no clip of a call is good,
    the packaged face clip of the doctor is tried: if it fails too, OpenFace is broken, and the
    build stops.

    Examples
    --------
    The emulator of this project's tests stands in for OpenFace. The second of three frames has
    no face.

    >>> import tempfile
    >>> from pipeline.faces.crop import encode_jpeg
    >>> from pipeline.openface.columns import SUCCESS
    >>> program = "tests/openface/emulator/FeatureExtraction"
    >>> settings = OpenFaceSettings(runtime="native", native_binary=program)
    >>> face = encode_jpeg(np.full((224, 224, 3), 127, np.uint8), quality=95)
    >>> clip = CropInputs("video_0001/0001", [face, None, face], Path(tempfile.mkdtemp()))
    >>> table = RunOpenFace(settings).extract(clip).arrays["table"]
    >>> table.shape, table[:, SUCCESS].tolist()
    ((3, 714), [1.0, 0.0, 1.0])
    """

    version: ClassVar[int] = 1

    def __init__(self, settings: OpenFaceSettings, threads: int = 1) -> None:
        self.settings = settings
        self.threads = threads

    @classmethod
    def make(cls, settings: OpenFaceSettings, threads: int) -> Self:
        """Make the extractor; nothing is started yet."""
        return cls(settings, threads)

    def extract(self, inputs: CropInputs) -> Features:
        """Run OpenFace on one clip.

        Parameters
        ----------
        inputs : CropInputs
            The clip's face crops, one entry per frame.

        Returns
        -------
        Features
            As from `extract_batch`.

        Raises
        ------
        ClipError
            If OpenFace fails on this clip.
        BuildError
            If it would fail on any clip.
        """
        (result,) = self.extract_batch([inputs])
        if isinstance(result, Exception):
            raise result
        return result

    def extract_batch(self, batch: Sequence[CropInputs]) -> list[Features | Exception]:
        """Run OpenFace on several clips.

        Parameters
        ----------
        batch : sequence of CropInputs
            The clips' face crops, one entry per frame.

        Returns
        -------
        list of Features or Exception
            For each clip, its error or ``table [frames, 714]`` float32, row i for frame i
            (columns: `pipeline.openface.columns.COLUMNS`). ``info`` holds ``runtime``,
            ``identity`` and ``pinned`` (of the image or program), ``made_by`` (in words, with
            every digest), ``rows``, ``grid`` (``frame``) and ``notes``.

        Raises
        ------
        BuildError
            If no clip caused the failure: no runtime, no image, no models, no disk space.
        EndedEarly
            If this process is told to end (SystemExit); holds the clips that were finished.
        """
        seen = [index for index, inputs in enumerate(batch) if _faces(inputs)]
        tables: _Tables = {}
        try:
            if seen:
                with faces_folder(batch[seen[0]].work) as scratch:
                    folders = [lay_out(scratch, _name(i), batch[i].crops) for i in seen]
                    self._run_in_parallel(scratch, folders, tables)
        except SystemExit as end:
            kept = [self._kept(inputs, tables.get(_name(i))) for i, inputs in enumerate(batch)]
            raise EndedEarly(end.code, kept) from end
        return [self._result(inputs, tables.get(_name(i))) for i, inputs in enumerate(batch)]

    def _run_in_parallel(self, scratch: Path, folders: list[FaceFolder], tables: _Tables) -> None:
        """Run OpenFace on all clips; fill `tables` as its calls end."""
        parts = _divide(folders, self.threads)
        threads = max(1, self.threads // len(parts))
        caller = Caller(
            select_runtime(self.settings).runtime,
            scratch,
            Limits(threads, self.settings.memory_mb),
            self.settings.seconds_per_frame,
        )
        trial = Installation(caller)
        cancelled = threading.Event()
        pool = ThreadPoolExecutor(len(parts))
        calls = [pool.submit(_work_off, caller, trial, part, cancelled, tables) for part in parts]
        patience = None
        try:
            for call in as_completed(calls):
                call.result()
        except SystemExit:
            tables.update(caller.finished())
            patience = _FAREWELL_SECONDS
            raise
        finally:
            cancelled.set()  # a failure of one part ends the calls of the others
            pool.shutdown(wait=False)
            wait(calls, patience)

    def _kept(self, inputs: CropInputs, table: _Table | ClipError | None) -> Features | None:
        """Return a clip's result if it was finished before the process was told to end."""
        result = self._result(inputs, table) if isinstance(table, np.ndarray) else None
        return result if isinstance(result, Features) else None

    def _result(self, inputs: CropInputs, table: _Table | ClipError | None) -> Features | Exception:
        if isinstance(table, ClipError):
            return table
        frames, faces = len(inputs.crops), _faces(inputs)
        if not frames:
            return ClipError(f"{inputs.clip} has no frames")
        rows = np.zeros((frames, len(COLUMNS)), np.float32)
        if table is not None:
            rows[[crop is not None for crop in inputs.crops]] = table
        rows[:, FRAME] = np.arange(1, frames + 1)
        found = select_runtime(self.settings)
        return Features(
            arrays={"table": rows},
            info={
                "runtime": found.runtime.name,
                "identity": found.found.identity,
                "pinned": found.found.pinned,
                "made_by": found.runtime.made_by(),
                "rows": frames,
                "grid": "frame",
                "notes": _notes(frames, faces),
            },
        )


def _work_off(
    caller: Caller,
    trial: Installation,
    clips: list[FaceFolder],
    cancelled: threading.Event,
    tables: _Tables,
) -> None:
    """Call OpenFace on clips, and on the rest again, until each has a table or an error."""
    waiting = [clips]
    while waiting and not cancelled.is_set():
        part = waiting.pop()
        done = caller.call(part, cancelled.is_set)
        tables.update(done.tables)
        if cancelled.is_set():
            return
        if not any(rows_tracked(table) for table in done.tables.values()):
            trial.check(cancelled.is_set)
        bad = [clip for clip in part if clip.name not in done.tables]
        if bad and len(part) == 1:
            tables[bad[0].name] = _given_up(bad[0], done)
        elif bad:
            # the first may have kept OpenFace from the others: it alone, then they
            waiting += [rest for rest in (bad[1:], bad[:1]) if rest]


def _given_up(clip: FaceFolder, done: CallResult) -> ClipError:
    problem = f"{done.problems[clip.name]}; {done.ending}"
    if done.stopped:
        return ClipError(problem, _TOO_SLOW)
    return ClipError(problem, _REMEDY, passing=done.status in _FROM_OUTSIDE)


def _faces(inputs: CropInputs) -> int:
    return sum(crop is not None for crop in inputs.crops)


def _notes(frames: int, faces: int) -> list[str]:
    if faces == frames:
        return []
    return [f"{frames - faces} of {frames} frames had no face and were not shown to OpenFace"]


def _divide(folders: list[FaceFolder], threads: int) -> list[list[FaceFolder]]:
    """Divide clips among threads, in runs of nearly equal number."""
    parts = min(threads, len(folders))
    bounds = [len(folders) * part // parts for part in range(parts + 1)]
    return [folders[start:end] for start, end in itertools.pairwise(bounds)]


def _name(index: int) -> str:
    # no two alike (of two inputs of one name, OpenFace keeps one), and nothing of the clip's id
    return f"clip{index:05d}"
