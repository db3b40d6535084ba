"""What is computed of films in worker processes, and stored under keys: killed, it continues."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.media.ffmpeg import ffmpeg_version
from pipeline.propose import asr, cut, faces, shots, speech
from pipeline.propose.film import Film, Index, index_film, open_film
from pipeline.propose.segments import Segment
from pipeline.propose.subtitles import extracted
from pipeline.store.features import Features, Store
from pipeline.store.files import digest, file_digest, package_versions, read_sealed, write_sealed

_NEAR_SECONDS = 0.5
"""Pictures are searched for faces up to this long before and after speech."""
_FAINT = 0.25
"""Faces are searched where speech is at least this probable, so that lower thresholds can be
tried without searching again."""


@dataclass(frozen=True)
class Work:
    """What is known of a film while it is worked on.

    Parameters
    ----------
    digest : str
        SHA-256 of its file.
    film : Film
        Its streams.
    """

    digest: str
    film: Film

    @property
    def name(self) -> str:
        """Under what its results are stored."""
        return self.digest[:20]


Watch = tuple[Work, shots.Span | None]
"""A part of a film whose shots are to be found; None: all of its speech."""


class Films:
    """What has been computed of the films of a folder.

    Parameters
    ----------
    store : Path
        Where it is kept.
    config : Config
        The settings.
    """

    def __init__(self, store: Path, config: Config) -> None:
        self.store = Store(store)
        self.root = store
        self.config = config
        self.settings = config.propose

    def open(self, task: tuple[Path, str]) -> Work:
        """Read what a film, given with its digest, says about itself."""
        path, own = task
        work = Work(own, open_film(path, self.config.media.audio_track))
        key = self.index_key(work)
        if not self.has("index", work, key):
            found = index_film(work.film)
            arrays, told = {"keys": found.keys}, {"continuous": found.continuous}
            self.store.write("index", f"{work.name}/film", key, Features(arrays, told))
        return work

    def index(self, work: Work) -> Index:
        """Return where decoding a film can begin."""
        found = self.read("index", work)
        return Index(found.arrays["keys"], bool(found.info["continuous"]))

    def index_key(self, work: Work) -> str:
        """Return what the index of a film depends on."""
        film = work.film
        return digest([work.digest, film.video, film.audio, film.zero, *_versions("index")])

    def shots_key(self, work: Work) -> str:
        """Return what the shots of a film depend on."""
        chosen = (self.settings.shot_threshold, self.settings.shot_change)
        return digest([shots.VERSION, self.index_key(work), chosen, *_versions("shots")])

    def speech_key(self, work: Work) -> str:
        """Return what the speech of a film depends on."""
        return digest([speech.VERSION, self.index_key(work), *_versions("speech")])

    def faces_key(self, work: Work, wanted: Sequence[int]) -> str:
        """Return what the faces of some pictures depend on."""
        chosen = self.config.faces.thresholds
        return digest(
            [faces.VERSION, self.shots_key(work), chosen, list(wanted), *_versions("faces")]
        )

    def cut_key(self, work: Work, segment: Segment, lossless: bool) -> str:
        """Return what a clip's bytes depend on."""
        quality = None if lossless else self.settings.crf
        part = (segment.first, segment.stop, segment.begin, segment.end)
        return digest([cut.VERSION, self.index_key(work), part, quality, *_versions("cut")])

    def read(self, what: str, work: Work, part: str = "film") -> Features:
        """Return a stored result.

        Raises
        ------
        BuildError
            If it is damaged. Its file is removed, so that the next call makes it again.
        """
        name = f"{work.name}/{part}"
        try:
            return self.store.read(what, name)
        except BuildError as error:
            self.store.discard(what, name)
            raise BuildError(
                f"{error.problem}; the file is removed now",
                "run the same command again: it makes this file again, and goes on",
            ) from error

    def has(self, what: str, work: Work, key: str, part: str = "film") -> bool:
        """Tell whether a result is stored that was made with this key."""
        return self.store.key(what, f"{work.name}/{part}") == key

    def missing(self, works: Sequence[Work]) -> list[Watch]:
        """Return what must still be heard and seen of films: the longest tasks first."""
        heard = [(w, None) for w in works if not self.has("speech", w, self.speech_key(w))]
        seen = [
            (work, span)
            for work in works
            if not self.has("shots", work, key := self.shots_key(work))
            for span in shots.spans(self.index(work))
            if not self.has("shots", work, key, f"{span.number:04d}")
        ]
        return [*heard, *seen]

    def watch(self, task: Watch) -> None:
        """Find a film's speech, or the shots of a part of it."""
        work, span = task
        if span is None:
            found = speech.listen(work.film)
            self.store.write("speech", f"{work.name}/film", self.speech_key(work), found)
            return
        found = shots.scan(work.film, self.index(work), span, self.settings)
        part = f"{work.name}/{span.number:04d}"
        self.store.write("shots", part, self.shots_key(work), found)

    def join(self, work: Work) -> None:
        """Put the parts of a film's shots together.

        Raises
        ------
        ClipError
            If no picture could be decoded.
        """
        key = self.shots_key(work)
        if not self.has("shots", work, key):
            numbers = [f"{span.number:04d}" for span in shots.spans(self.index(work))]
            found = shots.joined(work.film, [self.read("shots", work, n) for n in numbers])
            self.store.write("shots", f"{work.name}/film", key, found)

    def chunks(self, work: Work) -> list[tuple[str, tuple[int, ...]]]:
        """Return the pictures to search for faces, in parts of a minute."""
        scanned = self.read("shots", work)
        times = scanned.arrays["times"]
        threshold = min(_FAINT, self.settings.speech_threshold)
        wanted: set[int] = set()
        step = 1 / self.settings.face_rate
        for phrase in speech.phrases(self.read("speech", work).arrays["speech"], threshold):
            low = np.floor((phrase.begin - _NEAR_SECONDS) / step)
            high = np.ceil((phrase.end + _NEAR_SECONDS) / step)
            moments = np.arange(max(low, 0), high + 1) * step
            found = np.searchsorted(times, moments - 1e-6)
            wanted.update(found[found < len(times)].tolist())
        parts: dict[int, list[int]] = {}
        for number in sorted(wanted):
            parts.setdefault(int(times[number] // faces.CHUNK_SECONDS), []).append(number)
        return [(f"{part:04d}", tuple(numbers)) for part, numbers in sorted(parts.items())]

    def search(self, task: tuple[Work, str, tuple[int, ...]]) -> None:
        """Search some pictures for faces."""
        work, part, wanted = task
        scanned = self.read("shots", work)
        found = faces.find_faces(
            work.film, self.index(work), scanned.arrays["times"], wanted, self._finder()
        )
        key = self.faces_key(work, wanted)
        self.store.write("faces", f"{work.name}/{part}", key, found)

    @cache  # noqa: B019  # one per process, as long as it lives
    def _finder(self) -> faces.FaceFinder:
        return faces.FaceFinder(self.config.faces)

    def is_cut(self, path: Path, key: str) -> bool:
        """Tell whether a clip's file is there as it was written with this key."""
        try:
            known = read_sealed(self._marker(path))
            status = path.stat()
        except (OSError, ValueError):
            return False
        if known["key"] != key:
            return False
        same = [status.st_size, status.st_mtime_ns] == known["status"]
        return bool(same or file_digest(path) == known["digest"])

    def cut(self, task: tuple[Work, Segment, Path, bool]) -> None:
        """Write a clip, and how it was made."""
        work, segment, path, lossless = task
        scanned = self.read("shots", work)
        cut.write_clip(
            work.film,
            self.index(work),
            scanned.arrays["times"],
            (segment.first, segment.stop, segment.end),
            path,
            self.settings,
            lossless=lossless,
        )
        status = path.stat()
        made = {
            "key": self.cut_key(work, segment, lossless),
            "digest": file_digest(path),
            "status": [status.st_size, status.st_mtime_ns],
        }
        write_sealed(self._marker(path), made)

    def subtitles(self, work: Work, stream: int) -> str:
        """Return a text stream inside a film, which is read once.

        Raises
        ------
        ClipError
            If ffmpeg cannot read it.
        """
        ffmpeg = self.config.media.ffmpeg
        path = self.root / "subtitles" / work.name / f"{stream}.json"
        key = digest([self.index_key(work), ffmpeg_version(ffmpeg)])
        with suppress(OSError, ValueError):
            known = read_sealed(path)
            if known["key"] == key:
                return str(known["text"])
        text = extracted(work.film, stream, ffmpeg)
        write_sealed(path, {"key": key, "text": text})
        return text

    def heard(self, work: Work, segment: Segment, key: list[Any]) -> str | None:
        """Return the words that a recogniser wrote for a segment, or None."""
        try:
            known = read_sealed(self._words(work, segment))
        except (OSError, ValueError):
            return None
        return str(known["text"]) if known["key"] == self._words_key(work, segment, key) else None

    def transcribe(self, task: tuple[Work, Segment, list[Any]]) -> None:
        """Let the recogniser write the words of a segment."""
        work, segment, key = task
        text = self._recogniser().transcribe(
            work.film, self.index(work), segment.begin, segment.end
        )
        made = {"key": self._words_key(work, segment, key), "text": text}
        write_sealed(self._words(work, segment), made)

    @cache  # noqa: B019  # one per process, as long as it lives
    def _recogniser(self) -> asr.Recogniser:
        return asr.Recogniser(self.config.asr)

    def _words(self, work: Work, segment: Segment) -> Path:
        return self.root / "words" / work.name / f"{segment.first}-{segment.stop}.json"

    def _words_key(self, work: Work, segment: Segment, key: list[Any]) -> str:
        return digest([key, self.index_key(work), segment.begin, segment.end])

    def forget(self, path: Path) -> None:
        """Remove a clip that is no longer proposed."""
        path.unlink(missing_ok=True)
        self._marker(path).unlink(missing_ok=True)

    def _marker(self, path: Path) -> Path:
        return self.root / "cuts" / path.parent.name / f"{path.name}.json"


_PACKAGES = {
    "index": ("av",),
    "shots": ("av", "scenedetect-headless", "opencv-python-headless"),
    "speech": ("av", "silero-vad", "soxr"),
    "faces": ("av", "facenet-pytorch", "opencv-python-headless"),
    "cut": ("av",),
}


@cache
def _versions(what: str) -> tuple[str, ...]:
    return tuple(f"{name} {v}" for name, v in package_versions(_PACKAGES[what]).items())
