"""Forked processes that work off tasks; whichever of them dies, the others and the parent go on.

Each process has a pipe of its own to the parent, and nothing else is shared: a lock that several
processes share, as in `concurrent.futures`, is never released by one that is killed while it
holds it, and then all others wait for ever.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

PATIENCE = 5.0
"""Seconds that processes get to end by themselves before they are killed."""


@dataclass(frozen=True)
class Died:
    """In a result's place: the process that had the task in hand died.

    Parameters
    ----------
    exit_code : int or None
        Of the process; negative for a signal.
    """

    exit_code: int | None


class RemoteTraceback(Exception):  # noqa: N818 - the cause of an error, no error of its own
    """Where in a worker process an exception was raised."""


@dataclass(eq=False)
class _Member(Generic[Task]):
    process: BaseProcess
    pipe: Connection
    task: Task | None = None


def work_off(
    tasks: Sequence[Task],
    size: int,
    prepare: Callable[[], Callable[[Task], Result]],
) -> Iterator[tuple[Task, Result | Died]]:
    """Yield each task with its result, as soon as it is there.

    Parameters
    ----------
    tasks : sequence
        Handed out one by one, in order.
    size : int
        Processes that work at the same time.
    prepare : callable
        Called once in each process, after the fork; returns the function that works a task off.

    Yields
    ------
    task, result
        The result is `Died` where the process ended before it could answer; another process
        takes its place.

    Raises
    ------
    Exception
        What `prepare` or the function raised. All processes have ended then, as when the
        generator is closed early: by themselves, or killed after `PATIENCE` seconds.
    """
    crew = _Crew(prepare)
    waiting = list(reversed(tasks))
    try:
        for _ in range(min(size, len(tasks))):
            crew.hand_out(crew.start(), waiting.pop())
        while crew.members:
            for member in crew.ready():
                task, result = crew.result_of(member)
                died = isinstance(result, Died)
                if died or not waiting:
                    crew.drop(member)
                yield task, result
                if waiting:
                    crew.hand_out(crew.start() if died else member, waiting.pop())
    finally:
        crew.stop()


class _Crew(Generic[Task, Result]):
    """The processes that live, each with at most one task in hand."""

    def __init__(self, prepare: Callable[[], Callable[[Task], Result]]) -> None:
        self.prepare = prepare
        self.members: list[_Member[Task]] = []
        self.leaving: list[BaseProcess] = []
        # fork: a Snakemake script has no main module that a spawned process could import
        self.context = multiprocessing.get_context("fork")

    def start(self) -> _Member[Task]:
        """Fork a process."""
        ours, theirs = self.context.Pipe()
        others = [ours, *(member.pipe for member in self.members)]
        process = self.context.Process(
            target=_serve, args=(theirs, others, self.prepare), daemon=True
        )
        with _postponed(signal.SIGTERM):  # what a handler raises within a fork is swallowed
            process.start()
        theirs.close()
        member: _Member[Task] = _Member(process, ours)
        self.members.append(member)
        return member

    def hand_out(self, member: _Member[Task], task: Task) -> None:
        """Give a process a task; one that has died already is found out when it answers."""
        member.task = task
        with suppress(OSError):
            member.pipe.send(task)

    def ready(self) -> list[_Member[Task]]:
        """Wait until processes have answered or died, and return them."""
        by_handle: dict[Any, _Member[Task]] = {member.pipe: member for member in self.members}
        by_handle |= {member.process.sentinel: member for member in self.members}
        return list(dict.fromkeys(by_handle[handle] for handle in wait(list(by_handle))))

    def result_of(self, member: _Member[Task]) -> tuple[Task, Result | Died]:
        """Read a process's answer, and raise what it raised."""
        task = member.task
        assert task is not None
        try:
            answer = member.pipe.recv() if member.pipe.poll() else None
        except (EOFError, OSError, pickle.UnpicklingError):  # it died in the middle of it
            answer = None
        if answer is None:
            member.process.join(PATIENCE)
            return task, Died(member.process.exitcode)
        result, error, where = answer
        if error is not None:
            raise error from RemoteTraceback(where)
        return task, result

    def drop(self, member: _Member[Task]) -> None:
        """Let go of a process that has died, or that its pipe's end tells to leave."""
        self.members.remove(member)
        member.pipe.close()
        self.leaving.append(member.process)

    def stop(self) -> None:
        """End all processes: ask those with a task in hand, then kill what is left."""
        for member in self.members:
            member.process.terminate()
        for member in list(self.members):
            self.drop(member)
        deadline = time.monotonic() + PATIENCE
        for process in self.leaving:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in self.leaving:
            if process.is_alive():
                process.kill()
                process.join(PATIENCE)
        self.leaving.clear()


@contextmanager
def _postponed(number: signal.Signals) -> Iterator[None]:
    """Let a signal wait until the block has ended; a process forked in it keeps it waiting."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(
    pipe: Connection,
    others: Sequence[Connection],
    prepare: Callable[[], Callable[[Any], Any]],
) -> None:
    """Work tasks off until the parent closes its end of the pipe."""
    for other in others:  # else the parent's death would not close them
        other.close()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # see `_Crew.start`
        work = prepare()
        while True:
            task = pipe.recv()
            pipe.send((work(task), None, ""))
    except SystemExit as end:
        os._exit(int(end.code or 0))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException as error:
        with suppress(OSError, SystemExit):
            pipe.send((None, _portable(error), traceback.format_exc()))
        os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """Return an exception that survives the way to the parent."""
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, of a moment ago
        return error if type(copy) is type(error) else RuntimeError(repr(error))
    except Exception:
        return RuntimeError(repr(error))
