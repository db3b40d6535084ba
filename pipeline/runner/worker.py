"""The work of a worker process: load, extract and store clips, and record failures."""

from __future__ import annotations

import errno
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from pipeline.errors import BuildError, ClipError
from pipeline.extractor import EndedEarly, Extractor
from pipeline.runner.children import end_with_parent
from pipeline.runner.costs import cpu_seconds
from pipeline.runner.numba_cache import claim_numba_cache
from pipeline.runner.plan import Step
from pipeline.runner.threads import keep_freed_memory
from pipeline.runner.tidy import reduced, trim
from pipeline.stage import Build, Stage
from pipeline.store.features import Features
from pipeline.store.files import file_digest
from pipeline.store.shards import Clip

_MACHINE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one clip: stored, or quarantined with a reason."""

    step: Step
    reason: str = ""
    remedy: str = ""
    detail: str = ""
    stage: str = ""
    """The stage in which the clip failed: the job's, or one that it computes on the way."""
    on_the_way: Mapping[str, float] = field(default_factory=dict)
    """CPU time in seconds of each stage that was computed on the way."""


@dataclass
class Worker:
    """A stage's extractor in one process, and those of the stages that it computes on the way.

    Each is made with the first clip.
    """

    build: Build
    stage: Stage
    threads: int
    _made: dict[str, Extractor] = field(default_factory=dict)
    _costs: dict[str, dict[str, float]] = field(default_factory=dict)
    """By key of a clip in hand, the CPU time of each stage that was computed on the way."""

    def extractor(self, stage: Stage) -> Extractor:
        """Return a stage's extractor, with its models loaded."""
        if stage.name not in self._made:
            self._made[stage.name] = stage.make(self.build.config, self.threads)
        return self._made[stage.name]

    def work(self, batch: Sequence[Step]) -> list[Outcome]:
        """Load, extract and store a batch of clips; every clip gets an outcome."""
        with ExitStack() as borrowed:
            return self._work(batch, borrowed)

    def _work(self, batch: Sequence[Step], borrowed: ExitStack) -> list[Outcome]:
        outcomes: list[Outcome] = []
        loaded: list[Step] = []
        inputs: list[object] = []
        for step in batch:
            at = self.stage
            try:
                self.build.lent.clear()
                for at in self._missing(step):
                    self.build.lent[at.name] = self._borrowed(step, at, borrowed)
                at = self.stage
                inputs.append(at.load(self.build, step.clip))
                loaded.append(step)
            except Exception as error:
                outcomes.append(self._failed(step, error, at))
        try:
            results = self.extractor(self.stage).extract_batch(inputs)
        except EndedEarly as end:
            with _LEAVING.postponed():
                for step, kept in zip(loaded, end.results, strict=True):
                    if kept is not None:
                        self._stored(step, kept)
            raise
        with _LEAVING.postponed():
            for step, result in zip(loaded, results, strict=True):
                outcomes.append(self._stored(step, result))
                self._drop_inputs(step)
        return outcomes

    def _borrowed(self, step: Step, stage: Stage, borrowed: ExitStack) -> Features:
        """Compute a clip's features of an earlier stage, and note what they cost."""
        before = cpu_seconds()
        try:
            inputs = stage.load(self.build, step.clip)
            return borrowed.enter_context(self.extractor(stage).lend(inputs))
        finally:
            self._costs.setdefault(step.key, {})[stage.name] = cpu_seconds() - before

    def _missing(self, step: Step) -> list[Stage]:
        """Return the stages that the clip's job computes on the way, since they left no files."""
        lenders = self.stage.lenders(self.build.config)
        return [stage for stage in lenders if not self._is_stored(stage, step.clip)]

    def _is_stored(self, stage: Stage, clip: Clip) -> bool:
        header = self.build.store.header(stage.name, clip.clip)
        if header is None or header["key"] != self.build.key(stage, clip):
            return False
        paths = (self.build.store.path(stage.name, clip.clip, s) for s in header.get("file", ()))
        return all(path.is_file() for path in paths)

    def _stored(self, step: Step, result: Features | Exception) -> Outcome:
        """Store a result under the step's key, if what was read is still what the key names."""
        if isinstance(result, Exception):
            return self._failed(step, result, self.stage)
        changed = self._changed(step)
        if changed is not None:
            if result.file is not None:
                result.file.unlink(missing_ok=True)
            return self._failed(step, changed, self.stage)
        kept = reduced(self.build, self.stage, step.clip, result)
        self.build.store.write(self.stage.name, step.clip.clip, step.key, kept)
        for earlier in self.stage.inputs:
            trim(self.build, earlier, step.clip, after=self.stage)
        return Outcome(step, on_the_way=self._costs.pop(step.key, {}))

    def _changed(self, step: Step) -> ClipError | None:
        """Return an error if a file of the user's is not the one that the key was made from."""
        clip, path = step.clip, self.build.media(step.clip)
        try:
            same = not self._reads_media() or file_digest(path) == clip.media_digest
            if same and self.stage.key(self.build, clip) == step.key:
                return None
            found = f"{path if not same else 'one of its input files'} changed while it was read"
        except OSError as error:
            found = f"{path} cannot be read any longer ({error.strerror})"
        remedy = "run the same command again once nothing writes to the clip's files"
        return ClipError(found, remedy, passing=True)

    def _reads_media(self) -> bool:
        reading = (self.stage, *self.stage.lenders(self.build.config))
        return any(stage.source == "media" for stage in reading)

    def _drop_inputs(self, step: Step) -> None:
        """Remove the files of transient stages, which no stage needs any longer."""
        for earlier in self.stage.lenders(self.build.config):
            self.build.store.discard(earlier.name, step.clip.clip, earlier.attachments)
            self.build.store.forget_failure(earlier.name, step.clip.clip)

    def _failed(self, step: Step, error: Exception, at: Stage) -> Outcome:
        """Record a bad clip and where it failed; let an error of the machine stop the build."""
        clip, stage = step.clip.clip, at.name
        if isinstance(error, BuildError):
            raise error
        if isinstance(error, MemoryError) or (
            isinstance(error, OSError) and error.errno in _MACHINE_ERRORS
        ):
            raise BuildError(
                f"stage {stage}, clip {clip}: {str(error) or 'out of memory'}",
                "free memory or disk space and repeat the command to resume from here",
            ) from error
        passing = False
        if not (isinstance(error, ClipError) and error.passing):
            error = self._changed(step) or error  # a file that was swapped explains the rest
        if isinstance(error, ClipError):
            reason, remedy, detail = error.reason, error.remedy, ""
            passing = error.passing
        else:
            reason = f"unexpected {type(error).__name__}: {error}"[:400]
            remedy = "the job's log has the details; leave the clip out or report the error"
            detail = "".join(traceback.format_exception(error))
        key = step.key if at == self.stage else self.build.key(at, step.clip)
        self.build.store.write_failure(stage, clip, key, reason, remedy, passing=passing)
        return Outcome(step, reason, remedy, detail, stage, self._costs.pop(step.key, {}))


def start_worker(build: Build, stage: Stage, threads: int) -> Callable[[list[Step]], list[Outcome]]:
    """Prepare a new process that ends with its parent; return the function that runs batches."""
    claim_numba_cache()
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only its parent decides when it stops
    signal.signal(signal.SIGTERM, _LEAVING)
    end_with_parent()
    return Worker(build, stage, threads).work


class _Leaving:
    """SIGTERM ends a worker; while it stores what it has computed, afterwards."""

    def __init__(self) -> None:
        self._storing = False
        self._asked = 0

    def __call__(self, number: int, frame: object) -> None:
        if self._asked:  # a batch system signals every process, and so does the parent
            return
        self._asked = number
        if not self._storing:
            raise SystemExit(128 + number)

    @contextmanager
    def postponed(self) -> Iterator[None]:
        """Let the block run to its end before the process leaves."""
        self._storing = True
        try:
            yield
        finally:
            self._storing = False
        if self._asked:
            raise SystemExit(128 + self._asked)


_LEAVING = _Leaving()
