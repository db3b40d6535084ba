"""One job: compute the stale clips of a stage's shards and write the job's record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.runner.costs import note_run
from pipeline.runner.limits import is_out_of_memory, memory_hint
from pipeline.runner.plan import plan
from pipeline.runner.pool import compute
from pipeline.runner.tidy import pack_job, trim
from pipeline.runner.worker import Outcome
from pipeline.stage import Build
from pipeline.stages import STAGES
from pipeline.store.quarantine import QuarantineEntry
from pipeline.store.records import write_record
from pipeline.store.shards import read_shard
from pipeline.terminal import tell

TELL_SECONDS = 10
"""Interval between a job's progress messages."""

ALIKE = 8
"""If at least this many clips, and all clips of the job, fail with the same unexpected error, the
clips are not the cause."""

log = logging.getLogger(__name__)


def run_stage(
    config: Config,
    stage_name: str,
    shards: Sequence[Path],
    record: Path,
    threads: int,
    say: Callable[[str], None] = tell,
) -> None:
    """Bring one stage of a job's shards up to date and write the job's record.

    Parameters
    ----------
    config : Config
        The checked configuration.
    stage_name : str
        A name in `pipeline.stages.STAGES`.
    shards : sequence of Path
        The shard files to read; the first gives the job its name.
    record : Path
        The record to write.
    threads : int
        Number of processes that run in parallel.
    say : callable
        Prints a line of progress.

    Raises
    ------
    BuildError
        If the stage cannot run at all (a model or a program is missing, the disk is full, every
        clip fails in the same unexpected way), or at the first bad clip with
        ``on_bad_clip: stop``.
    """
    started = time.monotonic()
    build, stage = Build.of(config), STAGES[stage_name]
    steps = plan(build, stage, chain.from_iterable(map(read_shard, shards)))
    stale = [step for step in steps if step.state == "stale"]
    progress = Progress(build, stage_name, shards[0].stem, len(stale), say)
    quarantine = [step.quarantine for step in steps if step.quarantine is not None]
    for entry in quarantine:
        _stop_if_asked(config, entry)
    outcomes: list[Outcome] = []
    for outcome in compute(build, stage, stale, threads):
        progress.advance(outcome)
        outcomes.append(outcome)
        if outcome.reason:
            clip = outcome.step.clip.clip
            entry = QuarantineEntry(clip, outcome.stage, outcome.reason, outcome.remedy)
            quarantine.append(entry)
            _stop_if_asked(config, entry)
    _stop_if_all_failed_alike(build, outcomes)
    for earlier in (stage, *stage.inputs):  # a killed job has not got to that
        for step in steps:
            trim(build, earlier, step.clip)
    numbers = [int(path.stem) for path in shards if path.stem.isdigit()]
    if config.store.pack and len(numbers) == len(shards):
        pack_job(build, stage, numbers)
    bad = {entry.clip for entry in quarantine}
    write_record(record, {s.clip.clip: s.key for s in steps if s.clip.clip not in bad}, quarantine)
    progress.close(time.monotonic() - started, len(quarantine))


def _stop_if_all_failed_alike(build: Build, outcomes: list[Outcome]) -> None:
    """Stop the build, and blame no clip, if a setting or a library must be the cause."""
    kinds = {outcome.reason.partition(":")[0] if outcome.detail else "" for outcome in outcomes}
    if len(outcomes) < ALIKE or len(kinds) > 1 or "" in kinds:
        return
    for outcome in outcomes:
        build.store.forget_failure(outcome.stage, outcome.step.clip.clip)
    stage, reason = outcomes[0].stage, outcomes[0].reason
    not_blamed = "these clips are not quarantined"
    problem = f"all {len(outcomes)} clips of this job failed in the same way: {reason}"
    if is_out_of_memory(reason):
        remedy = "memory ran out: free some, or build with fewer --cores"
        raise BuildError(problem, "; ".join(filter(None, (remedy, memory_hint(), not_blamed))))
    check = f"check the settings of {stage}, and the job's log"
    raise BuildError(problem, "; ".join(filter(None, (memory_hint(), check, not_blamed))))


def _stop_if_asked(config: Config, entry: QuarantineEntry) -> None:
    if config.on_bad_clip == "stop":
        raise BuildError(
            f"clip {entry.clip}, stage {entry.stage}: {entry.reason}",
            f"{entry.remedy} (on_bad_clip is 'stop'; 'quarantine' leaves such clips out)",
        )


class Progress:
    """Progress of one job: lines in its log, a counter that chsims-build shows, a summary."""

    def __init__(
        self, build: Build, stage: str, shard: str, total: int, say: Callable[[str], None]
    ) -> None:
        self.say = say
        self.layout = build.config.layout
        self.counter = self.layout.progress(stage, shard)
        self.told = time.monotonic()
        self.stage, self.shard, self.total, self.done = stage, shard, total, 0
        self.on_the_way: dict[str, tuple[int, float]] = {}
        self.counter.parent.mkdir(parents=True, exist_ok=True)
        self._count()

    def advance(self, outcome: Outcome) -> None:
        """Count one clip, and log its outcome."""
        self.done += 1
        for stage, seconds in outcome.on_the_way.items():
            clips, spent = self.on_the_way.get(stage, (0, 0.0))
            self.on_the_way[stage] = clips + 1, spent + seconds
        self._count()
        clip = outcome.step.clip.clip
        if outcome.reason:
            log.warning("%s: quarantined: %s\n%s", clip, outcome.reason, outcome.detail)
        else:
            log.info("%s: done (%d of %d)", clip, self.done, self.total)
        if self.done < self.total and time.monotonic() - self.told > TELL_SECONDS:
            self.told = time.monotonic()
            self.say(f"{self.stage} {self.shard}: {self.done} of {self.total} clips")

    def close(self, seconds: float, quarantined: int) -> None:
        """Report what the job did, and record its cost."""
        note_run(self.layout, self.stage, self.shard, self.done, seconds, self.on_the_way)
        bad = f", {quarantined} in quarantine" if quarantined else ""
        clips = "1 clip" if self.done == 1 else f"{self.done} clips"
        self.say(f"{self.stage} {self.shard}: {clips} computed{bad} ({seconds:.1f} s)")

    def _count(self) -> None:
        self.counter.write_text(f"{self.done} {self.total}\n", "utf-8")
