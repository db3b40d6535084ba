"""The labels that the sheet has: noted until it changes, and checked before models are trained.

The rules depend on whether any clip has a label, so each start and each job's process must know it,
but need not read thousands of lines for it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.corpus import LABEL_OF
from pipeline.errors import BuildError
from pipeline.manifest.find import media_folders, sheet_files
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.sheet import Sheet, read_sheet
from pipeline.stages import read_of_clips, slots
from pipeline.store.files import digest, read_sealed, state_of, write_sealed
from pipeline.train.registry import MODELS

Labels = tuple[bool, frozenset[str]]
"""Whether any clip has a label, and the labels (M, T, A, V) that some clip has."""


@dataclass(frozen=True)
class Corpus:
    """A corpus whose label sheet was read.

    Parameters
    ----------
    sheet : Sheet
        The label sheet.
    folders : MediaFolders
        The folders in which it finds its media.
    identity : str
        Which files the sheet was read from, in which state, and with which settings.
    """

    sheet: Sheet
    folders: MediaFolders
    identity: str

    @property
    def labels(self) -> Labels:
        """The labels of the sheet."""
        return self.sheet.labelled, self.sheet.labels


def read_corpus(config: Config) -> Corpus:
    """Read the label sheet.

    Raises
    ------
    BuildError
        If there is none, or it cannot be read.
    """
    identity = _identity(config)  # before the sheet is read: a change meanwhile must show
    folders = media_folders(config)
    return Corpus(read_sheet(config, folders), folders, identity)


def note_labels(config: Config, corpus: Corpus) -> None:
    """Note which labels the sheet has, for the processes of jobs and for later starts."""
    labelled, labels = corpus.labels
    noted = {"labels": sorted(labels), "labelled": labelled, "of": corpus.identity}
    if noted != _noted(config):
        with suppress(BuildError):  # on a full disk, say: each job then reads the sheet
            write_sealed(config.layout.labels, noted)


def noted_labels(config: Config) -> Labels | None:
    """Return the labels of the sheet as it is now; None if they are not noted.

    Raises
    ------
    BuildError
        If there is no sheet.
    """
    noted = _noted(config)
    if noted.keys() == {"labels", "labelled", "of"} and noted["of"] == _identity(config) != "":
        return noted["labelled"], frozenset(noted["labels"])
    return None


def labels_of(config: Config) -> Labels:
    """Return the labels of the sheet, which is read only if they are not noted.

    Raises
    ------
    BuildError
        If the sheet must be read, and cannot be.
    """
    return noted_labels(config) or read_corpus(config).labels


def check_labels(labels: frozenset[str] | None) -> None:
    """Refuse to train without a label of the whole clip, before hours of extraction.

    Raises
    ------
    BuildError
        If it is known that no clip has one.
    """
    if labels is not None and "M" not in labels:
        raise BuildError(
            "no clip has a label M (that of the whole clip), which every model learns",
            "fill in the column label in the label sheet, or stop at the dataset: --stage dataset",
        )


def untrained(config: Config, labels: frozenset[str] | None) -> str | None:
    """Return a note about unimodal tasks that no clip has a label of, if they are to learn."""
    learned = [LABEL_OF[slot] for slot in slots(config)]
    missing = [task for task in learned if task not in (labels or learned)]
    models = [name for name in config.train.models if MODELS[name].multitask]
    if not missing or not models:
        return None
    return (
        f"no clip has a label {', '.join(missing)}; models that learn several tasks "
        f"({', '.join(models)}) are trained on the others"
    )


def _identity(config: Config) -> str:
    """Return a digest of all that decides the labels; empty if a file is gone."""
    try:
        files = [[str(path), *state_of(path)] for path in sheet_files(config)]
    except OSError:
        return ""
    settings = config.manifest.model_dump(mode="json")
    return digest([files, settings, sorted(read_of_clips(config))])


def _noted(config: Config) -> dict[str, Any]:
    try:
        return read_sealed(config.layout.labels)
    except (OSError, ValueError):  # none yet, or damaged
        return {}
