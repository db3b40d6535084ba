"""The loss of eq. 4 and the optimiser that goes with it."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.train.hyper import Hyper
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import Recipe
from pipeline.train.subnets import Output


def task_losses(output: Output, labels: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return each task's L1 loss, the mean over the clips that have its label.

    A task without a labelled clip in the batch has a loss of 0.

    Parameters
    ----------
    output : Output
        A model's predictions ``[B]`` by task.
    labels : dict of str to Tensor ``[B]``
        What each task is to predict; NaN where a clip has no label.
    """
    return {task: _l1(predicted, labels[task]) for task, predicted in output.predictions.items()}


def _l1(predicted: Tensor, label: Tensor) -> Tensor:
    known = ~label.isnan()
    if bool(known.all()):
        return nn.functional.l1_loss(predicted, label)
    error = torch.where(known, predicted - label.nan_to_num(), 0.0).abs()
    return error.sum() / known.sum().clamp_min(1)


def decay_terms(model: SentimentModel, hyper: Hyper) -> dict[str, Tensor]:
    """Return beta_j ||W_j||^2 for each part of the model whose beta is not 0 (eq. 4).

    W_j are the weights of modality j's subnet; biases and normalisation are left out,
    for shrinking them regularises nothing.
    """
    terms = {}
    for part, parameters in split_parameters(model).items():
        beta = getattr(hyper.decay, part, 0.0)
        weights = [p for p in parameters if p.ndim >= 2 and p.requires_grad]
        if beta and weights:
            terms[part] = beta * torch.stack([w.square().sum() for w in weights]).sum()
    return terms


def total_loss(
    model: SentimentModel, output: Output, labels: dict[str, Tensor], hyper: Hyper, recipe: Recipe
) -> Tensor:
    """Return sum_i alpha_i L1_i + sum_j beta_j ||W_j||^2 (eq. 4), and the model's own term.

    A model of one task takes it with weight 1: its alpha would only scale the loss.
    """
    losses = task_losses(output, labels)
    terms = [weight_of(task, losses, hyper) * loss for task, loss in losses.items()]
    if recipe.decay == "loss":
        terms += decay_terms(model, hyper).values()
    if output.extra is not None:
        terms.append(output.extra)
    return torch.stack(terms).sum()


def weight_of(task: str, tasks: Sized, hyper: Hyper) -> float:
    """Return alpha of a task among `tasks`."""
    alone = len(tasks) == 1
    return 1.0 if alone else float(getattr(hyper.alpha, task))


def split_parameters(model: SentimentModel) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of the subnets, those that L2 leaves alone, and the rest."""
    parts = {
        stream: [p for module in modules for p in module.parameters()]
        for stream, modules in model.shared().items()
    }
    parts["undecayed"] = model.undecayed()
    taken = {id(p) for parameters in parts.values() for p in parameters}
    return {**parts, "rest": [p for p in model.parameters() if id(p) not in taken]}


def make_optimizer(model: SentimentModel, hyper: Hyper, recipe: Recipe) -> torch.optim.Adam:
    """Return Adam over the learned parameters, with its own decay in the published recipe."""
    named = {id(p): name for name, members in model.apart().items() for p in members}
    groups: list[dict[str, Any]] = []
    for part, parameters in split_parameters(model).items():
        decay = getattr(hyper.decay, part, 0.0) if recipe.decay == "adam" else 0.0
        for name in ("learning_rate", *model.apart()):
            members = [
                p
                for p in parameters
                if p.requires_grad and named.get(id(p), "learning_rate") == name
            ]
            if members:
                rate = getattr(hyper, name)
                groups.append({"params": members, "lr": rate, "weight_decay": decay})
    return torch.optim.Adam(groups, fused=True)
