"""chsims-build propose: from films to a folder of clips, step by step."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.examine import printable
from pipeline.propose.analyse import Proposal, analyse, analysis_of
from pipeline.propose.asr import asr_key
from pipeline.propose.cut import SUFFIXES
from pipeline.propose.folder import FilmRecord, Folder
from pipeline.propose.listing import listed, plain, require_file, shown, unreadable
from pipeline.propose.output import write_candidates, write_page
from pipeline.propose.segments import TAKEN, Segment, segments
from pipeline.propose.subtitles import read_subtitles
from pipeline.propose.thumbnails import Thumbnails
from pipeline.propose.transcripts import Transcript, fit, transcripts
from pipeline.propose.tries import tries
from pipeline.propose.work import Films
from pipeline.propose.workers import work_on
from pipeline.store.files import read_sealed, write_sealed
from pipeline.terminal import tracked

_PACKAGES = {"scenedetect": "shots", "silero_vad": "speech", "pysubs2": "subtitles"}


def propose(
    config: Config,
    films: Sequence[Path],
    to: Path,
    *,
    lossless: bool,
    dry_run: bool,
    cores: int,
    say: Callable[[str], None],
) -> int:
    """Propose clips from films, cut them, and write transcripts and a report.

    Parameters
    ----------
    config : Config
        ``propose``, ``asr``, ``media``, ``faces``.
    films : sequence of Path
        Media files, or folders of them.
    to : Path
        The folder of the clips.
    lossless : bool
        FFV1 and PCM in Matroska in place of H.264 and AAC in MP4.
    dry_run : bool
        Cut nothing; only the report is written.
    cores : int
        Processes that work at once.
    say : callable
        Prints a line.

    Returns
    -------
    int
        The exit status: 1 if a film could not be used.

    Raises
    ------
    BuildError
        If no film can be used, or the folder cannot be written to.
    """
    require_packages()
    paths = listed(films)
    folder = Folder(to, config.manifest.encoding)

    def tell(words: str) -> None:
        say(plain(words))

    with folder.locked():
        if not dry_run:
            folder.check_sheet()
        run = _Run(config, folder, lossless, cores, tell)
        proposals = run.identified(paths)
        analyse(proposals, run.films, config, cores)
        usable = [each for each in proposals if each.problem is None]
        for each in proposals:
            if each.problem is not None:
                why = each.problem
                tell(f"left out: {shown(each.path)}: {why.reason}\n  -> {why.remedy}")
        if not usable:
            raise BuildError(
                f"none of the {len(proposals)} films can be used", "see above what each lacks"
            )
        run.choose(usable)
        run.transcribe(usable)
        if not dry_run:
            run.cut(usable)
        run.report(usable, dry_run)
        return int(len(usable) < len(proposals))


def require_packages() -> None:
    """Refuse to begin without the libraries of the extra ``film``."""
    missing = [name for name in _PACKAGES if not _is_installed(name)]
    if missing:
        raise BuildError(
            f"chsims-build propose needs {', '.join(missing)} (for "
            f"{', '.join(_PACKAGES[name] for name in missing)}), which this environment lacks",
            "install them: pip install 'chsims-build[film]' (in a checkout: make setup)",
        )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # an import of it was forbidden
        return False


class _Run:
    """One call of the command."""

    def __init__(
        self,
        config: Config,
        folder: Folder,
        lossless: bool,
        cores: int,
        say: Callable[[str], None],
    ) -> None:
        self.config, self.folder = config, folder
        self.lossless, self.cores, self.say = lossless, cores, say
        self.films = Films(folder.store, config)

    def identified(self, paths: Sequence[Path]) -> list[Proposal]:
        """Return the films, each once, known by their content; at last those without one."""
        found: dict[str, Proposal] = {}
        unknown: list[Proposal] = []
        for path in tracked(paths, "reading", len(paths)):
            try:
                require_file(path)
                digest = self.folder.digest(path)
            except ClipError as error:
                unknown.append(Proposal(path, "", problem=error))
                continue
            except OSError as error:
                unknown.append(Proposal(path, "", problem=unreadable(error)))
                continue
            if digest in found:
                first = shown(found[digest].path)
                self.say(f"note: {shown(path)} is the same film as {first}")
            else:
                found[digest] = Proposal(path, digest)
        self.folder.save()
        for digest, each in found.items():
            same = [f for f in self.folder.films if f.name == each.path.name and f.digest != digest]
            if same and not any(f.digest == digest for f in self.folder.films):
                self.say(
                    f"note: {shown(each.path)} has another content than the "
                    f"{printable(each.path.name)} of {same[-1].video_id}: it is taken for another "
                    "film"
                )
        return [*found.values(), *unknown]

    def choose(self, proposals: Sequence[Proposal]) -> None:
        """Choose segments and give them ids and transcripts."""
        for proposal in proposals:
            proposal.told = self._choose(proposal)

    def _choose(self, proposal: Proposal) -> dict[str, Any]:
        s, work = self.config.propose, proposal.work
        record = self.record(proposal)
        film = analysis_of(proposal, self.films, self.config)
        proposal.segments = segments(film, s)
        spoken = film.spoken(s.speech_threshold).phrases
        subtitles = read_subtitles(
            work.film,
            s,
            lambda stream: self.films.subtitles(work, stream),
            self.config.manifest.encoding,
        )
        words = transcripts(proposal.segments, subtitles.cues, spoken, s.subtitle_share, s.language)
        notes = list(subtitles.notes)
        if subtitles.cues:
            warnings = fit(subtitles.cues, spoken, film.end)
            notes += [f"warning: {subtitles.source}: {each}" for each in warnings]
            for each in warnings:
                self.say(f"warning: {printable(proposal.path.name)}: {subtitles.source}: {each}")
        return {
            "film": proposal.path.name,
            "seconds": film.end,
            "size": [work.film.width, work.film.height],
            "shots": len(film.shots),
            "speech": round(sum(p.end - p.begin for p in spoken), 3),
            "subtitles": subtitles.source,
            "cues": len(subtitles.cues),
            "notes": notes,
            "tries": tries(film, s),
            "segments": [
                _told(record, segment, transcript, subtitles.source)
                for segment, transcript in zip(proposal.segments, words, strict=True)
            ],
            "digest": proposal.digest,
            "parts": [part for part, _ in proposal.chunks],
            "settings": s.model_dump(mode="json"),
        }

    def transcribe(self, proposals: Sequence[Proposal]) -> None:
        """Let a speech recogniser write the transcripts that are missing, if there is one."""
        settings = self.config.asr
        if settings.model is None:
            return
        key = asr_key(settings)
        missing = []
        for proposal in proposals:
            for segment, told in zip(proposal.segments, proposal.told["segments"], strict=True):
                if segment.verdict == TAKEN and not told["text"]:
                    missing.append((proposal.work, segment, told))
        tasks = [(w, s, key) for w, s, _ in missing if self.films.heard(w, s, key) is None]
        # CUDA must not be asked here: processes that are forked afterwards could not use it
        on_gpu = settings.device != "cpu" and Path("/dev/nvidiactl").exists()
        cores = 1 if on_gpu else self.cores
        for task, result in work_on(tasks, self.films.transcribe, cores, "transcribing"):
            if isinstance(result, ClipError):
                raise BuildError(
                    f"{printable(task[0].film.path.name)}, {task[1].begin:.1f} s: {result.reason}",
                    result.remedy,
                )
        for work, segment, told in missing:
            told["text"] = self.films.heard(work, segment, key) or ""
            told["source"] = f"asr.model {Path(settings.model).name}" if told["text"] else ""

    def record(self, proposal: Proposal) -> FilmRecord:
        """Return which film of the folder it is."""
        return self.folder.record(proposal.digest, proposal.path.name)

    def cut(self, proposals: Sequence[Proposal]) -> None:
        """Cut the clips that were taken, and remove those that no longer are."""
        tasks = []
        wanted: dict[str, dict[str, str]] = {}
        for proposal in proposals:
            record, work = self.record(proposal), proposal.work
            own = wanted[record.video_id] = {}
            for segment in proposal.segments:
                if segment.verdict != TAKEN:
                    continue
                name = f"{record.clip_id(_part(segment))}{SUFFIXES[self.lossless]}"
                own[name] = self.films.cut_key(work, segment, self.lossless)
                path = self.folder.path / record.video_id / name
                if not self.films.is_cut(path, own[name]):
                    tasks.append((work, segment, path, self.lossless))
            self.folder.check_kept(record, own)
        for proposal in proposals:
            record = self.record(proposal)
            record.files = {**record.files, **wanted[record.video_id]}
        self.folder.save()  # a kill must not leave clips that are not written down
        for task, result in work_on(tasks, self.films.cut, self.cores, "cutting"):
            if isinstance(result, ClipError):
                path = task[2]
                self.say(f"warning: {path}: {result.reason}\n  -> {result.remedy}")
                wanted[path.parent.name].pop(path.name)
        for proposal in proposals:
            record = self.record(proposal)
            for name in sorted(set(record.files) - set(wanted[record.video_id])):
                self.films.forget(self.folder.path / record.video_id / name)
            record.files = dict(sorted(wanted[record.video_id].items()))
        self.folder.save()

    def report(self, proposals: Sequence[Proposal], dry_run: bool) -> None:
        """Write the tables and the page, and say what was done."""
        told = self._told_of_all(proposals, dry_run)
        if not dry_run:
            self.folder.write_sheet(_sheet_rows(told))
        name = "dry-run" if dry_run else "candidates"
        page = self.folder.path / f"{name}.html"
        write_candidates(page.with_suffix(".csv"), told)
        parts = {
            record.video_id: [f"{c['digest'][:20]}/{part}" for part in c["parts"]]
            for record, c in told
        }
        write_page(page, told, Thumbnails(self.films.store, parts), dry_run=dry_run)
        taken = [s for _, c in told for s in c["segments"] if s["verdict"] == TAKEN]
        total = sum(len(c["segments"]) for _, c in told)
        with_text = sum(1 for each in taken if each["text"])
        seconds = sum(each["end"] - each["begin"] for each in taken)
        self.say(
            f"{len(taken)} of {total} segments taken ({seconds:.0f} s), {with_text} with a "
            f"transcript; why each was taken or left: {page}"
        )
        if not dry_run:
            self.say(f"next: chsims-build annotate {self.folder.path}")

    def _told_of_all(
        self, proposals: Sequence[Proposal], dry_run: bool
    ) -> list[tuple[FilmRecord, dict[str, Any]]]:
        """Return what is known of every film of the folder, also of those of earlier calls."""
        own = {self.record(each).video_id: each.told for each in proposals}
        found = []
        for record in self.folder.films:
            stored = self.folder.store / "candidates" / f"{record.video_id}.json"
            if record.video_id in own:
                found.append((record, own[record.video_id]))
                if not dry_run:
                    write_sealed(stored, own[record.video_id])
            elif stored.exists():
                found.append((record, self._stored(record, stored)))
        return found

    def _stored(self, record: FilmRecord, path: Path) -> dict[str, Any]:
        """Return what an earlier call found out about a film."""
        try:
            return read_sealed(path)
        except (OSError, ValueError) as error:
            raise BuildError(
                f"{path} is damaged ({error}); it holds the segments of {printable(record.name)}",
                "run the command again, and name this film too: that makes the file again",
            ) from error


def _part(segment: Segment) -> str:
    return f"{segment.first}-{segment.stop}"


def _told(
    record: FilmRecord, segment: Segment, transcript: Transcript, source: str
) -> dict[str, Any]:
    """Return what is stored of a segment."""
    return {
        "clip_id": record.clip_id(_part(segment)) if segment.verdict == TAKEN else "",
        **asdict(segment),
        "text": transcript.text,
        "note": transcript.note,
        "source": source if transcript.text else "",
    }


def _sheet_rows(told: Sequence[tuple[FilmRecord, dict[str, Any]]]) -> list[tuple[str, str, str]]:
    rows = []
    for record, candidates in told:
        there = {name.rpartition(".")[0] for name in record.files}
        rows += [
            (record.video_id, each["clip_id"], each["text"])
            for each in candidates["segments"]
            if each["clip_id"] in there and each["verdict"] == TAKEN
        ]
    return rows
