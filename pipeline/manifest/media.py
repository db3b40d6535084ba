"""Finding each clip's media file, its digest, and its probe, with a cache of both.

Media are untrusted and FFmpeg is native code, so probing happens in child processes, each
with one file in hand: a file that crashes or hangs its child costs that clip and no other.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import stat
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pipeline
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.cache import MediaCache
from pipeline.manifest.folders import EXTENSIONS, MediaFolders
from pipeline.manifest.probe import PROBE_VERSION, READY, FileFacts
from pipeline.manifest.streams import Probe, choose
from pipeline.store.files import file_digest, package_versions
from pipeline.store.layout import Layout

PROBE_SECONDS = 120.0
"""Longest time one file may take to say what it is."""

_COPY = "copy the file into raw, or set raw to the folder that holds the media"


@dataclass(frozen=True)
class Media:
    """One clip's file: path relative to raw, SHA-256, bytes, and what it says about itself."""

    path: str
    digest: str
    size: int
    probe: Probe


def find_media(folders: MediaFolders, video_id: str, clip_id: str) -> Path:
    """Return a clip's one media file.

    Raises
    ------
    ClipError
        If there is none, more than one, or it is not a plain file inside raw.
    """
    folder = folders.videos.get(video_id)
    if folder is not None and not folders.inside(folder):
        raise ClipError(f"the folder {video_id} is a link that leads out of raw", _COPY)
    refusal = folders.refusal(video_id)
    if refusal:
        raise ClipError(refusal, "fix its permissions, or copy the folder into raw again")
    found = folders.candidates(video_id, clip_id)
    if not found:
        missing = (
            f"no media file {folders.shown(folder)}/{clip_id}.*"
            if folder
            else f"no folder {folders.corpus}/{video_id}"
        )
        kinds = " ".join(extension[1:] for extension in EXTENSIONS)
        raise ClipError(f"{missing} ({kinds})", "add the file or take the line out of the sheet")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ClipError(f"more than one media file: {names}", "keep the right one")
    path = found[0]
    if path.is_symlink() and not path.exists():
        raise ClipError(f"{video_id}/{path.name} is a broken link ({path.readlink()})", _COPY)
    if not folders.inside(path):
        raise ClipError(f"{video_id}/{path.name} is a link that leads out of raw", _COPY)
    try:
        status = path.stat()
    except OSError as error:
        raise ClipError(
            f"{video_id}/{path.name} cannot be read ({error.strerror})", _COPY
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise ClipError(f"{video_id}/{path.name} is not a plain file", _COPY)
    if status.st_size == 0:
        raise ClipError(f"{video_id}/{path.name} is empty (0 bytes)", "copy the file again")
    return path


class MediaReader:
    """Digests and probes media files, several at once, remembering both between builds.

    Parameters
    ----------
    folders : MediaFolders
        The corpus.
    processed : Path
        Where the cache lies. A digest is remembered by path, size and time of change; a
        probe by digest and library version.
    workers : int
        Files worked on at once; 0 if nothing may be opened or written (`remembered`).
    audio_track : int or str, optional
        Number or language of the audio track to take (`MediaSettings.audio_track`).
    """

    def __init__(
        self,
        folders: MediaFolders,
        processed: Path,
        workers: int,
        audio_track: int | str | None = None,
    ) -> None:
        self.folders = folders
        self.workers = workers
        self.audio_track = audio_track
        version = f"{PROBE_VERSION}/{package_versions(('av',))['av']}"
        self._cache = MediaCache(Layout(processed).manifest_cache, version, writes=workers > 0)
        self._children: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        self.probed = 0
        """How many files were opened, rather than remembered."""

    def read(self, paths: Iterable[Path]) -> Iterator[Media | ClipError]:
        """Yield the result of each path, in the order given; few are looked at ahead.

        What is found out is remembered as it comes, so a killed process loses little.
        """
        whole, pool = False, ThreadPoolExecutor(self.workers)
        try:
            with self._working():
                try:
                    coming: deque[Future[Media | ClipError]] = deque()
                    for path in paths:
                        coming.append(pool.submit(self._read, path))
                        if len(coming) > 4 * self.workers:
                            yield coming.popleft().result()
                    while coming:
                        yield coming.popleft().result()
                    whole = True
                finally:
                    pool.shutdown(cancel_futures=True)
        finally:
            self._cache.close(forget_others=whole)

    @contextmanager
    def _working(self) -> Iterator[None]:
        children = [_Child() for _ in range(self.workers)]
        for child in children:
            self._children.put(child)
        try:
            yield
        finally:
            for child in children:
                child.stop()

    def _read(self, path: Path) -> Media | ClipError:
        relative = path.relative_to(self.folders.root).as_posix()
        try:
            digest, size = self._digest(path, relative)
        except OSError as error:
            return ClipError(f"{relative} cannot be read ({error.strerror})", "check permissions")
        answer = self._cache.answer(digest)
        if answer is None:
            child = self._children.get()
            try:
                answer = child.ask(path)
            except ClipError as error:  # a crash may be the machine's fault: not remembered
                return error
            finally:
                self._children.put(child)
            self._cache.note_answer(digest, answer)
            self.probed += 1
        return self._media(relative, digest, size, answer)

    def close(self) -> None:
        """Close the cache, if `read` has not done it."""
        self._cache.close()

    def remembered(self, path: Path) -> Media | ClipError | None:
        """Return what `read` would yield; None if it would have to open the file."""
        relative = path.relative_to(self.folders.root).as_posix()
        try:
            state = _state(path)
        except OSError:
            return None
        digest = self._cache.digest(relative, state)
        answer = None if digest is None else self._cache.answer(digest)
        if digest is None or answer is None:
            return None
        return self._media(relative, digest, state[0], answer)

    def _media(
        self, relative: str, digest: str, size: int, answer: dict[str, Any]
    ) -> Media | ClipError:
        if "reason" in answer:
            return ClipError(answer["reason"], answer["remedy"])
        try:
            facts = choose(FileFacts.of(answer["file"]), self.audio_track)
        except ClipError as error:
            return error
        return Media(relative, digest, size, facts)

    def _digest(self, path: Path, relative: str) -> tuple[str, int]:
        self._cache.note_use(relative)
        state = _state(path)
        digest = self._cache.digest(relative, state)
        if digest is None:
            digest = file_digest(path)
            self._cache.note_digest(relative, state, digest)
        return digest, state[0]


def _state(path: Path) -> list[int]:
    """Return a file's size and time of change: with the same ones, it has the same content."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


class _Child:
    """A probing process, started when first asked and again after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        process.stdin.flush()
        line = _line(process, PROBE_SECONDS)
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        hung = line is None
        status = self.stop()
        raise ClipError(
            f"FFmpeg's libraries hung on it for {PROBE_SECONDS:g} s and were stopped"
            if hung
            else f"FFmpeg's libraries crashed on it (status {status})",
            "the file is damaged or hostile: replace it or leave the clip out",
        )

    def stop(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.kill()
        process.stdout.close()
        with suppress(BrokenPipeError):
            process.stdin.close()
        return process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        home = str(Path(pipeline.__file__).resolve().parent.parent)
        paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.manifest.probe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )
        if _line(process, PROBE_SECONDS) != READY.encode():
            self.stop()
            raise BuildError(
                "the program that probes media does not start",
                f"see why: {sys.executable} -m pipeline.manifest.probe < /dev/null",
            )
        return process


def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """Read one whole line; empty when the process died, None when time ran out."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return None
    line = process.stdout.readline()
    return line if line.endswith(b"\n") else b""
