"""What a worker process does: load, extract and store clips, and remember bad ones."""

from __future__ import annotations

import errno
import os
import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.errors import BuildError, ClipError
from pipeline.extractor import Extractor
from pipeline.runner.children import end_with_parent
from pipeline.runner.numba_cache import claim_numba_cache
from pipeline.runner.plan import Step
from pipeline.stage import Build, Stage
from pipeline.store.features import Features

_MACHINE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """How one clip came out: stored, or in quarantine with a reason."""

    step: Step
    reason: str = ""
    remedy: str = ""
    detail: str = ""


@dataclass
class Worker:
    """One stage's extractor in one process; it is made when the first clip arrives."""

    build: Build
    stage: Stage
    threads: int
    _made: list[Extractor] = field(default_factory=list)

    @property
    def extractor(self) -> Extractor:
        """The stage's extractor, with its models loaded."""
        if not self._made:
            self._made.append(self.stage.make(self.build.config, self.threads))
        return self._made[0]

    def work(self, batch: Sequence[Step]) -> list[Outcome]:
        """Load, extract and store a batch of clips; every clip gets an outcome."""
        outcomes: list[Outcome] = []
        loaded: list[Step] = []
        inputs: list[object] = []
        for step in batch:
            try:
                inputs.append(self.stage.load(self.build, step.clip))
                loaded.append(step)
            except Exception as error:
                outcomes.append(self._failed(step, error))
        for step, result in zip(loaded, self.extractor.extract_batch(inputs), strict=True):
            if isinstance(result, Features):
                self.build.store.write(self.stage.name, step.clip.clip, step.key, result)
                outcomes.append(Outcome(step))
            else:
                outcomes.append(self._failed(step, result))
            self._drop_inputs(step)
        return outcomes

    def _drop_inputs(self, step: Step) -> None:
        """Remove the files of transient stages that no stage needs now."""
        for earlier in self.stage.inputs:
            if earlier.transient and not earlier.kept(self.build.config):
                self.build.store.discard(earlier.name, step.clip.clip, earlier.attachments)

    def _failed(self, step: Step, error: Exception) -> Outcome:
        """Remember a bad clip; let an error of the machine stop the build."""
        clip, stage = step.clip.clip, self.stage.name
        if isinstance(error, BuildError):
            raise error
        if isinstance(error, MemoryError) or (
            isinstance(error, OSError) and error.errno in _MACHINE_ERRORS
        ):
            raise BuildError(
                f"stage {stage}, clip {clip}: {str(error) or 'out of memory'}",
                "free memory or disk space and run the same command again: it continues here",
            ) from error
        passing = False
        if isinstance(error, ClipError):
            reason, remedy, detail = error.reason, error.remedy, ""
            passing = error.passing
        else:
            reason = f"unexpected {type(error).__name__}: {error}"[:400]
            remedy = "the job's log has the details; leave the clip out or report the fault"
            detail = "".join(traceback.format_exception(error))
        self.build.store.write_failure(stage, clip, step.key, reason, remedy, passing=passing)
        return Outcome(step, reason, remedy, detail)


_worker: list[Worker] = []


def start_worker(build: Build, stage: Stage, threads: int) -> None:
    """Prepare a fresh process: it ends with its parent, and cleans up when it is ended."""
    claim_numba_cache()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent alone decides when it stops
    signal.signal(signal.SIGTERM, _leave)
    end_with_parent()
    _worker[:] = [Worker(build, stage, threads)]


def work(batch: Sequence[Step]) -> list[Outcome]:
    """Run a batch in this process's worker."""
    try:
        return _worker[0].work(batch)
    except SystemExit as end:  # the pool would take it for this batch's outcome, and go on
        os._exit(int(end.code or 0))


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
