"""Processes that work tasks off: whichever dies or raises, the others end, and in time."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import BuildError
from pipeline.runner import crew
from pipeline.runner.crew import Died, work_off
from tests.conftest import ROOT

LARGE = 2_000_000
"""Bytes of a result that does not fit into a pipe: sending it takes a while."""


def doing(work: Callable[[Any], Any]) -> Callable[[], Callable[[Any], Any]]:
    return lambda: work


def test_every_task_comes_back_with_its_result() -> None:
    found = dict(work_off(range(20), 3, doing(lambda task: task * task)))
    assert found == {task: task * task for task in range(20)}
    assert multiprocessing.active_children() == []


def test_no_more_processes_than_tasks_and_none_for_no_task() -> None:
    assert list(work_off([], 4, doing(str))) == []
    pids = {pid for _, pid in work_off([1, 2], 8, doing(lambda task: os.getpid()))}
    assert len(pids) <= 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSEGV, "exit"])
def test_a_process_that_dies_costs_its_own_task_alone(end: Any) -> None:
    def work(task: int) -> int:
        if task == 3:
            faulthandler.disable()  # pytest's: it would print the stack
            os._exit(7) if end == "exit" else os.kill(os.getpid(), end)
        return task

    found = dict(work_off(range(8), 2, doing(work)))
    assert found.pop(3) == Died(7 if end == "exit" else -int(end))
    assert found == {task: task for task in range(8) if task != 3}


def test_a_process_that_dies_while_it_sends_costs_its_own_task_alone() -> None:
    def work(task: int) -> bytes:
        if task == 0:
            signal.signal(signal.SIGALRM, lambda *_: os._exit(9))
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            return bytes(200 * LARGE)
        return b"whole"

    results = []
    for _, result in work_off(range(4), 2, doing(work)):
        results.append(result)
        time.sleep(0.1)  # the parent is slow, so that the pipe is full
    assert results.count(b"whole") == 3


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_two_hundred_stops_with_all_workers_failing_at_once_end_in_time(workers: int) -> None:
    """In a process of its own: to fork this one, with all that it has loaded, takes long."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runner.stops", "67", str(workers), str(LARGE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    taken = json.loads(done.stdout)
    assert len(taken) == 67
    assert max(taken) < 10


def test_a_generator_that_is_left_early_ends_its_processes() -> None:
    for _ in work_off(range(100), 4, doing(lambda task: time.sleep(0.01))):
        break
    assert multiprocessing.active_children() == []


def test_a_process_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PATIENCE", 0.3)

    def work(task: int) -> None:
        if task:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(1)
        time.sleep(0.2)
        raise BuildError("stop", "")

    began = time.monotonic()
    with pytest.raises(BuildError):
        list(work_off([0, 1, 2], 3, doing(work)))
    assert time.monotonic() - began < 5
    assert multiprocessing.active_children() == []


class UnportableError(Exception):
    """An exception that pickle cannot make again: its arguments are not its message."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(words)


def test_an_error_that_cannot_travel_arrives_in_words() -> None:
    def work(task: int) -> None:
        raise UnportableError(task, "of another make")

    with pytest.raises(RuntimeError, match="of another make") as found:
        list(work_off([1], 1, doing(work)))
    assert "in work" in str(found.value.__cause__), "its traceback travels too"


def test_what_cannot_be_prepared_is_raised() -> None:
    def prepare() -> Callable[[int], int]:
        raise BuildError("no model", "fetch it")

    with pytest.raises(BuildError, match="no model"):
        list(work_off([1, 2], 2, prepare))


def test_a_process_told_to_leave_at_its_first_moment_leaves() -> None:
    """The parent's handler raises, as a job's does; within a fork, that would be swallowed."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        for _ in range(60):
            began = time.monotonic()
            own: crew._Crew[int, None] = crew._Crew(doing(lambda task: time.sleep(600)))
            own.hand_out(own.start(), 1)
            own.stop()
            assert time.monotonic() - began < crew.PATIENCE  # it was not waited for in vain
    finally:
        signal.signal(signal.SIGTERM, before)
    assert multiprocessing.active_children() == []
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
