"""What steps show on the terminal while they run: lines, and one kind of progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def tell(words: str) -> None:
    """Write a line to the console, whatever Snakemake is told to be quiet about."""
    print(words, file=sys.stderr, flush=True)


def tracked(items: Iterable[T], title: str, total: int, *, shown: bool = True) -> Iterator[T]:
    """Pass items through a progress bar on standard error.

    Parameters
    ----------
    items : iterable
        What is worked on.
    title : str
        Stands in front of the bar.
    total : int
        How many items there may be. The bar is full at the end, also after fewer.
    shown : bool
        False shows no bar; nor is one shown where standard error is not a terminal.
    """
    if not (shown and sys.stderr.isatty()):
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield from bar.track(items, task_id=task, total=total)
        bar.update(task, completed=total)
