"""What `published` computes and `paper` does not, and the reverse: models written out by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from torch import Tensor, nn

from pipeline.config import Config
from pipeline.train.data import Batch, Packed
from pipeline.train.loss import total_loss
from pipeline.train.models import build_model, network_of
from pipeline.train.models.base import SubnetModel
from pipeline.train.models.ef_lstm import EfLstm
from pipeline.train.models.mult import Mult
from pipeline.train.models.tfn import Tfn
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe
from pipeline.train.registry import hyper_for
from pipeline.train.run import train_model
from tests.train.test_models import SMALL, batch_for, make, unpacked

BOTH = pytest.mark.parametrize("recipe", [PAPER, PUBLISHED], ids=["paper", "published"])
STREAMS = ("text", "audio", "vision")


def padded_batch(*, aligned: bool, count: int = 4) -> Batch:
    """Zero-padded streams; aligned ones have the text's steps, rows beyond its end included."""
    torch.manual_seed(2)
    streams: dict[str, Tensor | Packed] = {}
    true: dict[str, Tensor] = {}
    for stream, longest in (("text", 12), ("audio", 12 if aligned else 15), ("vision", 12)):
        lengths = torch.randint(5, longest, (count,))
        x = torch.randn(count, longest, SMALL.dims[stream])
        if stream == "text" or not aligned:
            x *= (torch.arange(longest) < lengths[:, None])[:, :, None]
        streams[stream], true[stream] = x, lengths
    return Batch(streams, true, {})


def lstm_by_hand(rnn: nn.LSTM, x: Tensor) -> Tensor:
    """States ``[L, h]`` of the last layer over one clip ``[L, d]``, step by step."""
    for into, recurrence, bias_1, bias_2 in rnn.all_weights:
        h = c = torch.zeros(rnn.hidden_size)
        states = []
        for row in x:
            i, f, g, o = (into @ row + bias_1 + recurrence @ h + bias_2).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        x = torch.stack(states)
    return x


def ef_lstm_by_hand(model: EfLstm, batch: Batch, recipe: Recipe) -> Tensor:
    """M of each clip from aligned streams, by the batch's own statistics."""
    x = torch.cat([batch.padded(stream) for stream in STREAMS], dim=-1)
    lengths = batch.lengths["text"].tolist()
    normed = torch.zeros_like(x)
    if recipe.ef_norm == "step":  # channels are time steps
        for step in range(x.shape[1]):
            values = x[:, step]
            scaled = (values - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()
            normed[:, step] = scaled * model.norm.weight[step] + model.norm.bias[step]
    else:  # channels are features, over the texts' tokens alone
        true = torch.cat([x[i, :n] for i, n in enumerate(lengths)])
        for i, n in enumerate(lengths):
            scaled = (x[i, :n] - true.mean(0)) / (true.var(0, unbiased=False) + 1e-5).sqrt()
            normed[i, :n] = scaled * model.norm.weight + model.norm.bias
    found = []
    for i, n in enumerate(lengths):
        end = x.shape[1] if recipe.text_end == "last_step" else n
        h = lstm_by_hand(model.rnn, normed[i, :end])[-1]
        found.append(model.out(model.linear(h).relu())[0])
    return torch.stack(found)


@pytest.mark.parametrize("ef_norm", ["step", "feature"])
@pytest.mark.parametrize("text_end", ["last_step", "last_token"])
def test_ef_lstm_equals_itself_written_out(ef_norm: str, text_end: str) -> None:
    recipe = PUBLISHED.model_copy(update={"ef_norm": ef_norm, "text_end": text_end})
    model = make("ef_lstm", recipe, hidden=8, dropout=0)
    assert isinstance(model, EfLstm)
    for weight in model.parameters():
        weight.data *= 4  # three layers would soften what differs at the end
    batch = padded_batch(aligned=True)
    found = model.train()(batch).predictions["M"]
    assert found.std() > 0.05
    torch.testing.assert_close(found, ef_lstm_by_hand(model, batch, recipe), atol=1e-5, rtol=1e-5)


def test_the_presets_name_these_forms_of_ef_lstm() -> None:
    assert (PAPER.ef_norm, PAPER.text_end) == ("feature", "last_token")
    assert (PUBLISHED.ef_norm, PUBLISHED.text_end) == ("step", "last_step")


@pytest.mark.parametrize("name", ["ef_lstm", "mfn"])
def test_the_weighted_ctc_losses_of_both_streams_are_part_of_the_loss(name: str) -> None:
    batch = batch_for(name, PAPER)
    assert isinstance(batch.streams["text"], Tensor)
    model: Any = make(name, PAPER, ctc_weight=0.3)
    steps = batch.streams["text"].shape[1]
    expected = 0.0
    for stream in ("audio", "vision"):
        align, x = getattr(model, f"align_{stream}"), batch.streams[stream]
        lengths = batch.lengths[stream]
        loss = align(x, lengths, batch.lengths["text"], steps)[1].item()
        assert loss > 0
        expected += 0.3 * loss
    extra = model(batch).extra
    assert extra.item() == pytest.approx(expected, rel=1e-5)
    extra.backward()
    assert model.align_audio.position.weight.grad.any()


def norm_by_hand(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    rows = [(row - row.mean()) / (row.var(unbiased=False) + 1e-5).sqrt() for row in x]
    return torch.stack(rows) * norm.weight + norm.bias


def attention_by_hand(
    layer: Any, queries: Tensor, keys: Tensor, heads: int, *, future: bool
) -> Tensor:
    """One clip's ``[L, d]``; without the future mask every key is seen."""
    width, each = queries.shape[1], queries.shape[1] // heads
    weights, biases = layer.into.weight.split(width), layer.into.bias.split(width)
    q, k, v = (x @ w.T + b for x, w, b in zip((queries, keys, keys), weights, biases, strict=True))
    ahead = abs(len(k) - len(q))
    rows = []
    for i in range(len(q)):
        seen = min(len(k), i + ahead + 1) if future else len(k)
        row = []
        for start in range(0, width, each):
            part = slice(start, start + each)
            share = torch.softmax(k[:seen, part] @ q[i, part] / math.sqrt(each), dim=0)
            row.append(share @ v[:seen, part])
        rows.append(torch.cat(row))
    output: Tensor = layer.back(torch.stack(rows))
    return output


def positions_by_hand(steps: int, width: int) -> Tensor:
    """Sine on even channels and cosine on odd ones, at wavelengths from 2 pi to 10000 · 2 pi."""
    rows = [
        [
            (math.cos if channel % 2 else math.sin)(step / 1e4 ** ((channel - channel % 2) / width))
            for channel in range(width)
        ]
        for step in range(steps)
    ]
    return torch.tensor(rows)


def encoder_by_hand(encoder: Any, x: Tensor, other: Tensor | None, heads: int, r: Recipe) -> Tensor:
    def embedded(x: Tensor) -> Tensor:
        x = math.sqrt(x.shape[1]) * x
        return x + positions_by_hand(*x.shape) if r.mult_positions else x

    x = embedded(x)
    other = None if other is None else embedded(other)
    for layer in encoder.layers:
        queries = norm_by_hand(layer.norm_1, x)
        keys = queries if other is None else norm_by_hand(layer.norm_1, other)
        x = x + attention_by_hand(layer, queries, keys, heads, future=r.mult_mask == "future")
        x = x + layer.narrow(layer.widen(norm_by_hand(layer.norm_2, x)).relu())
    return norm_by_hand(encoder.norm, x)


def mult_by_hand(model: Mult, batch: Batch, heads: int, recipe: Recipe) -> Tensor:
    """M, clip by clip: where padding is masked a clip ends at its last true step."""
    found = []
    for clip in range(len(batch.lengths["text"])):
        z = {}
        for stream in STREAMS:
            x = batch.streams[stream][clip]
            if recipe.mult_mask == "padding":
                x = x[: int(batch.lengths[stream][clip])]
            kernel: Any = model.project[stream].weight
            size = kernel.shape[2]
            windows = [x[i : i + size] for i in range(len(x) - size + 1)]
            z[stream] = torch.stack([torch.einsum("kd,odk->o", w, kernel) for w in windows])
        ends = []
        for stream in STREAMS:
            crossed = [
                encoder_by_hand(
                    model.cross[f"{stream}_from_{other}"], z[stream], z[other], heads, recipe
                )
                for other in STREAMS
                if other != stream
            ]
            both = torch.cat(crossed, dim=1)
            ends.append(encoder_by_hand(model.own[stream], both, None, heads, recipe)[-1])
        h = torch.cat(ends)
        found.append(model.out(model.layer_2(model.layer_1(h).relu()) + h)[0])
    return torch.stack(found)


@pytest.mark.parametrize("mult_positions", [False, True], ids=["no_positions", "positions"])
@pytest.mark.parametrize("mult_mask", ["future", "padding"])
def test_mult_equals_itself_written_out(mult_mask: str, mult_positions: bool) -> None:
    recipe = PUBLISHED.model_copy(update={"mult_mask": mult_mask, "mult_positions": mult_positions})
    model = make("mult", recipe, width=6, heads=2)
    assert isinstance(model, Mult)
    batch = padded_batch(aligned=False)
    with torch.no_grad():
        found = model(batch).predictions["M"]
        assert found.std() > 0.05
        expected = mult_by_hand(model, batch, 2, recipe)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_presets_name_these_forms_of_mult() -> None:
    assert (PAPER.mult_mask, PAPER.mult_positions) == ("padding", True)
    assert (PUBLISHED.mult_mask, PUBLISHED.mult_positions) == ("future", False)


def test_mult_sees_the_files_whole_padded_axis_as_published_and_true_steps_in_the_paper(
    tiny: Path,
) -> None:
    with h5py.File(tiny) as file:
        steps = {stream: file[f"train/{stream}"].shape[1] for stream in STREAMS}
        clip = int(file["train/audio_lengths"][:].argmin())
        true = {stream: int(file[f"train/{stream}_lengths"][clip]) for stream in STREAMS}
    assert all(true[stream] < steps[stream] for stream in STREAMS)
    for recipe, lengths in ((PAPER, true), (PUBLISHED, steps)):
        part = load_corpus(tiny, network_of("mult").form(recipe), recipe).parts["train"]
        batch = part.batch(torch.tensor([clip]))
        assert {stream: batch.streams[stream].shape[1] for stream in STREAMS} == lengths


@pytest.mark.parametrize("name", ["lf_dnn", "tfn", "lmf", "mlf_dnn"])
@BOTH
def test_the_text_representation_is_read_at_the_last_token_or_after_the_padding(
    name: str, recipe: Recipe
) -> None:
    model, batch = make(name, recipe), batch_for(name, recipe)
    assert isinstance(model, SubnetModel)
    assert isinstance(batch.streams["text"], Packed)
    rows = unpacked(batch.streams["text"])
    texts = nn.functional.pad(rows, (0, 0, 0, SMALL.steps["text"] - rows.shape[1]))
    ends = []
    for text, length in zip(texts, batch.lengths["text"].tolist(), strict=True):
        states = lstm_by_hand(model.text_subnet.rnn, text)
        ends.append(states[-1] if recipe is PUBLISHED else states[length - 1])
    expected = model.text_subnet.linear(torch.stack(ends))
    found = model(batch).representations["T"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@BOTH
def test_text_dropout_is_applied_in_the_paper_preset_and_dead_as_published(recipe: Recipe) -> None:
    model = make("lf_dnn", recipe, text_dropout=0.9)
    assert isinstance(model, SubnetModel)
    batch = batch_for("lf_dnn", recipe, 20)
    assert isinstance(batch.streams["text"], Packed)
    still = model.text_subnet.eval()(batch.streams["text"])
    first, second = (model.text_subnet.train()(batch.streams["text"]) for _ in range(2))
    assert torch.equal(first, still) == torch.equal(first, second) == (recipe is PUBLISHED)


@pytest.mark.parametrize("name", ["tfn", "mtfn"])
@BOTH
def test_m_of_tensor_fusion_is_squashed_as_published_and_linear_in_the_paper(
    name: str, recipe: Recipe
) -> None:
    model = make(name, recipe)
    assert isinstance(model, Tfn)
    t, a, v = (50 * torch.randn(3, size) for size in (6, 4, 5))
    t1, a1, v1 = (torch.cat([torch.ones(3, 1), x], dim=1) for x in (t, a, v))
    z = torch.stack([torch.kron(torch.kron(a1[i], v1[i]), t1[i]) for i in range(3)])
    output = model.fusion(z)
    expected = 6 / (1 + torch.exp(-output)) - 3 if recipe is PUBLISHED else output
    assert output.abs().max() > 3
    torch.testing.assert_close(model.fuse({"T": t, "A": a, "V": v}), expected)


@BOTH
def test_dropout_of_tensor_fusion_falls_on_the_factors_or_on_each_cell(recipe: Recipe) -> None:
    model = make("tfn", recipe, head_dropout=0.5, fusion_head=5 * 6 * 7)
    assert isinstance(model, Tfn)
    layer = model.fusion.layer_1
    nn.init.eye_(layer.weight)  # the head then sees the product itself
    nn.init.zeros_(layer.bias)
    seen: list[Tensor] = []
    model.fusion.layer_2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    t, a, v = (torch.rand(8, size) + 0.1 for size in (6, 4, 5))
    with torch.no_grad():
        model.fuse({"T": t, "A": a, "V": v})
        model.train().fuse({"T": t, "A": a, "V": v})
    whole, dropped = (z.view(8, 5, 6, 7) for z in seen)
    kept = dropped > 0
    factors = [kept.any(other) for other in ((2, 3), (1, 3), (1, 2))]
    of_factors = torch.einsum("ba,bv,bt->bavt", *(f.float() for f in factors)) > 0
    if recipe is PAPER:
        assert torch.equal(kept, of_factors)
        assert kept[:, 0, 0, 0].all()  # the ones are no representation
        assert all(0.3 < float(f[:, 1:].float().mean()) < 0.7 for f in factors)
        alone = kept[:, 1:, 0, 0]
        torch.testing.assert_close(dropped[:, 1:, 0, 0][alone], 2 * whole[:, 1:, 0, 0][alone])
    else:
        assert not kept[:, 0, 0, 0].all()
        assert 0.45 < float(kept.float().mean()) < 0.55
        torch.testing.assert_close(dropped[kept], 2 * whole[kept])


@BOTH
def test_lmfs_factors_start_by_xavier_as_published_and_by_their_width_in_the_paper(
    recipe: Recipe,
) -> None:
    torch.manual_seed(0)
    hyper = hyper_for("lmf", "paper" if recipe is PAPER else "published")
    models: list[Any] = [build_model("lmf", hyper, SMALL, ("M",), recipe) for _ in range(20)]
    for stream, width in (("text", 32), ("audio", 16), ("vision", 64)):
        # Xavier's fans of [rank 4, width + 1, 1]
        expected = (width + 1) ** -0.5 if recipe is PAPER else (2 / (width + 1 + 4)) ** 0.5
        found = torch.cat([getattr(model, f"{stream}_factor") for model in models]).std().item()
        assert found == pytest.approx(expected, rel=0.08)


def test_the_papers_low_rank_fusion_neither_vanishes_nor_explodes_at_its_start() -> None:
    torch.manual_seed(0)
    model: Any = build_model("lmf", hyper_for("lmf", "paper"), SMALL, ("M",), PAPER)
    fused: list[Tensor] = []
    model.fusion.register_forward_pre_hook(lambda _, inputs: fused.append(inputs[0]))
    with torch.no_grad():
        model.fuse({t: torch.randn(500, w) for t, w in (("T", 32), ("A", 16), ("V", 64))})
    assert 0.5 < fused[0].std().item() < 2


@BOTH
def test_l2_is_in_the_loss_in_the_paper_preset_and_in_adam_alone_as_published(
    recipe: Recipe,
) -> None:
    model, batch = make("mlf_dnn", recipe), batch_for("mlf_dnn", recipe)
    preset = "paper" if recipe is PAPER else "published"
    hyper = hyper_for("mlf_dnn", preset)
    batch = replace(batch, labels={task: torch.rand(5) for task in "MTAV"})
    output = model(batch)
    alpha = {"M": 0.6, "T": 0.2, "A": 0.8, "V": 0.8}
    tasks = sum(
        alpha[task] * (output.predictions[task] - batch.labels[task]).abs().mean()
        for task in "MTAV"
    )
    loss = total_loss(model, output, batch.labels, hyper, recipe)
    if recipe is PUBLISHED:
        torch.testing.assert_close(loss, tasks)
    else:
        assert loss > tasks + 1e-4


@BOTH
def test_scores_of_a_seed_are_rounded_to_four_decimals_as_published_only(
    recipe: Recipe, copied: Path, config_for: Callable[..., Config]
) -> None:
    preset = "paper" if recipe is PAPER else "published"
    config = config_for(copied, preset=preset, seeds=[1], max_epochs=1)
    train_model(config, "table2", "lf_dnn")
    path = config.processed / "experiments/table2/lf_dnn/seed_1/metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    for part in ("valid", "test"):
        scores = metrics[part]["M"]["scores"]
        assert all(value == round(value, 4) for value in scores.values()) == (recipe is PUBLISHED)
