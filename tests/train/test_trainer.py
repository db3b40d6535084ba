"""One epoch, step by step: which clips, which gradients, what early stopping watches."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.config import Config
from pipeline.train.data import Batch, Corpus, Inputs, Part, Ragged
from pipeline.train.hyper import TASKS, Hyper
from pipeline.train.metrics import intervals
from pipeline.train.models import build_model
from pipeline.train.models.base import SentimentModel
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.run import train_model
from pipeline.train.trainer import Fit, Plan, fit, seed_everything

CPU = torch.device("cpu")
STEPS = {"text": 8, "audio": 9, "vision": 7}
DIMS = {"text": 6, "audio": 3, "vision": 4}
INPUTS = Inputs(DIMS, STEPS)
VALID = 7
NO_DROPOUT = {
    "mult": {
        "width": 4, "heads": 2, "levels": 1, "text_dropout": 0, "attention_dropout": 0,
        "audio_attention_dropout": 0, "embed_dropout": 0, "residual_dropout": 0, "out_dropout": 0,
    },
    "": {
        "text_hidden": 4, "audio_hidden": 3, "vision_hidden": 4, "text_out": 3, "text_dropout": 0,
        "audio_dropout": 0, "vision_dropout": 0, "head_dropout": 0,
    },
}  # fmt: skip


@dataclass
class Step:
    """What the optimiser was called with, and the batches behind it."""

    weights: dict[str, Tensor]
    gradients: dict[str, Tensor]
    batches: list[Batch]

    @property
    def clips(self) -> int:
        return sum(len(batch.lengths["text"]) for batch in self.batches)


@dataclass
class Watched:
    """A training and all that the model saw in it."""

    start: SentimentModel
    model: SentimentModel
    hyper: Hyper
    fit: Fit | None = None
    steps: list[Step] = field(default_factory=list)
    train: list[list[Batch]] = field(default_factory=lambda: [[]])  # by epoch
    valid: list[list[Batch]] = field(default_factory=lambda: [[]])

    def order(self, part: str = "train", epoch: int = 0) -> list[float]:
        """The clips of an epoch as they came; a clip is known by its M label."""
        return [float(m) for batch in getattr(self, part)[epoch] for m in batch.labels["M"]]


Watch = Callable[..., Watched]


def part_of(count: int, name: str, recipe: Recipe) -> Part:
    generator = torch.Generator().manual_seed(count)
    streams: dict[str, Ragged | Tensor] = {}
    for stream, steps in STEPS.items():
        lengths = torch.randint(5, steps + 1, (count,), generator=generator)
        if name == "mult" and recipe is PUBLISHED and stream != "text":
            lengths = torch.full((count,), steps)
        rows = torch.randn(int(lengths.sum()), DIMS[stream], generator=generator)
        streams[stream] = Ragged(rows, lengths.cumsum(0) - lengths, lengths, steps)
        if name != "mult" and stream != "text":
            streams[stream] = torch.randn(count, DIMS[stream], generator=generator)
    labels = {task: 2 * torch.rand(count, generator=generator) - 1 for task in "TAV"}
    labels["M"] = torch.linspace(-1, 1, count)
    clips = tuple(str(i) for i in range(count))
    packed, full = "" if name == "mult" else "text", "text" if recipe.full_text else ""
    return Part(clips, streams, labels, packed, full)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Train a small model without dropout on `clips` clips, and write down what happens."""

    def run(
        name: str, recipe: Recipe, clips: int, *, seed: int = 1, epochs: int = 1, **hyper: object
    ) -> Watched:
        chosen = hyper_for(
            name,
            "paper" if recipe is PAPER else "published",
            {**NO_DROPOUT.get(name, NO_DROPOUT[""]), **hyper},
        )
        tasks = MODELS[name].tasks
        torch.manual_seed(0)
        model = build_model(name, chosen, INPUTS, tasks, recipe)
        seen = Watched(copy.deepcopy(model), model, chosen)
        parts = {"train": part_of(clips, name, recipe), "valid": part_of(VALID, name, recipe)}
        corpus = Corpus(parts, INPUTS, "")
        taken = 0

        def before_forward(module: nn.Module, inputs: tuple[Batch]) -> None:
            (seen.train if module.training else seen.valid)[-1].append(inputs[0])

        real = torch.optim.Adam.step

        def step(self: torch.optim.Adam) -> None:
            nonlocal taken
            weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
            gradients = gradients_of(model)
            seen.steps.append(Step(weights, gradients, seen.train[-1][taken:]))
            taken = len(seen.train[-1])
            real(self)

        def on_epoch(epoch: int) -> None:
            nonlocal taken
            taken = 0
            seen.train.append([])
            seen.valid.append([])

        handle = model.register_forward_pre_hook(before_forward)
        plan = Plan({task: task for task in tasks}, chosen, recipe, seed, epochs, epochs)
        with monkeypatch.context() as patch:
            patch.setattr(torch.optim.Adam, "step", step)
            seen.fit = fit(model, corpus, plan, CPU, on_epoch)
        handle.remove()
        return seen

    return run


def gradients_of(model: SentimentModel) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def gradient(model: SentimentModel, batches: list[Batch], clips: int) -> dict[str, Tensor]:
    """Gradient of M's absolute error summed over batches, divided by `clips`."""
    model.zero_grad()
    error = torch.zeros(())
    for batch in batches:
        error = error + (model(batch).predictions["M"] - batch.labels["M"]).abs().sum()
    (error / clips).backward()  # type: ignore[no-untyped-call]
    return gradients_of(model)


def norm_of(gradients: dict[str, Tensor]) -> float:
    return float(torch.cat([g.flatten() for g in gradients.values()]).norm())


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("clip", [0.01, 1e6])
@pytest.mark.parametrize("name", ["mult", "tfn"])
def test_a_paper_step_has_the_mean_gradient_over_its_clips_clipped_by_norm(
    name: str, clip: float, watch: Watch
) -> None:
    seen = watch(name, PAPER, 9, batch_size=2, accumulate=2, clip=clip)
    assert [step.clips for step in seen.steps] == [4, 5]
    assert [len(b.lengths["text"]) for b in seen.steps[1].batches] == [2, 3]  # of unequal weight
    for step in seen.steps:
        seen.start.load_state_dict(step.weights)
        expected = gradient(seen.start.train(), step.batches, step.clips)
        scale = min(1.0, clip / norm_of(expected))
        assert (scale < 1) == (clip == 0.01)
        assert_same(step.gradients, {n: scale * g for n, g in expected.items()})


@pytest.mark.parametrize("clip", [0.01, 1e6])
def test_a_published_step_of_mult_sums_batch_gradients_clipped_by_value(
    clip: float, watch: Watch
) -> None:
    seen = watch("mult", PUBLISHED, 9, batch_size=2, accumulate=2, clip=clip)
    assert [step.clips for step in seen.steps] == [4, 5]
    for step in seen.steps:
        seen.start.load_state_dict(step.weights)
        total: dict[str, Tensor] = {}
        clipped = False
        for batch in step.batches:
            for n, g in gradient(seen.start.train(), [batch], len(batch.lengths["text"])).items():
                total[n] = (total.get(n, 0.0) + g).clamp(-clip, clip)
                clipped |= bool((total[n].abs() == clip).any())
        assert clipped == (clip == 0.01)
        assert_same(step.gradients, total)


def test_published_models_but_mult_do_not_clip(watch: Watch) -> None:
    seen = watch("tfn", PUBLISHED, 8, batch_size=4, clip=1e-4)
    for step in seen.steps:
        assert max(float(g.abs().max()) for g in step.gradients.values()) > 1e-3


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_a_step_follows_as_many_batches_as_are_accumulated(accumulate: int, watch: Watch) -> None:
    seen = watch("mult", PAPER, 16, batch_size=4, accumulate=accumulate)
    assert [len(step.batches) for step in seen.steps] == [accumulate] * (4 // accumulate)


@pytest.mark.parametrize(("last_group", "used"), [("kept", [6, 3]), ("dropped", [6])])
def test_an_epochs_last_smaller_group_is_kept_or_dropped(
    last_group: str, used: list[int], watch: Watch
) -> None:
    for base in (PAPER, PUBLISHED):
        recipe = base.model_copy(update={"last_group": last_group})
        seen = watch("mult", recipe, 9, batch_size=2, accumulate=3)
        assert [step.clips for step in seen.steps] == used


def test_the_paper_keeps_the_last_group_and_the_published_code_drops_it(watch: Watch) -> None:
    for recipe, used in ((PAPER, 9), (PUBLISHED, 6)):
        seen = watch("mult", recipe, 9, batch_size=2, accumulate=3)
        assert sum(step.clips for step in seen.steps) == used


def test_a_group_that_is_whole_or_the_only_one_is_never_dropped(watch: Watch) -> None:
    whole = watch("mult", PUBLISHED, 12, batch_size=2, accumulate=3)
    assert [step.clips for step in whole.steps] == [6, 6]
    only = watch("mult", PUBLISHED, 4, batch_size=2, accumulate=8)
    assert [step.clips for step in only.steps] == [4]


@pytest.mark.parametrize("recipe", [PAPER, PUBLISHED], ids=["paper", "published"])
def test_each_epoch_has_every_train_clip_once_in_another_order(
    recipe: Recipe, watch: Watch
) -> None:
    seen = watch("lf_dnn", recipe, 20, batch_size=5, epochs=2)
    clips = torch.linspace(-1, 1, 20).tolist()
    first, second = seen.order(epoch=0), seen.order(epoch=1)
    assert sorted(first) == sorted(second) == clips
    assert first != clips
    assert second != clips
    assert first != second


def test_the_order_of_clips_follows_the_seed(watch: Watch) -> None:
    one, again, other = (watch("lf_dnn", PAPER, 20, batch_size=5, seed=s) for s in (1, 1, 2))
    assert one.order() == again.order()
    assert one.order() != other.order()


def test_the_first_weights_follow_the_seed() -> None:
    hyper = hyper_for("lf_dnn", "paper", NO_DROPOUT[""])
    found = []
    for seed in (1, 1, 2):
        seed_everything(seed)
        model = build_model("lf_dnn", hyper, INPUTS, ("M",), PAPER)
        found.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_seeds_of_a_run_start_from_different_weights(
    copied: Path, config_for: Callable[..., Config]
) -> None:
    still = {"learning_rate": 1e-12, "decay": {"text": 0, "audio": 0, "vision": 0}}
    config = config_for(copied, max_epochs=1, hyper={"lf_dnn": {**NO_DROPOUT[""], **still}})
    train_model(config, "table2", "lf_dnn")
    root = config.processed / "experiments/table2/lf_dnn"
    one, other = (load_file(root / f"seed_{s}/weights.safetensors") for s in (1, 12))
    for name in ("text_subnet.rnn.weight_hh_l0", "fusion.layer_1.weight"):
        assert float((one[name] - other[name]).abs().max()) > 0.01


def test_paper_early_stopping_watches_the_main_tasks_l1_over_valid_clips(watch: Watch) -> None:
    seen = watch("mlf_dnn", PAPER, 12, batch_size=3)
    assert seen.fit is not None
    (batch,) = seen.valid[0]
    with torch.no_grad():
        expected = (seen.model.eval()(batch).predictions["M"] - batch.labels["M"]).abs().mean()
    assert seen.fit.curve[0]["valid_loss"] == pytest.approx(float(expected), abs=1e-7)


def test_published_early_stopping_watches_the_rounded_mean_of_batches_of_weighted_tasks(
    watch: Watch,
) -> None:
    seen = watch("mlf_dnn", PUBLISHED, 12, batch_size=2)
    assert seen.fit is not None
    # 2, 2 and 3 clips, each batch of the same weight
    assert [len(batch.lengths["text"]) for batch in seen.valid[0]] == [2, 2, 3]
    clips = torch.linspace(-1, 1, VALID).tolist()
    assert sorted(seen.order("valid")) == clips
    assert seen.order("valid") != clips
    alpha = {"M": 0.6, "T": 0.2, "A": 0.8, "V": 0.8}
    losses = []
    for batch in seen.valid[0]:
        with torch.no_grad():
            found = seen.model.eval()(batch).predictions
        l1 = {task: float((found[task] - batch.labels[task]).abs().mean()) for task in TASKS}
        losses.append(sum(alpha[task] * l1[task] for task in TASKS))
    expected = float(np.mean(losses))
    assert abs(expected - round(expected, 4)) > 1e-6
    assert seen.fit.curve[0]["valid_loss"] == round(expected, 4)


@pytest.mark.parametrize("recipe", [PAPER, PUBLISHED], ids=["paper", "published"])
def test_lmfs_factors_are_learned_at_a_rate_of_their_own(recipe: Recipe, watch: Watch) -> None:
    wide = {"audio_hidden": 16, "vision_hidden": 16, "text_out": 16}  # not all ReLUs are dead
    seen = watch("lmf", recipe, 8, batch_size=8, learning_rate=2e-3, factor_rate=5e-4, **wide)
    before, after = (dict(m.named_parameters()) for m in (seen.start, seen.model))
    for name in ("text_factor", "audio_factor", "vision_factor", "text_subnet.linear.weight"):
        # Adam's first step is the rate itself wherever the gradient is not tiny
        moved = float((after[name] - before[name]).detach().abs().max())
        assert moved == pytest.approx(5e-4 if "factor" in name else 2e-3, rel=0.01), name


def test_intervals_cover_95_percent_of_the_resampled_means() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros(400, np.float32)
    predicted = rng.uniform(0, 1, 400).astype(np.float32)
    low, high = intervals([predicted], truth, 4000)["mae"]
    # the mean of 400 errors is normal: 1.96 standard errors to either side
    mean, error = float(predicted.mean()), float(predicted.std()) / 20
    assert low == pytest.approx(mean - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.15 * error)
