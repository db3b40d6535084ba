"""Features in memory and the batches that models see of them (read by `pipeline.train.read`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import BuildError
from pipeline.train.content import FEWEST_LABELLED
from pipeline.train.hyper import TASKS
from pipeline.train.scaling import Scaling

Form = Literal["mean", "repeated", "sequence", "padded", "aligned"]


@dataclass(frozen=True)
class Packed:
    """Sequences step after step, so that an LSTM touches no padding.

    Parameters
    ----------
    rows : Tensor ``[sum of lengths, d]``
        The first step of every clip, the second of every clip that has one, and so on;
        clips by falling length.
    sizes : list of int
        Clips that have each step.
    order : Tensor ``[B]``
        The batch's position of each clip.
    """

    rows: Tensor
    sizes: list[int]
    order: Tensor

    def to(self, device: torch.device) -> Packed:
        """Return the sequences on a device."""
        return Packed(self.rows.to(device), self.sizes, self.order.to(device))


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths end to end.

    Parameters
    ----------
    rows : Tensor ``[sum of lengths, d]``
        All true rows, clip after clip.
    starts, lengths : Tensor ``[N]``
        Where each clip begins in `rows`, and how many rows it has (at least 1).
    steps : int
        Length of the padded axis in the file; what `padded` fills up to when asked.
    """

    rows: Tensor
    starts: Tensor
    lengths: Tensor
    steps: int

    def padded(self, clips: Tensor, *, full: bool) -> tuple[Tensor, Tensor]:
        """Return ``[B, L, d]`` with zeros at the back, and the lengths ``[B]``.

        L is the longest of `clips`, or the file's padded length if `full`.
        """
        lengths = self.lengths[clips]
        steps = self.steps if full else int(lengths.max())
        offset = torch.arange(steps)
        inside = offset < lengths[:, None]
        index = self.starts[clips][:, None] + torch.where(inside, offset, 0)
        rows = self.rows.index_select(0, index.flatten()).view(*index.shape, -1)
        return rows * inside[:, :, None], lengths

    def packed(self, clips: Tensor) -> tuple[Packed, Tensor]:
        """Return the clips step after step, and their lengths ``[B]``."""
        lengths, order = self.lengths[clips].sort(descending=True, stable=True)
        steps = torch.arange(int(lengths[0]))
        sizes = (lengths[:, None] > steps).sum(0)
        step = torch.repeat_interleave(steps, sizes)
        place = torch.arange(len(step)) - torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        rows = self.rows.index_select(0, self.starts[clips][order][place] + step)
        return Packed(rows, sizes.tolist(), order), self.lengths[clips]


@dataclass(frozen=True)
class Inputs:
    """What a dataset gives to a model.

    Parameters
    ----------
    dims, steps : dict of str to int
        Feature dimensions and padded length of each modality that the dataset has, in the
        order text, audio, vision.
    """

    dims: dict[str, int]
    steps: dict[str, int]

    @property
    def anchor(self) -> str:
        """The modality that EF-LSTM and MFN align the others to.

        Text if the dataset has it, as in the paper. Without it, the modality with the fewest
        steps: CTC cannot align a stream to a longer one. A feature of whole clips, with one
        step, is an anchor only if all are: it would leave no step to the others.
        """
        if "text" in self.steps:
            return "text"
        sequences = [modality for modality, steps in self.steps.items() if steps > 1]
        return min(sequences or self.steps, key=self.steps.__getitem__)

    @property
    def followers(self) -> tuple[str, ...]:
        """The modalities that are aligned to the anchor."""
        return tuple(modality for modality in self.steps if modality != self.anchor)


@dataclass(frozen=True)
class Batch:
    """What a model sees of some clips.

    Parameters
    ----------
    streams : dict of str to Tensor ``[B, d]`` or ``[B, L, d]``, or Packed
        By modality: time averages, sequences with zeros at the back, or (text next to time
        averages) packed sequences.
    lengths : dict of str to Tensor ``[B]``
        True lengths by modality (1 for averages).
    labels : dict of str to Tensor ``[B]``
        By task.
    """

    streams: dict[str, Tensor | Packed]
    lengths: dict[str, Tensor]
    labels: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.lengths.values())))

    def padded(self, modality: str) -> Tensor:
        """Return a modality's averages ``[B, d]`` or padded sequences ``[B, L, d]``."""
        stream = self.streams[modality]
        assert isinstance(stream, Tensor)
        return stream

    def packed(self, modality: str) -> Packed:
        """Return a modality's packed sequences."""
        stream = self.streams[modality]
        assert isinstance(stream, Packed)
        return stream

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; lengths stay where packing wants them, on the CPU."""
        if device.type == "cpu":
            return self
        return Batch(
            {modality: stream.to(device) for modality, stream in self.streams.items()},
            self.lengths,
            {task: label.to(device) for task, label in self.labels.items()},
        )


@dataclass(frozen=True)
class Part:
    """One of train, valid and test.

    Parameters
    ----------
    clips : tuple of str
        Clip ids.
    streams : dict of str to Ragged or Tensor
        By modality; a Tensor ``[N, d]`` where only the mean is used.
    labels : dict of str to Tensor ``[N]``
        M, T, A, V; NaN where a clip has none.
    packed, full : str
        The modality that batches hold packed, and the one that they pad to the file's length
        rather than to the batch's longest; empty for none.
    """

    clips: tuple[str, ...]
    streams: dict[str, Ragged | Tensor]
    labels: dict[str, Tensor]
    packed: str = ""
    full: str = ""

    def __len__(self) -> int:
        return len(self.clips)

    def labelled(self, labels: Collection[str]) -> Tensor:
        """Return the positions of the clips that have at least one of these labels."""
        known = torch.stack([~self.labels[label].isnan() for label in labels]).any(0)
        return known.nonzero()[:, 0]

    def batch(self, clips: Tensor) -> Batch:
        """Gather the clips at these positions."""
        streams: dict[str, Tensor | Packed] = {}
        lengths: dict[str, Tensor] = {}
        for modality, held in self.streams.items():
            if not isinstance(held, Ragged):
                found, length = held[clips], torch.ones(len(clips), dtype=torch.long)
                streams[modality], lengths[modality] = found, length
            elif modality == self.packed:
                streams[modality], lengths[modality] = held.packed(clips)
            else:
                full = modality == self.full
                streams[modality], lengths[modality] = held.padded(clips, full=full)
        labels = {task: label[clips] for task, label in self.labels.items()}
        return Batch(streams, lengths, labels)

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[Batch]:
        """Yield batches of about `size`; a last batch of one clip joins the one before it."""
        order = torch.arange(len(self)) if order is None else order
        for chunk in chunks(order, size):
            yield self.batch(chunk)


@dataclass(frozen=True)
class Corpus:
    """A dataset file as the models of one form see it.

    Parameters
    ----------
    parts : dict of str to Part
        train, valid, test.
    inputs : Inputs
        The modalities of the dataset, their dimensions and padded lengths.
    digest : str
        Digest of the content of the three parts.
    scaling : mapping of str to Scaling
        What the features were standardised by, by modality; empty for none.
    """

    parts: dict[str, Part]
    inputs: Inputs
    digest: str
    scaling: Mapping[str, Scaling] = field(default_factory=dict)

    def check_labels(self, tasks: dict[str, str]) -> None:
        """Refuse to train tasks that cannot be learned or scored.

        A clip without a label is left out of that task's loss and scores, but some clips of
        each part must have it (`FEWEST_LABELLED`).

        Raises
        ------
        BuildError
            Naming the labels, the part, and how many clips lack them.
        """
        for label in sorted(set(tasks.values()), key=TASKS.index):
            for name, part in self.parts.items():
                labelled = len(part) - int(part.labels[label].isnan().sum())
                if labelled >= FEWEST_LABELLED[name]:
                    continue
                raise BuildError(
                    f"{labelled} of {len(part)} {name} clips have the label {label}, too few for "
                    f"the tasks {', '.join(tasks)}",
                    _remedy(label),
                )


def _remedy(label: str) -> str:
    if label == "M":
        return "fill in the column label of the label sheet"
    return (
        f"fill in the column label_{label} of the label sheet, or train single-task models: "
        "train.models=[lf_dnn]"
    )


def chunks(order: Tensor, size: int) -> list[Tensor]:
    """Cut positions into batches; BatchNorm cannot learn from one clip, so none is left alone."""
    cut = list(torch.split(order, size))
    if len(cut) > 1 and len(cut[-1]) == 1:
        cut[-2:] = [torch.cat(cut[-2:])]
    return cut
