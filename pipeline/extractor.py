"""The base class of extractors: small classes that map one clip's inputs to arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pipeline.errors import BuildError
from pipeline.settings import known_device
from pipeline.store.features import Features

if TYPE_CHECKING:
    import torch


class EndedEarly(SystemExit):
    """A process that has a batch in hand is told to end.

    Parameters
    ----------
    code : int, str or None
        Exit status, of the `SystemExit` that arrived.
    results : list of Features or None
        For each clip of the batch, its features if they were finished.
    """

    def __init__(self, code: int | str | None, results: list[Features | None]) -> None:
        super().__init__(code)
        self.results = results


class Extractor(ABC):
    """The computation of one stage, unaware of workers, retries and progress.

    A subclass names what its result depends on, apart from settings and inputs. Its module imports
    heavy libraries inside methods, because keys are computed without them.

    Attributes
    ----------
    version : int
        Raise it whenever the same input gives a different output.
    packages : tuple of str
        Distributions whose version is part of the key.
    preload : tuple of str
        Modules that a job imports once, before it forks its workers. Importing them must not
        start threads or use a GPU.
    """

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = ()
    preload: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @classmethod
    def make(cls, settings: Any, threads: int) -> Self:
        """Create the extractor for a process that may use `threads` cores."""
        return cls(settings)

    @abstractmethod
    def extract(self, inputs: Any) -> Features:
        """Map one clip's inputs to its features.

        Parameters
        ----------
        inputs : object
            What the stage's ``load`` returned for the clip.

        Returns
        -------
        Features
            The clip's arrays and quality figures.

        Raises
        ------
        ClipError
            If this clip cannot be used; the others continue.
        """

    @contextmanager
    def lend(self, inputs: Any) -> Iterator[Features]:
        """Compute one clip's features for a stage that reads them at once; nothing is stored.

        Parameters
        ----------
        inputs : object
            As for `extract`.

        Yields
        ------
        Features
            As from `extract`. Their file, if there is one, is gone afterwards.
        """
        features = self.extract(inputs)
        try:
            yield features
        finally:
            if features.file is not None:
                features.file.unlink(missing_ok=True)

    def extract_batch(self, batch: Sequence[Any]) -> list[Features | Exception]:
        """Map several clips at once; a clip that fails returns its exception in its place.

        Raises
        ------
        EndedEarly
            If the process is told to end (SystemExit) and some clips are finished.
        """
        results: list[Features | Exception] = []
        for inputs in batch:
            try:
                results.append(self.extract(inputs))
            except Exception as error:  # the worker decides what an exception means
                results.append(error)
        return results


def pick_device(wanted: str, key: str) -> torch.device:
    """Turn a setting into the device that torch computes on.

    Parameters
    ----------
    wanted : str
        ``auto`` (the first GPU, or the CPU where there is none), ``cpu``, ``cuda`` or ``cuda:N``.
    key : str
        The setting's name, for the error: ``text.device``.

    Raises
    ------
    BuildError
        If a GPU is asked for that torch does not find, or `wanted` is no device's name.

    Examples
    --------
    >>> pick_device("cpu", "text.device")
    device(type='cpu')
    """
    import torch

    try:
        known_device(wanted)
    except ValueError as error:
        raise BuildError(f"{key}: {error}") from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        return torch.device("cuda" if count else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= count:
        built = "" if torch.version.cuda else ", a build without CUDA,"
        found = f"only cuda:0 to cuda:{count - 1}" if count else "no CUDA GPU"
        raise BuildError(
            f"{key} is {wanted}, but torch {torch.__version__}{built} finds {found} here",
            f"set {key} to auto or cpu, or run where there is such a GPU (nvidia-smi lists them)",
        )
    return device


def check_device(wanted: str, key: str) -> None:
    """Raise what `pick_device` would, without loading torch where no GPU is named."""
    if wanted not in ("auto", "cpu"):
        pick_device(wanted, key)
