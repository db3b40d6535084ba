"""Eq. 4, term by term, and what the optimiser is given."""

from __future__ import annotations

import pytest
import torch

from pipeline.train.data import Inputs
from pipeline.train.hyper import TASKS
from pipeline.train.loss import decay_terms, make_optimizer, task_losses, total_loss
from pipeline.train.models import build_model
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import PAPER, PUBLISHED
from pipeline.train.registry import hyper_for
from pipeline.train.subnets import Output

INPUTS = Inputs({"text": 6, "audio": 3, "vision": 4}, {"text": 5, "audio": 9, "vision": 7})
OUTPUT = Output({"M": torch.tensor([0.5, -0.5]), "T": torch.tensor([1.0, 0.0])}, {})
LABELS = {"M": torch.tensor([0.0, 0.0]), "T": torch.tensor([0.0, 0.2])}


def model_of(name: str, preset: str = "paper") -> SentimentModel:
    torch.manual_seed(0)
    recipe = PAPER if preset == "paper" else PUBLISHED
    tasks = TASKS if name.startswith("ml") else ("M",)
    return build_model(name, hyper_for(name, preset), INPUTS, tasks, recipe)


def test_each_task_has_the_mean_absolute_error() -> None:
    losses = task_losses(OUTPUT, LABELS)
    assert losses["M"].item() == pytest.approx(0.5)
    assert losses["T"].item() == pytest.approx(0.6)


def test_the_loss_is_the_weighted_tasks_and_the_l2_of_each_subnets_weights() -> None:
    model, hyper = model_of("mlf_dnn"), hyper_for("mlf_dnn", "paper")
    betas = {"text": 1e-4, "audio": 1e-3, "vision": 1e-4}
    expected = 0.6 * 0.5 + 0.2 * 0.6
    for stream, beta in betas.items():
        subnet = getattr(model, f"{stream}_subnet")
        weights = [p for n, p in subnet.named_parameters() if "weight" in n and "norm" not in n]
        term = beta * sum(float((w**2).sum().detach()) for w in weights)
        assert decay_terms(model, hyper)[stream].item() == pytest.approx(term, rel=1e-5)
        expected += term
    assert set(decay_terms(model, hyper)) == set(betas)
    assert total_loss(model, OUTPUT, LABELS, hyper, PAPER).item() == pytest.approx(expected)


def test_heads_of_multi_task_models_are_not_regularised_in_the_paper_preset() -> None:
    assert "rest" not in decay_terms(model_of("mlmf"), hyper_for("mlmf", "paper"))
    assert hyper_for("mlmf", "published").decay.rest == 5e-3


def test_a_single_task_has_weight_one() -> None:
    hyper = hyper_for("mlf_dnn", "paper", {"decay": {"text": 0, "audio": 0, "vision": 0}})
    only = Output({"T": OUTPUT.predictions["T"]}, {})
    assert total_loss(model_of("mlf_dnn"), only, LABELS, hyper, PAPER).item() == pytest.approx(0.6)


def test_a_models_own_term_is_added() -> None:
    hyper = hyper_for("mfn", "paper")
    output = Output({"M": OUTPUT.predictions["M"]}, {}, torch.tensor(2.0))
    loss = total_loss(model_of("mfn"), output, LABELS, hyper, PAPER)
    assert loss.item() == pytest.approx(2.5)


def test_the_published_optimiser_decays_by_group_and_leaves_the_rank_weights_out() -> None:
    model, hyper = model_of("mlmf", "published"), hyper_for("mlmf", "published")
    groups = make_optimizer(model, hyper, PUBLISHED).param_groups
    by_parameter = {id(p): group for group in groups for p in group["params"]}
    assert by_parameter[id(model.text_subnet.linear.bias)]["weight_decay"] == 1e-4
    assert by_parameter[id(model.audio_subnet.layer_1.weight)]["weight_decay"] == 0
    assert by_parameter[id(model.heads["T"].layer_1.weight)]["weight_decay"] == 5e-3
    assert by_parameter[id(model.audio_factor)]["lr"] == 1e-3
    assert id(model.rank_weights) not in by_parameter
    assert all(g["weight_decay"] == 0 for g in make_optimizer(model, hyper, PAPER).param_groups)


def test_every_task_of_a_multi_task_model_has_weight_in_the_paper_preset() -> None:
    for name in ("mlf_dnn", "mlmf", "mtfn"):
        alpha = hyper_for(name, "paper").alpha
        assert min(alpha.M, alpha.T, alpha.A, alpha.V) > 0
    assert hyper_for("mtfn", "published").alpha.A == 0
