"""Heads that cannot die: in `paper` each passes a gradient, whatever the seed."""

from __future__ import annotations

import pytest
import torch

from pipeline.train.data import Inputs
from pipeline.train.models import build_model
from pipeline.train.recipe import PAPER
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.subnets import Head
from pipeline.train.trainer import seed_everything

SEEDS = range(50)
INPUTS = Inputs({"text": 8, "audio": 5, "vision": 6}, {"text": 4, "audio": 4, "vision": 4})
SMALL = {"text_hidden": 8, "audio_hidden": 4, "vision_hidden": 8, "text_out": 8}
MULTITASK = [name for name, info in MODELS.items() if info.multitask]


def is_dead(head: Head) -> bool:
    """Tell whether a head gives all clips the same output, and its first layer no gradient.

    Representations are not negative and, before training, nearly the same for all clips.
    """
    inputs = 0.1 * torch.rand(64, head.layer_1.in_features)
    output = head.eval()(inputs)
    output.sum().backward()
    assert head.layer_1.weight.grad is not None
    return bool(output.max() == output.min()) and not head.layer_1.weight.grad.any()


def dead_heads(width: int, slope: float) -> int:
    """Count the seeds whose head of a width is dead from the start."""
    count = 0
    for seed in SEEDS:
        seed_everything(seed)
        count += is_dead(Head(16, width, 0.0, slope))
    return count


def test_narrow_heads_of_relu_die_and_leaky_ones_do_not() -> None:
    assert dead_heads(4, slope=0.0) > 0
    assert dead_heads(4, slope=0.1) == 0


@pytest.mark.parametrize("name", MULTITASK)
def test_no_task_of_a_multi_task_model_is_dead_in_paper(name: str) -> None:
    hyper = hyper_for(name, "paper", SMALL)
    for seed in SEEDS:
        seed_everything(seed)
        model = build_model(name, hyper, INPUTS, MODELS[name].tasks, PAPER)
        heads = [module for module in model.modules() if isinstance(module, Head)]
        assert len(heads) >= 3
        assert not any(is_dead(head) for head in heads)
