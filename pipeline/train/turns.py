"""Which of several trainings may use a core now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_NOT_WAITING = -1


class Turns:
    """Gives a core for an epoch at a time, first to the training that is furthest behind.

    Five seeds of equal length on two cores then end together after two and a half times a
    seed's time. Two by two they would take three, with a core idle during the fifth.

    Parameters
    ----------
    context : multiprocessing context
        Of the processes that train.
    places : int
        Trainings that may run at once.
    trainings : int
        How many there are, numbered from 0.
    """

    def __init__(self, context: Any, places: int, trainings: int) -> None:
        self._changed = context.Condition()
        self._free = context.Value("i", places, lock=False)
        self._waiting = context.Array("i", [_NOT_WAITING] * trainings, lock=False)  # epochs done
        self._held = False  # by the process that asks

    @contextmanager
    def taken(self, number: int) -> Iterator[Callable[[int], None]]:
        """Hold a place; yields what a training calls after each epoch to let others go on."""

        def offer(epoch: int) -> None:
            self._give_back()
            self._take(number, epoch)

        self._take(number, 0)
        try:
            yield offer
        finally:
            self._give_back()

    def _take(self, number: int, epoch: int) -> None:
        with self._changed:
            self._waiting[number] = epoch
            try:
                self._changed.wait_for(lambda: self._free.value > 0 and self._next() == number)
                self._free.value -= 1
                self._held = True
            finally:
                self._waiting[number] = _NOT_WAITING
                self._changed.notify_all()  # another place may be free for the next

    def _give_back(self) -> None:
        with self._changed:
            self._free.value += self._held
            self._held = False
            self._changed.notify_all()

    def _next(self) -> int:
        waiting = [(e, n) for n, e in enumerate(self._waiting) if e != _NOT_WAITING]
        return min(waiting)[1]
