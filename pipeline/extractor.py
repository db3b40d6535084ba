"""What every extractor is: a small class that maps one clip's inputs to arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pipeline.store.features import Features


class Extractor(ABC):
    """One stage's arithmetic, unaware of files, workers, retries and progress.

    A subclass names what its result depends on besides settings and inputs. Its module
    imports heavy libraries inside methods: keys are computed without them.

    Attributes
    ----------
    version : int
        Raised by hand whenever the same input would give another output.
    packages : tuple of str
        Distributions whose version is part of the key.
    preload : tuple of str
        Modules that a job imports once, before its workers are forked from it; importing
        them must start no thread and touch no GPU.
    """

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ()
    preload: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @classmethod
    def make(cls, settings: Any, threads: int) -> Self:
        """Make the extractor for a process that may use `threads` cores."""
        return cls(settings)

    @abstractmethod
    def extract(self, inputs: Any) -> Features:
        """Map one clip's inputs to its features.

        Raises
        ------
        ClipError
            If this clip cannot be used; the others go on.
        """

    def extract_batch(self, batch: Sequence[Any]) -> list[Features | Exception]:
        """Map several clips at once; a clip that fails gives its exception in its place."""
        results: list[Features | Exception] = []
        for inputs in batch:
            try:
                results.append(self.extract(inputs))
            except Exception as error:  # the worker decides what an exception means
                results.append(error)
        return results
