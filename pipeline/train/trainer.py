"""The one trainer: early stopping on the valid part, best weights restored, curves kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import BuildError
from pipeline.train.checkpoint import Checkpoint, Progress, Training
from pipeline.train.data import Batch, Corpus, Part, Ragged, chunks
from pipeline.train.hyper import Hyper
from pipeline.train.loss import make_optimizer, task_losses, total_loss, weight_of
from pipeline.train.metrics import scores
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import Recipe

_EVALUATION_BATCH = 256
_LEAST_GAIN = 1e-6  # a valid loss that falls by less is no better


@dataclass(frozen=True)
class Plan:
    """How one model is trained.

    Parameters
    ----------
    labels : dict of str to str
        The label that each task learns, e.g. ``{"A": "M"}``; its keys are the tasks.
    hyper : Hyper
        Hyper-parameters.
    recipe : Recipe
        Paper or published behaviour.
    seed : int
        Of the weights, the order of clips and the dropout.
    max_epochs, patience : int
        When to stop at the latest, and after how many epochs without a better valid loss.
    """

    labels: dict[str, str]
    hyper: Hyper
    recipe: Recipe
    seed: int
    max_epochs: int
    patience: int


@dataclass(frozen=True)
class Fit:
    """A training that ended.

    Parameters
    ----------
    best_epoch, epochs : int
        The epoch whose weights the model now has, and how many were run.
    curve : list of dict
        One row an epoch: losses and valid scores of the first task.
    first_batch, seconds : float
        Seconds from the call to the first gradient step, and to the end but for `on_epoch`.
    """

    best_epoch: int
    epochs: int
    curve: list[dict[str, float]]
    first_batch: float
    seconds: float


def seed_everything(seed: int) -> None:
    """Make what follows depend on `seed` alone; one thread, so that the core count is no matter."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def fit(
    model: SentimentModel,
    corpus: Corpus,
    plan: Plan,
    device: torch.device,
    on_epoch: Callable[[int], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
) -> Fit:
    """Train a model until the valid loss stops falling, and leave it with its best weights.

    Parameters
    ----------
    model : SentimentModel
        On `device`, with fresh weights.
    corpus : Corpus
        In the form that the model wants.
    plan : Plan
        Tasks, hyper-parameters and limits.
    device : torch.device
        Where batches go.
    on_epoch : callable
        Called with the number of each finished epoch.
    checkpoint : Checkpoint, optional
        Where the training is stored now and then, and goes on from.

    Raises
    ------
    BuildError
        If the loss is no longer a number.
    """
    start, elsewhere = time.perf_counter(), 0.0
    corpus.check_labels(plan.labels)
    optimizer = make_optimizer(model, plan.hyper, plan.recipe)
    shuffle = torch.Generator().manual_seed(plan.seed)
    training = Training(model, optimizer, shuffle, device)
    done = checkpoint.restore(training) if checkpoint else Progress()
    first_batch = 0.0
    while done.epoch < plan.max_epochs and done.epoch - done.best_epoch < plan.patience:
        train_loss, stepped = _train_epoch(
            model, corpus.parts["train"], plan, optimizer, shuffle, device
        )
        first_batch = first_batch or stepped - start
        watched, figures = _validate(model, corpus.parts["valid"], plan, shuffle, device)
        done.epoch += 1
        if not math.isfinite(train_loss + watched):
            raise BuildError(
                f"the loss of seed {plan.seed} is no longer a number in epoch {done.epoch}",
                "lower the learning rate in train.hyper",
            )
        row = {"epoch": done.epoch, "train_loss": train_loss, "valid_loss": watched, **figures}
        done.curve.append(row)
        if watched <= done.best - _LEAST_GAIN:
            done.best, done.best_epoch = watched, done.epoch
            done.best_weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        if checkpoint:
            checkpoint.offer(training, done)
        paused = time.perf_counter()
        on_epoch(done.epoch)
        elsewhere += time.perf_counter() - paused
    model.load_state_dict(done.best_weights)
    seconds = time.perf_counter() - start - elsewhere
    return Fit(done.best_epoch, done.epoch, done.curve, first_batch, seconds)


def predict(
    model: SentimentModel, part: Part, device: torch.device, what: str = "predictions"
) -> dict[str, NDArray[np.float32]]:
    """Return a model's predictions ``[N]`` by task, or its representations ``[N, d]``."""
    model.eval()
    found: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for batch in part.batches(_EVALUATION_BATCH):
            for task, values in getattr(model(batch.to(device)), what).items():
                found.setdefault(task, []).append(values.cpu())
    return {task: torch.cat(values).numpy() for task, values in found.items()}


def _train_epoch(
    model: SentimentModel,
    part: Part,
    plan: Plan,
    optimizer: torch.optim.Adam,
    shuffle: torch.Generator,
    device: torch.device,
) -> tuple[float, float]:
    """Run one epoch; return its mean loss and the moment of its first step."""
    model.train()
    hyper, recipe = plan.hyper, plan.recipe
    clips = part.labelled(plan.labels.values())  # the others have nothing to teach
    clips = clips[torch.randperm(len(clips), generator=shuffle)]
    batches = chunks(clips, hyper.batch_size)
    groups = _groups(batches, hyper.accumulate, recipe)
    if model.free_batches and recipe.clipping == "norm":
        groups = [_by_length(group, part, hyper.batch_size) for group in groups]
    first, seen = 0.0, 0
    total = torch.zeros((), device=device)
    for group in groups:
        optimizer.zero_grad()
        size = sum(len(chunk) for chunk in group)
        seen += size
        for chunk in group:
            batch = part.batch(chunk).to(device)
            loss = total_loss(model, model(batch), _targets(batch, plan), hyper, recipe)
            share = len(chunk) / size if recipe.clipping == "norm" else 1.0
            (loss * share).backward()  # type: ignore[no-untyped-call]
            total += loss.detach() * len(chunk)
            _clip_by_value(model, hyper, recipe)
        if recipe.clipping == "norm":
            nn.utils.clip_grad_norm_(model.parameters(), hyper.clip)
        optimizer.step()
        first = first or time.perf_counter()
    return float(total) / seen, first


def _groups(batches: list[Tensor], size: int, recipe: Recipe) -> list[list[Tensor]]:
    """Cut an epoch's batches into those whose gradients are summed; one group is always left."""
    groups = [batches[i : i + size] for i in range(0, len(batches), size)]
    if recipe.last_group == "dropped" and len(groups) > 1 and len(groups[-1]) < size:
        groups.pop()
    return groups


def _by_length(group: list[Tensor], part: Part, size: int) -> list[Tensor]:
    """Cut one step's clips into batches of like length, which saves padding and nothing else."""
    clips = torch.cat(group)
    for modality in ("audio", "vision", "text"):  # the longest that there is
        stream = part.streams.get(modality)
        if isinstance(stream, Ragged):
            return chunks(clips[stream.lengths[clips].argsort(stable=True)], size)
    return chunks(clips, size)


def _clip_by_value(model: SentimentModel, hyper: Hyper, recipe: Recipe) -> None:
    if recipe.clipping == "model" and model.clips_by_value:
        nn.utils.clip_grad_value_(model.parameters(), hyper.clip)


def _targets(batch: Batch, plan: Plan) -> dict[str, Tensor]:
    return {task: batch.labels[label] for task, label in plan.labels.items()}


def _validate(
    model: SentimentModel, part: Part, plan: Plan, shuffle: torch.Generator, device: torch.device
) -> tuple[float, dict[str, float]]:
    """Return the loss that early stopping watches, and the first task's valid scores."""
    first = next(iter(plan.labels))
    if plan.recipe.selection == "weighted_batches":
        return _published_valid_loss(model, part, plan, shuffle, device), {}
    predicted = predict(model, part, device)[first]
    if not np.isfinite(predicted).all():
        return math.nan, {}
    truth = part.labels[plan.labels[first]].numpy()
    known = np.isfinite(truth)
    predicted, truth = predicted[known], truth[known]
    figures: dict[str, Any] = scores(predicted, truth)
    loss = float(np.abs(predicted.astype(np.float64) - truth).mean())
    return loss, {f"valid_{name}": value for name, value in figures.items()}


def _published_valid_loss(
    model: SentimentModel, part: Part, plan: Plan, shuffle: torch.Generator, device: torch.device
) -> float:
    """Mean over shuffled batches of the weighted sum over tasks, to four decimals."""
    model.eval()
    losses = []
    with torch.inference_mode():
        order = torch.randperm(len(part), generator=shuffle)
        for batch in part.batches(plan.hyper.batch_size, order):
            found = task_losses(model(batch.to(device)), _targets(batch.to(device), plan))
            losses.append(
                sum(
                    weight_of(task, found, plan.hyper) * float(loss) for task, loss in found.items()
                )
            )
    return round(float(np.mean(losses)), 4)
