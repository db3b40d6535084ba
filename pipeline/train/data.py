"""Features in memory and the batches that models see of them (read by `pipeline.train.read`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.train.hyper import TASKS

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
class Batch:
    """What a model sees of some clips.

    Parameters
    ----------
    text : Tensor ``[B, Lt, 768]``, or Packed
        Packed beside time averages, else with zeros at the back.
    audio, vision : Tensor ``[B, d]`` or ``[B, L, d]``
        Time averages, or sequences with zeros at the back.
    text_lengths, audio_lengths, vision_lengths : Tensor ``[B]``
        True lengths (1 for averages).
    labels : dict of str to Tensor ``[B]``
    """

    text: Tensor | Packed
    audio: Tensor
    vision: Tensor
    text_lengths: Tensor
    audio_lengths: Tensor
    vision_lengths: Tensor
    labels: dict[str, Tensor]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device; lengths stay where packing wants them, on the CPU."""
        if device.type == "cpu":
            return self
        moved = (
            replace(self.text, rows=self.text.rows.to(device), order=self.text.order.to(device))
            if isinstance(self.text, Packed)
            else self.text.to(device)
        )
        return replace(
            self,
            text=moved,
            audio=self.audio.to(device),
            vision=self.vision.to(device),
            labels={task: label.to(device) for task, label in self.labels.items()},
        )


@dataclass(frozen=True)
class Part:
    """One of train, valid and test.

    Parameters
    ----------
    clips : tuple of str
        Clip ids.
    streams : dict of str to Ragged or Tensor
        text, audio and vision; a Tensor ``[N, d]`` where only the mean is used.
    labels : dict of str to Tensor ``[N]``
        M, T, A, V; NaN where a clip has none.
    packed_text, full_text : bool
        Give texts packed; else pad them to the file's length, not to the batch's longest.
    """

    clips: tuple[str, ...]
    streams: dict[str, Ragged | Tensor]
    labels: dict[str, Tensor]
    packed_text: bool
    full_text: bool

    def __len__(self) -> int:
        return len(self.clips)

    def batch(self, clips: Tensor) -> Batch:
        """Gather the clips at these positions."""
        values: dict[str, Any] = {"labels": {t: label[clips] for t, label in self.labels.items()}}
        for stream in MODALITIES:
            held = self.streams[stream]
            if isinstance(held, Ragged) and stream == "text" and self.packed_text:
                values["text"], values["text_lengths"] = held.packed(clips)
                continue
            if isinstance(held, Ragged):
                rows, lengths = held.padded(clips, full=self.full_text and stream == "text")
            else:
                rows, lengths = held[clips], torch.ones(len(clips), dtype=torch.long)
            values[stream], values[f"{stream}_lengths"] = rows, lengths
        return Batch(**values)

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
    dims, steps : dict of str to int
        Feature dimensions and padded lengths of text, audio and vision.
    digest : str
        Digest of the content of the three parts.
    """

    parts: dict[str, Part]
    dims: dict[str, int]
    steps: dict[str, int]
    digest: str

    def check_labels(self, tasks: dict[str, str]) -> None:
        """Refuse to train tasks whose labels are missing.

        Raises
        ------
        BuildError
            Naming the labels, the part, and how many clips lack them.
        """
        for label in sorted(set(tasks.values()), key=TASKS.index):
            for name, part in self.parts.items():
                missing = part.labels[label].isnan()
                if bool(missing.any()):
                    first = part.clips[int(missing.nonzero()[0, 0])]
                    raise BuildError(
                        f"{int(missing.sum())} of {len(part)} {name} clips have no {label} label "
                        f"(the first: {first}), but the tasks {', '.join(tasks)} are to be trained",
                        f"add label_{label} to the label sheet, or train single-task models: "
                        "train.models=[lf_dnn]",
                    )


def chunks(order: Tensor, size: int) -> list[Tensor]:
    """Cut positions into batches; BatchNorm cannot learn from one clip, so none is left alone."""
    cut = list(torch.split(order, size))
    if len(cut) > 1 and len(cut[-1]) == 1:
        cut[-2:] = [torch.cat(cut[-2:])]
    return cut
