"""What every model shares: tasks, subnets by modality, the form of its input."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from pipeline.corpus import MODALITY_OF
from pipeline.train.data import Batch, Form, Inputs
from pipeline.train.hyper import Hyper, SubnetHyper
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Head, MeanSubnet, Output, TextSubnet


class SentimentModel(nn.Module):
    """A model of one or more sentiment tasks.

    Attributes
    ----------
    clips_by_value : bool
        The published training clips its gradients by value.
    free_batches : bool
        A clip's gradient does not depend on its batch (no batch normalisation), so the
        clips of a step may be cut into batches of like length.
    form : {"mean", "sequence", "aligned"}
        How it wants audio and vision.
    """

    clips_by_value: ClassVar[bool] = False
    free_batches: ClassVar[bool] = False

    def __init__(
        self, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__()
        self.tasks, self.recipe = tasks, recipe

    @classmethod
    def form(cls, recipe: Recipe) -> Form:
        """Say how the model wants audio and vision."""
        return "mean"

    def shared(self) -> dict[str, list[nn.Module]]:
        """Return the modules whose weights W_t, W_a, W_v eq. 4 regularises, by modality."""
        return {}

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        raise NotImplementedError

    def apart(self) -> dict[str, list[nn.Parameter]]:
        """Return parameters with a step size of their own, by its name among hyper-parameters."""
        return {}

    def undecayed(self) -> list[nn.Parameter]:
        """Return parameters that L2 leaves alone."""
        return []


class SubnetModel(SentimentModel):
    """Unimodal subnets, a fusion of their representations, a head per task.

    Parameters
    ----------
    hyper : Hyper
        Widths and dropouts, a `SubnetHyper`.
    inputs : Inputs
        The dataset's modalities: one subnet each.
    tasks : tuple of str
        Which of M, T, A, V are learned. Without M only the subnets of the named tasks exist.
    recipe : Recipe
        Paper or published behaviour.
    """

    def __init__(
        self, hyper: Hyper, inputs: Inputs, tasks: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(hyper, inputs, tasks, recipe)
        hyper = subnet_hyper(hyper)
        present = {task: m for task, m in MODALITY_OF.items() if m in inputs.dims}
        self.used = {m for task, m in present.items() if task in tasks or "M" in tasks}
        for modality in ("audio", "vision", "text"):
            if modality in self.used:
                self.add_module(f"{modality}_subnet", self._subnet(modality, hyper, inputs))
        widths = {"T": hyper.text_out, "A": hyper.audio_hidden, "V": hyper.vision_hidden}
        self.widths = {task: widths[task] for task, m in present.items() if m in self.used}
        if "M" in tasks:
            self.make_fusion(hyper)
        heads = {"T": hyper.text_head, "A": hyper.audio_head, "V": hyper.vision_head}
        self.heads = nn.ModuleDict(
            {
                task: self.head(self.widths[task], heads[task], hyper)
                for task in present
                if task in tasks
            }
        )

    def _subnet(self, modality: str, hyper: SubnetHyper, inputs: Inputs) -> nn.Module:
        dim = inputs.dims[modality]
        if modality == "audio":
            return MeanSubnet(dim, hyper.audio_hidden, hyper.audio_dropout)
        if modality == "vision":
            return MeanSubnet(dim, hyper.vision_hidden, hyper.vision_dropout)
        return TextSubnet(
            dim,
            hyper.text_hidden,
            hyper.text_out,
            hyper.text_dropout if self.recipe.text_dropout else 0.0,
            steps=inputs.steps["text"],
            to_last_token=self.recipe.text_end == "last_token",
        )

    def head(self, size: int, hidden: int, hyper: SubnetHyper) -> Head:
        """Build a task's head."""
        return Head(size, hidden, hyper.head_dropout, self.recipe.head_slope)

    def make_fusion(self, hyper: Hyper) -> None:
        """Build what `fuse` needs."""
        raise NotImplementedError

    def fuse(self, representations: dict[str, Tensor]) -> Tensor:
        """Map two or three representations ``[B, d]``, by T, A, V, to M ``[B]``."""
        raise NotImplementedError

    def shared(self) -> dict[str, list[nn.Module]]:
        """Return the subnets."""
        return {m: [self.get_submodule(f"{m}_subnet")] for m in sorted(self.used)}

    def forward(self, batch: Batch) -> Output:
        """Predict a batch's sentiments."""
        representations = {}
        for task, modality in MODALITY_OF.items():
            if modality in self.used:
                subnet = self.get_submodule(f"{modality}_subnet")
                representations[task] = subnet(batch.streams[modality])
        predictions = {}
        if "M" in self.tasks:
            predictions["M"] = self.fuse(representations)
        for task, head in self.heads.items():
            predictions[task] = head(representations[task])
        return Output(predictions, representations)


def subnet_hyper(hyper: Hyper) -> SubnetHyper:
    """Narrow the type of a model's hyper-parameters."""
    assert isinstance(hyper, SubnetHyper)
    return hyper
