"""Progress of several trainings at once, shown only to a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class EpochBars:
    """One line a training, fed by counters that worker processes share.

    Parameters
    ----------
    titles : list of str
        What each line says.
    context : multiprocessing context, optional
        Where the trainings run in other processes.
    """

    def __init__(self, titles: list[str], context: Any = None) -> None:
        self._epochs = context.Array("i", len(titles), lock=False) if context else [0] * len(titles)
        self._titles = titles
        self._shown: Any = None
        self._in_process = context is None

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and self._titles:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._shown = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
            self._shown.start()
            self._lines = [self._shown.add_task(title) for title in self._titles]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self.refresh()
            self._shown.stop()

    def reporter(self, number: int) -> Callable[[int], None]:
        """Return what a training calls after each epoch."""

        def report(epoch: int) -> None:
            self._epochs[number] = epoch
            if self._in_process:
                self.refresh()

        return report

    def refresh(self) -> None:
        """Show the epochs reached."""
        if self._shown:
            for line, title, epoch in zip(self._lines, self._titles, self._epochs, strict=True):
                self._shown.update(line, description=f"{title}: epoch {epoch}")
            self._shown.refresh()
