"""Cutting a clip apart: a file with only its sound, one with only its picture, one with both.

Every file is encoded anew in a format that browsers play, so nothing but the chosen streams is
left: no other stream, no metadata, no captions inside the pictures.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline.annotate.voting import Task
from pipeline.errors import BuildError, ClipError
from pipeline.media.ffmpeg import LONGEST_SECONDS, media_input, run
from pipeline.store.files import written_whole

TYPES = {"A": "audio/mp4", "V": "video/mp4", "M": "video/mp4"}
"""Content type of the file of each phase."""

_VERSION = 1
"""Part of the files' names: raise it when `_OPTIONS` or `_PICTURE` change."""

_PICTURE = (
    "scale=w='trunc(iw*sar/2)*2':h='trunc(ih/2)*2',setsar=1,scale=w='min(1280,iw)':h=-2,setsar=1"
)
"""Square pixels, an even number of them (H.264 needs that), not wider than a screen."""

_OPTIONS: dict[str, Any] = {
    "format": "mp4",
    "movflags": "+faststart",
    "fflags": "+bitexact",
    "t": LONGEST_SECONDS,
    "map_metadata": -1,
    "map_chapters": -1,
    "threads": 1,
    "sn": None,
    "dn": None,
}
_VIDEO: dict[str, Any] = {
    "vcodec": "libx264",
    "preset": "veryfast",
    "crf": 20,
    "pix_fmt": "yuv420p",
    "a53cc": 0,  # captions inside the pictures
    "flags:v": "+bitexact",
}
_AUDIO: dict[str, Any] = {
    "acodec": "aac",
    "audio_bitrate": "160k",
    "ac": 2,
    "ar": 48000,
    "flags:a": "+bitexact",
}


class Cutter:
    """The files that annotators play, made when first needed and kept.

    Parameters
    ----------
    raw : Path
        The corpus folder.
    folder : Path
        Where the files are kept.
    ffmpeg : str
        Which ffmpeg cuts (`MediaSettings.ffmpeg`).
    workers : int
        Files that are cut ahead at once.
    """

    def __init__(self, raw: Path, folder: Path, ffmpeg: str, workers: int = 1) -> None:
        self._raw = raw
        self._folder = folder
        self._ffmpeg = ffmpeg
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="cut")
        self._locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
        self._registry = threading.Lock()
        self.failures: dict[int, str] = {}
        """Why clips could not be cut, by row of the database."""

    def path(self, task: Task) -> Path:
        """Return where the file of a task is kept."""
        name = f"{task.digest}-{task.video}-{task.audio}-{task.phase}{_VERSION}.mp4"
        return self._folder / name

    def cut(self, task: Task) -> Path:
        """Return the file of a task, made now if it does not exist.

        Raises
        ------
        ClipError
            If ffmpeg cannot decode the clip, or its file has left the corpus folder.
        BuildError
            If the file cannot be written, or ffmpeg does not run.
        """
        path = self.path(task)
        with self._registry:
            lock = self._locks[path]
        with lock:
            if not path.is_file():
                try:
                    self._make(task, path)
                except (ClipError, BuildError) as error:
                    self.failures[task.clip] = str(error)
                    raise
        self.failures.pop(task.clip, None)
        return path

    def ahead(self, tasks: Iterable[Task]) -> None:
        """Cut these tasks in the background, in order."""
        for task in tasks:
            self._pool.submit(self._quietly, task)

    def stop(self) -> None:
        """Cut no more; files being cut are finished."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _quietly(self, task: Task) -> None:
        try:
            self.cut(task)
        except (ClipError, BuildError):
            return  # `failures` has it for the organiser's page

    def _make(self, task: Task, path: Path) -> None:
        source = self._source(task)
        opened = media_input(source)
        streams = []
        options = dict(_OPTIONS)
        if task.phase != "A":
            streams.append(opened[str(task.video)])
            options |= _VIDEO | {"filter:v": _PICTURE}
        if task.phase != "V":
            streams.append(opened[str(task.audio)])
            options |= _AUDIO
        with written_whole(path) as temporary:
            target = f"file:{temporary.resolve()}"
            import ffmpeg

            run(ffmpeg.output(*streams, target, **options), source, self._ffmpeg)

    def _source(self, task: Task) -> Path:
        """Return the clip's file; a link laid since the round began must not lead out of raw."""
        path = (self._raw / task.media).resolve()
        if not path.is_relative_to(self._raw.resolve()) or not path.is_file():
            raise ClipError(
                f"{task.media} is no file inside {self._raw}", "put the clip's file back"
            )
        return path
