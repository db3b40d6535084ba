"""What every model shares: tasks, subnets by modality, the form of its input."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from pipeline.corpus import MODALITY_OF
from pipeline.train.data import Batch, Form, Packed
from pipeline.train.hyper import Hyper, SubnetHyper
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Head, MeanSubnet, Output, TextSubnet


class SentimentModel(nn.Module):
    """A model of one or more sentiment tasks.

    Attributes
    ----------
    title : str
        The paper's name.
    multitask : bool
        Learns T, A, V beside M by default.
    clips_by_value : bool
        The published training clips its gradients by value.
    free_batches : bool
        A clip's gradient does not depend on its batch (no batch normalisation), so the
        clips of a step may be cut into batches of like length.
    form : {"mean", "sequence", "aligned"}
        How it wants audio and vision.
    """

    title: ClassVar[str]
    multitask: ClassVar[bool] = False
    clips_by_value: ClassVar[bool] = False
    free_batches: ClassVar[bool] = False

    def __init__(
        self, hyper: Hyper, dims: dict[str, int], tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__()
        self.tasks, self.recipe = tasks, recipe

    @classmethod
    def form(cls, recipe: Recipe) -> Form:
        """Say how the model wants audio and vision."""
        return "mean"

    def shared(self) -> dict[str, list[nn.Module]]:
        """Return the modules whose weights W_t, W_a, W_v eq. 4 regularises, by stream."""
        return {}

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        raise NotImplementedError

    def factors(self) -> list[nn.Parameter]:
        """Return parameters with a step size of their own (LMF's factors)."""
        return []


class SubnetModel(SentimentModel):
    """Three unimodal subnets, a fusion of their representations, a head a task.

    Parameters
    ----------
    hyper : Hyper
        Widths and dropouts, a `SubnetHyper`.
    dims : dict of str to int
        Feature dimensions of text, audio, vision.
    tasks : tuple of str
        Which of M, T, A, V are learned. Without M only the subnets of the named tasks exist.
    recipe : Recipe
        Paper or published behaviour.
    """

    def __init__(
        self, hyper: Hyper, dims: dict[str, int], tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, dims, tasks, recipe)
        hyper = subnet_hyper(hyper)
        used = set(MODALITY_OF.values()) if "M" in tasks else {MODALITY_OF[task] for task in tasks}
        if "audio" in used:
            self.audio_subnet = MeanSubnet(dims["audio"], hyper.audio_hidden, hyper.audio_dropout)
        if "vision" in used:
            self.vision_subnet = MeanSubnet(
                dims["vision"], hyper.vision_hidden, hyper.vision_dropout
            )
        if "text" in used:
            self.text_subnet = TextSubnet(
                dims["text"],
                hyper.text_hidden,
                hyper.text_out,
                hyper.text_dropout if recipe.text_dropout else 0.0,
                steps=dims["text_steps"],
                to_last_token=recipe.text_end == "last_token",
            )
        self.used = used
        self.widths = {"T": hyper.text_out, "A": hyper.audio_hidden, "V": hyper.vision_hidden}
        if "M" in tasks:
            self.make_fusion(hyper)
        heads = {"T": hyper.text_head, "A": hyper.audio_head, "V": hyper.vision_head}
        self.heads = nn.ModuleDict(
            {
                task: Head(self.widths[task], heads[task], hyper.head_dropout)
                for task in MODALITY_OF
                if task in tasks
            }
        )

    def make_fusion(self, hyper: Hyper) -> None:
        """Build what `fuse` needs."""
        raise NotImplementedError

    def fuse(self, t: Tensor, a: Tensor, v: Tensor) -> Tensor:
        """Map the three representations to M ``[B]``."""
        raise NotImplementedError

    def shared(self) -> dict[str, list[nn.Module]]:
        """Return the subnets."""
        return {stream: [getattr(self, f"{stream}_subnet")] for stream in sorted(self.used)}

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        representations = {}
        if "text" in self.used:
            assert isinstance(batch.text, Packed)
            representations["T"] = self.text_subnet(batch.text)
        if "audio" in self.used:
            representations["A"] = self.audio_subnet(batch.audio)
        if "vision" in self.used:
            representations["V"] = self.vision_subnet(batch.vision)
        predictions = {}
        if "M" in self.tasks:
            predictions["M"] = self.fuse(*(representations[task] for task in "TAV"))
        for task, head in self.heads.items():
            predictions[task] = head(representations[task])
        return Output(predictions, representations)


def subnet_hyper(hyper: Hyper) -> SubnetHyper:
    """Narrow the type of a model's hyper-parameters."""
    assert isinstance(hyper, SubnetHyper)
    return hyper


def padded_text(batch: Batch) -> Tensor:
    """Narrow the type of a batch's text ``[B, L, 768]``."""
    assert isinstance(batch.text, Tensor)
    return batch.text
