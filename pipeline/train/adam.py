"""Adam by torch's fused kernel, without the second that importing its compiler takes.

The classes of `torch.optim` import torch's compiler when they are first used, which
takes as long as training a small model for an epoch. The function beneath does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


@dataclass
class Group:
    """Parameters with one step size and one decay (added to the gradient, as in L2).

    Parameters
    ----------
    parameters : list of Parameter
        What is learned.
    rate, decay : float
        Step size and weight decay.
    """

    parameters: list[nn.Parameter]
    rate: float
    decay: float
    averages: list[Tensor] = field(init=False)
    squares: list[Tensor] = field(init=False)
    steps: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.averages = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]


class Adam:
    """Kingma and Ba (2015), with torch's defaults for the decay rates and epsilon.

    Parameters
    ----------
    groups : list of Group
        Disjoint groups of parameters.
    """

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.groups:
            held = [i for i, p in enumerate(group.parameters) if p.grad is not None]
            adam(
                [group.parameters[i] for i in held],
                [group.parameters[i].grad for i in held],  # type: ignore[misc]  # held have one
                [group.averages[i] for i in held],
                [group.squares[i] for i in held],
                [],
                [group.steps[i] for i in held],
                fused=True,
                grad_scale=None,
                found_inf=None,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=group.rate,
                weight_decay=group.decay,
                eps=1e-8,
                maximize=False,
            )
