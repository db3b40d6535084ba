"""The first half of the command: films are opened, heard and seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import ClipError
from pipeline.propose.segments import Segment
from pipeline.propose.speech import phrases
from pipeline.propose.tracks import track_faces
from pipeline.propose.utterances import Analysis
from pipeline.propose.work import Films, Work
from pipeline.propose.workers import work_on


@dataclass
class Proposal:
    """A film on its way to clips.

    Parameters
    ----------
    path : Path
        The film.
    digest : str
        SHA-256 of it.
    problem : ClipError, optional
        Why no clips can be made of it.
    chunks : list
        The parts that were searched for faces: their names and their pictures.
    segments : list of Segment
        Its segments.
    told : dict
        What is stored of it for the table and the page.
    """

    path: Path
    digest: str
    opened: Work | None = None
    problem: ClipError | None = None
    chunks: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def work(self) -> Work:
        """Its streams, once it was opened."""
        assert self.opened is not None
        return self.opened


def analyse(proposals: Sequence[Proposal], films: Films, config: Config, cores: int) -> None:
    """Open films and find their speech, shots and faces; what fails is their `problem`.

    Parameters
    ----------
    proposals : sequence of Proposal
        The films.
    films : Films
        Where results are stored; what is there is not computed again.
    config : Config
        The settings.
    cores : int
        Processes that work at once.
    """
    by_digest = {each.digest: each for each in _usable(proposals)}

    def note(digest: str, result: object) -> None:
        if isinstance(result, ClipError) and by_digest[digest].problem is None:
            by_digest[digest].problem = result

    to_open = [(each.path, each.digest) for each in _usable(proposals)]
    for (_, digest), work in work_on(to_open, films.open, cores, "opening"):
        note(digest, work)
        if isinstance(work, Work):
            by_digest[digest].opened = work
    works = [each.work for each in _usable(proposals)]
    watching = films.missing(works)
    for (work, _), result in work_on(watching, films.watch, cores, "speech and shots"):
        note(work.digest, result)
    for each in _usable(proposals):
        try:
            films.join(each.work)
            _check(each, films, config)
            each.chunks = films.chunks(each.work)
        except ClipError as error:
            each.problem = error
    searching = [
        (each.work, part, wanted)
        for each in _usable(proposals)
        for part, wanted in each.chunks
        if not films.has("faces", each.work, films.faces_key(each.work, wanted), part)
    ]
    for (work, _, _), result in work_on(searching, films.search, cores, "faces"):
        note(work.digest, result)


def _usable(proposals: Sequence[Proposal]) -> list[Proposal]:
    return [each for each in proposals if each.problem is None]


def _check(proposal: Proposal, films: Films, config: Config) -> None:
    """Refuse a film that is too short, or in which nobody speaks."""
    s, work = config.propose, proposal.work
    end = float(films.read("shots", work).info["end"])
    if end < s.shortest:
        raise ClipError(
            f"it is {end:.2f} s long, shorter than a clip (propose.shortest: {s.shortest:g} s)",
            "leave it out",
        )
    if not phrases(films.read("speech", work).arrays["speech"], s.speech_threshold):
        raise ClipError(
            f"no speech was found in its {end:.0f} s of sound (its audio tracks: "
            f"{', '.join(work.film.tracks)})",
            "listen to it; take another track with --set media.audio_track=N, or lower "
            "propose.speech_threshold",
        )


def analysis_of(proposal: Proposal, films: Films, config: Config) -> Analysis:
    """Return all that is known of a film."""
    work = proposal.work
    scanned = films.read("shots", work)
    times, starts = scanned.arrays["times"], tuple(scanned.arrays["shots"].tolist())
    found = (films.read("faces", work, part) for part, _ in proposal.chunks)
    probability = config.propose.face_probability
    return Analysis(
        times,
        float(scanned.info["end"]),
        starts,
        films.read("speech", work).arrays["speech"],
        tuple(track_faces(found, times, starts, probability)),
    )
