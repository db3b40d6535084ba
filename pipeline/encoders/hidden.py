"""Running an encoder: the chosen layers, in float32, the same on every device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.encoders.layers import LAST, chosen, mean_of
from pipeline.encoders.names import type_name
from pipeline.errors import BuildError


@dataclass(frozen=True)
class Encoder:
    """A loaded encoder and the layers that are taken from it.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode, on its device.
    layers : str
        A canonical choice (`pipeline.encoders.layers`).
    stage : str
        Name of the stage, for errors.
    """

    model: Any
    layers: str
    stage: str

    @property
    def name(self) -> str:
        """What the type of the model is called."""
        return type_name(self.model.config.model_type)

    def run(self, **inputs: Any) -> tuple[Any, Any]:
        """Send a batch through the model.

        Returns
        -------
        hidden : torch.Tensor
            The chosen layers: the last hidden state, one of the hidden states, or the mean of
            several.
        output : ModelOutput
            All that the model returned.

        Raises
        ------
        BuildError
            If the model has no such layer, or gives no hidden states.
        """
        with _exact():
            if self.layers == LAST:
                output = self.model(**inputs)
                return _given(output, "last_hidden_state", self), output
            output = self.model(**inputs, output_hidden_states=True)
        states = _given(output, "hidden_states", self)
        key = f"{self.stage}.layers"
        return mean_of(states, chosen(self.layers, len(states), key, self.name), key), output


def _given(output: Any, what: str, encoder: Encoder) -> Any:
    found = getattr(output, what, None)
    if found is None:
        raise BuildError(
            f"{encoder.stage}.model: the {encoder.name} gives no {what}",
            f"name another model, or set {encoder.stage}.layers to last",
        )
    return found


@contextmanager
def _exact() -> Iterator[None]:
    """Compute without gradients, and convolutions in full float32: a GPU would shorten them."""
    import torch

    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    cudnn.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        cudnn.allow_tf32 = before
