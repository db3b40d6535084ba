"""Runtimes that start OpenFace: batches of face crops in, one checked table per clip out."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BuildError, ClipError
from pipeline.extractor import Extractor
from pipeline.openface.call import Caller, CallResult, FaceFolder
from pipeline.openface.columns import COLUMNS, FRAME
from pipeline.openface.runtimes.base import Limits
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store.features import Features

_REMEDY = "look at the clip's face crops; the other clips are not affected"
_TOO_SLOW = (
    "look at the clip's face crops; if OpenFace is only slow, raise openface.seconds_per_frame and "
    "try it again: chsims-build --stage openface --clip VIDEO/CLIP --force"
)
_KILLED = 137
_FROM_OUTSIDE = (_KILLED, 143)
"""Exit statuses of a process that something else ended: memory limit, batch system, a person."""


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
    once more alone and then given up; the rest go on as a batch.

    Examples
    --------
    The emulator of this project's tests stands in for OpenFace. The second of three frames has
    no face.

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
        self._has_worked = False

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
            ``identity`` and ``pinned`` (of the image or program), ``rows``, ``grid``
            (``frame``) and ``notes``.

        Raises
        ------
        BuildError
            If no clip caused the failure: no runtime, no image, no models, no disk space.
        """
        seen = [index for index, inputs in enumerate(batch) if _faces(inputs)]
        tables: dict[str, NDArray[np.float32] | ClipError] = {}
        if seen:
            with _scratch(batch[seen[0]].work) as scratch:
                folders = [_lay_out(scratch, _name(index), batch[index]) for index in seen]
                tables = self._run_in_parallel(scratch, folders)
        return [self._result(inputs, tables.get(_name(i))) for i, inputs in enumerate(batch)]

    def _run_in_parallel(
        self, scratch: Path, folders: list[FaceFolder]
    ) -> dict[str, NDArray[np.float32] | ClipError]:
        parts = _divide(folders, self.threads)
        threads = max(1, self.threads // len(parts))
        caller = Caller(
            select_runtime(self.settings).runtime,
            scratch,
            Limits(threads, self.settings.memory_mb),
            self.settings.seconds_per_frame,
        )
        cancelled = threading.Event()
        results: dict[str, NDArray[np.float32] | ClipError] = {}
        with ThreadPoolExecutor(len(parts)) as pool:
            try:
                for done in pool.map(lambda part: self._run(caller, part, cancelled), parts):
                    results.update(done)
            finally:
                cancelled.set()  # a failure of one part ends the calls of the others
        return results

    def _run(
        self, caller: Caller, clips: list[FaceFolder], cancelled: threading.Event
    ) -> dict[str, NDArray[np.float32] | ClipError]:
        results: dict[str, NDArray[np.float32] | ClipError] = {}
        waiting = [clips]
        while waiting and not cancelled.is_set():
            part = waiting.pop()
            done = caller.call(part, cancelled.is_set)
            results.update(done.tables)
            self._has_worked = self._has_worked or bool(done.tables)
            bad = [clip for clip in part if clip.name not in done.tables]
            if bad and len(part) == 1:
                results[bad[0].name] = self._give_up(caller, bad[0], done)
            elif bad:
                # the first may have kept OpenFace from the others: it alone, then they
                waiting += [rest for rest in (bad[1:], bad[:1]) if rest]
        return results

    def _give_up(self, caller: Caller, clip: FaceFolder, done: CallResult) -> ClipError:
        problem = f"{done.problems[clip.name]}; {done.ending}"
        if not self._has_worked and done.silent:
            raise BuildError(
                f"OpenFace ({caller.runtime.name}) does not work: {problem}",
                "see docs/openface.md, 'When it does not work'",
            )
        if not self._has_worked and done.status == _KILLED and not done.stopped:
            raise BuildError(
                f"OpenFace was killed on its first clip; the memory limit is "
                f"{self.settings.memory_mb} MiB ({problem})",
                "raise openface.memory_mb, or the memory that the batch system gives the job",
            )
        if done.stopped:
            return ClipError(problem, _TOO_SLOW)
        return ClipError(problem, _REMEDY, passing=done.status in _FROM_OUTSIDE)

    def _result(
        self, inputs: CropInputs, table: NDArray[np.float32] | ClipError | None
    ) -> Features | Exception:
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
                "rows": frames,
                "grid": "frame",
                "notes": _notes(frames, faces),
            },
        )


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


class _scratch:  # noqa: N801 (used like a function)
    """A scratch folder with an empty ``faces/`` in it, removed at the end."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def __enter__(self) -> Path:
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="openface-", dir=self._work.resolve()))
            (self._folder / "faces").mkdir()
        except OSError as error:
            raise _no_scratch(self._work, error) from error
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _lay_out(scratch: Path, name: str, inputs: CropInputs) -> FaceFolder:
    folder = scratch / "faces" / name
    try:
        folder.mkdir()
        for frame, crop in enumerate(inputs.crops, start=1):
            if crop is not None:
                # OpenFace reads images in the order of their names
                (folder / f"frame{frame:06d}.jpg").write_bytes(crop)
    except OSError as error:
        raise _no_scratch(scratch, error) from error
    return FaceFolder(name, _faces(inputs))


def _no_scratch(folder: Path, error: OSError) -> BuildError:
    return BuildError(
        f"cannot write face crops for OpenFace in {folder}: {error.strerror or error}",
        "free disk space or fix the folder's permissions, then run the same command again",
    )
