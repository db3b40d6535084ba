"""The nine models: sizes, equations, and independence from padding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pipeline.train.align import CtcAlignment
from pipeline.train.data import Batch, Inputs, Packed, Ragged
from pipeline.train.hyper import MultHyper
from pipeline.train.loss import make_optimizer, split_parameters
from pipeline.train.models import build_model, network_of, tfn
from pipeline.train.models.base import SentimentModel
from pipeline.train.models.mfn import Mfn
from pipeline.train.models.tfn import Tfn
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe
from pipeline.train.registry import MODELS, hyper_for
from pipeline.train.subnets import Head, TextSubnet, keep_mask
from pipeline.train.transformer import Encoder, EncoderLayer, attend

PAPERS = Inputs({"text": 768, "audio": 33, "vision": 709}, {"text": 39, "audio": 400, "vision": 55})
SMALL = Inputs({"text": 10, "audio": 5, "vision": 7}, {"text": 12, "audio": 24, "vision": 14})
PARAMETERS = {
    "lf_dnn": 635_821,
    "mlf_dnn": 283_388,
    "tfn": 35_632_077,
    "mtfn": 140_957_188,
    "lmf": 272_381,
    "mlmf": 1_413_392,
    "ef_lstm": 215_695,
    "mfn": 601_505,
    "mult": 1_870_701,
}
SHRUNK = {"text_hidden": 6, "audio_hidden": 4, "vision_hidden": 5, "text_out": 6}


def make(name: str, recipe: Recipe, **overrides: object) -> SentimentModel:
    torch.manual_seed(0)
    if name not in ("ef_lstm", "mfn", "mult"):
        overrides = {**SHRUNK, **overrides}
    tasks = MODELS[name].tasks
    preset = "paper" if recipe is PAPER else "published"
    model = build_model(name, hyper_for(name, preset, overrides), SMALL, tasks, recipe)
    for parameter in model.parameters():  # biases of 0 would hide mistakes
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval()


def batch_for(model: str, recipe: Recipe, count: int = 5) -> Batch:
    torch.manual_seed(1)
    lengths = {s: torch.randint(2, 12, (count,)) for s in ("text", "audio", "vision")}
    lengths["audio"] += 11  # at least as long as any text, so that CTC can align
    form = network_of(model).form(recipe)
    streams: dict[str, Tensor | Packed] = {}
    for stream, found in lengths.items():
        x = torch.randn(count, int(found.max()), SMALL.dims[stream])
        x *= torch.arange(x.shape[1])[:, None] < found[:, None, None]
        averaged = form in ("mean", "repeated") and stream != "text"
        streams[stream] = x.sum(1) / found[:, None] if averaged else x
        if form == "mean" and stream == "text":
            streams[stream] = packed(x, found)
    return Batch(streams, lengths, {})


def packed(x: Tensor, lengths: Tensor) -> Packed:
    inside = torch.arange(x.shape[1]) < lengths[:, None]
    ragged = Ragged(x[inside], lengths.cumsum(0) - lengths, lengths, x.shape[1])
    return ragged.packed(torch.arange(len(x)))[0]


def unpacked(text: Packed) -> Tensor:
    """Undo `packed`, by walking over the steps."""
    x = torch.zeros(text.sizes[0], len(text.sizes), text.rows.shape[1])
    for step, rows in enumerate(text.rows.split(text.sizes)):
        x[text.order[: len(rows)], step] = rows
    return x


@pytest.mark.parametrize("name", MODELS)
def test_the_published_models_have_the_published_sizes(name: str) -> None:
    tasks = MODELS[name].tasks
    with torch.device("meta"):
        model = build_model(name, hyper_for(name, "published"), PAPERS, tasks, PUBLISHED)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", MODELS)
def test_a_clip_is_predicted_the_same_alone_and_beside_longer_ones(name: str) -> None:
    model, batch = make(name, PAPER), batch_for(name, PAPER)
    together = model(batch).predictions
    for i in range(5):
        streams: dict[str, Tensor | Packed] = {}
        for modality, whole in batch.streams.items():
            length = batch.lengths[modality][i : i + 1]
            x = (unpacked(whole) if isinstance(whole, Packed) else whole)[i : i + 1]
            x = x[:, : int(length)] if x.ndim == 3 else x
            streams[modality] = packed(x, length) if isinstance(whole, Packed) else x
        lengths = {modality: found[i : i + 1] for modality, found in batch.lengths.items()}
        for task, value in model(Batch(streams, lengths, {})).predictions.items():
            torch.testing.assert_close(value[0], together[task][i], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_every_stream_matters_to_m(name: str) -> None:
    model, batch = make(name, PAPER), batch_for(name, PAPER)
    before = model(batch).predictions["M"]
    for stream in ("text", "audio", "vision"):
        x = batch.streams[stream]
        if isinstance(x, Packed):
            louder = replace(x, rows=x.rows + 20 * torch.randn_like(x.rows))
        else:
            louder = x + 20 * (x != 0) * torch.randn_like(x)
        changed = replace(batch, streams={**batch.streams, stream: louder})
        assert not torch.equal(model(changed).predictions["M"], before)


@pytest.mark.parametrize("name", MODELS)
def test_every_learned_parameter_gets_a_gradient_in_the_paper_preset(name: str) -> None:
    model, batch = make(name, PAPER), batch_for(name, PAPER, 16)
    model.train()
    output = model(batch)
    loss = torch.stack([value.square().sum() for value in output.predictions.values()]).sum()
    (loss if output.extra is None else loss + output.extra).backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [n for n in missing if not n.startswith("heads")]  # a tiny ReLU head may be dead


@pytest.mark.parametrize("stops", [True, False])
def test_the_text_lstm_equals_torchs_to_the_last_token_or_over_the_padding(stops: bool) -> None:
    torch.manual_seed(0)
    subnet = TextSubnet(10, 6, 4, 0.0, steps=9, to_last_token=stops)
    lengths = torch.tensor([3, 9, 1, 5])
    x = torch.randn(4, 9, 10) * (torch.arange(9) < lengths[:, None])[:, :, None]
    states, _ = subnet.rnn(x)
    ends = states[torch.arange(4), lengths - 1] if stops else states[:, -1]
    torch.testing.assert_close(subnet(packed(x, lengths)), subnet.linear(ends))


def test_tensor_fusion_equals_the_outer_product_written_out() -> None:
    model = make("tfn", PUBLISHED)
    assert isinstance(model, Tfn)
    t, a, v = torch.randn(3, 6), torch.randn(3, 4), torch.randn(3, 5)
    t1, a1, v1 = (torch.cat([torch.ones(3, 1), x], dim=1) for x in (t, a, v))
    z = torch.einsum("ba,bv,bt->bavt", a1, v1, t1).flatten(1)
    expected = 6 * torch.sigmoid(model.fusion(z)) - 3
    torch.testing.assert_close(model.fuse({"T": t, "A": a, "V": v}), expected)


def test_dropout_of_product_cells_keeps_the_expectation() -> None:
    model = make("tfn", PUBLISHED)
    assert isinstance(model, Tfn)
    t, a, v = torch.randn(1, 6), torch.randn(1, 4), torch.randn(1, 5)
    sums: list[Tensor] = []
    model.fusion.after_first = lambda first: sums.append(first) or first[:, 0]  # type: ignore
    with torch.no_grad():
        model.eval().fuse({"T": t, "A": a, "V": v})
        model.train()
        for _ in range(4000):
            model.fuse({"T": t, "A": a, "V": v})
    expected, *draws = sums
    assert not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(torch.stack(draws).mean(0), expected, atol=0.05, rtol=0.05)


def test_dropout_of_product_cells_piece_by_piece_equals_it_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    av, t, weight = (
        torch.randn(*shape, dtype=torch.double, requires_grad=True)
        for shape in ((4, 6), (4, 5), (3, 30))
    )

    def thinned(av: Tensor, t: Tensor, weight: Tensor) -> Tensor:
        torch.manual_seed(3)
        product: Tensor = tfn._ThinnedProduct.apply(av, t, weight, 0.6)
        return product

    torch.manual_seed(3)
    z = (av[:, :, None] * t[:, None]).flatten(1)
    expected = (z * keep_mask(z, 0.6)) @ weight.T
    torch.testing.assert_close(thinned(av, t, weight), expected)
    monkeypatch.setattr(tfn, "_CELLS", 64)  # three cells of av in a piece
    assert torch.autograd.gradcheck(thinned, (av, t, weight))


def test_attention_with_dropout_keeps_the_expectation_and_the_mask() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 5, 4), torch.randn(2, 1, 5, 4)
    inside = torch.tensor([True, True, True, False, False]).expand(3, 5)
    expected = attend(q, k, v, inside, 0.0)
    draws = [attend(q, k, v, inside, 0.3) for _ in range(4000)]
    assert not torch.equal(draws[0], draws[1])
    torch.testing.assert_close(torch.stack(draws).mean(0), expected, atol=0.05, rtol=0.05)


def test_masks_keep_the_share_asked_for_and_follow_the_seed() -> None:
    like = torch.zeros(1000, 101)
    torch.manual_seed(4)
    first = keep_mask(like, 0.6)
    torch.manual_seed(4)
    assert torch.equal(first, keep_mask(like, 0.6))
    assert abs(float(first.float().mean()) - 0.6) < 0.01


def test_low_rank_fusion_equals_the_tensor_it_factors() -> None:
    model = make("lmf", PUBLISHED)
    t, a, v = torch.randn(3, 6), torch.randn(3, 4), torch.randn(3, 5)
    t1, a1, v1 = (torch.cat([torch.ones(3, 1), x], dim=1) for x in (t, a, v))
    tensor = torch.einsum(
        "r,rao,rvo,rto->avt",
        model.rank_weights[0], model.audio_factor, model.vision_factor, model.text_factor,
    )  # fmt: skip
    expected = torch.einsum("ba,bv,bt,avt->b", a1, v1, t1, tensor) + model.fusion_bias[0]
    torch.testing.assert_close(model.fuse({"T": t, "A": a, "V": v}), expected)


def test_mfn_equals_its_equations_step_by_step() -> None:
    model, batch = make("mfn", PUBLISHED), batch_for("mfn", PUBLISHED)
    assert isinstance(model, Mfn)
    cells = (model.text_cell, model.audio_cell, model.vision_cell)
    count = len(batch.streams["text"])
    h = [torch.zeros(count, cell.hidden_size) for cell in cells]
    c = [torch.zeros(count, cell.hidden_size) for cell in cells]
    u = torch.zeros(count, 64)
    for step in range(batch.streams["text"].shape[1]):
        before = torch.cat(c, 1)
        inputs = (batch.streams["text"][:, step], batch.streams["audio"], batch.streams["vision"])
        state = [
            cell(x, s) for cell, x, s in zip(cells, inputs, zip(h, c, strict=True), strict=True)
        ]
        h, c = [s[0] for s in state], [s[1] for s in state]
        both = torch.cat([before, *c], 1)
        attended = torch.softmax(model.attention(both), 1) * both
        gates = torch.cat([attended, u], 1)
        proposed = torch.tanh(model.proposal(attended))
        u = torch.sigmoid(model.retain(gates)) * u + torch.sigmoid(model.update(gates)) * proposed
    expected = model.out(torch.cat([*h, u], 1)).squeeze(-1)
    torch.testing.assert_close(model(batch).predictions["M"], expected)


def test_mult_attention_equals_torchs_multihead_attention() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(20, 4, 0.1, 0.0).eval()
    theirs = nn.MultiheadAttention(20, 4, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = layer.into.weight, layer.into.bias
    theirs.out_proj.load_state_dict(layer.back.state_dict())
    q, k = torch.randn(2, 6, 20), torch.randn(2, 9, 20)
    inside = torch.arange(9) < torch.tensor([[9], [5]])
    expected, _ = theirs(q, k, k, key_padding_mask=~inside)
    torch.testing.assert_close(layer._attend(q, k, k, inside[:, None, None]), expected)


def test_mult_drops_from_keys_and_values_on_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    through = EncoderLayer._attend

    def watched(self: EncoderLayer, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        seen.append((k, v))
        return through(self, q, k, v, mask)

    monkeypatch.setattr(EncoderLayer, "_attend", watched)
    hyper = hyper_for("mult", "published")
    assert isinstance(hyper, MultHyper)
    encoder = Encoder(50, 1, 0.1, hyper, PUBLISHED)
    x, other = torch.randn(2, 6, 50), torch.randn(2, 9, 50)
    encoder.train()(x, other, None)
    encoder.eval()(x, other, None)
    (dropped_k, dropped_v), (k, v) = seen
    assert not torch.equal(dropped_k, dropped_v)
    assert torch.equal(k, v)


def test_ctc_alignment_learns_to_visit_the_text_steps_in_order() -> None:
    torch.manual_seed(0)
    module = CtcAlignment(4, steps=4, hidden=16)
    order = torch.eye(4).repeat_interleave(5, dim=0)[None]  # its rows tell where they are
    x, lengths, texts = order.repeat(8, 1, 1), torch.full((8,), 20), torch.full((8,), 4)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        aligned, loss = module(x, lengths, texts, 4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    where = aligned[0] @ torch.arange(4.0)  # the mean place of each step's rows
    assert where.diff().gt(0).all()


def test_ctc_alignment_ignores_padding_and_survives_short_streams() -> None:
    torch.manual_seed(0)
    module = CtcAlignment(4, steps=6)
    x = torch.randn(1, 5, 4)
    n, short = torch.tensor([3]), torch.tensor([2])
    aligned, loss = module(x, torch.tensor([5]), n, 3)
    padded = torch.cat([x, torch.randn(1, 7, 4)], dim=1)
    torch.testing.assert_close(module(padded, torch.tensor([5]), n, 3)[0], aligned)
    assert loss.item() > 0
    assert module(x[:, :2], short, n, 3)[1].item() == 0.0


def test_published_rank_weights_stay_and_the_papers_learn() -> None:
    assert not any(
        p.requires_grad for n, p in make("lmf", PUBLISHED).named_parameters() if "rank" in n
    )
    assert all(p.requires_grad for p in make("lmf", PAPER).parameters())


def test_task_subsets_have_no_idle_parts() -> None:
    hyper = hyper_for("mlf_dnn", "paper", SHRUNK)
    for task, stream in {"T": "text", "A": "audio", "V": "vision"}.items():
        model = build_model("mlf_dnn", hyper, SMALL, (task,), PAPER).eval()
        assert set(model.shared()) == {stream}
        assert list(model(batch_for("mlf_dnn", PAPER)).predictions) == [task]


@pytest.mark.parametrize("recipe", [PAPER, PUBLISHED], ids=["paper", "published"])
def test_a_head_whose_units_are_all_below_zero_learns_in_the_paper_preset_only(
    recipe: Recipe,
) -> None:
    torch.manual_seed(0)
    head = Head(6, 4, 0.0, recipe.head_slope)
    for layer in (head.layer_1, head.layer_2):
        nn.init.constant_(layer.bias, -10.0)
    x = torch.randn(50, 6)
    head(x).sum().backward()
    learns = all(p.grad is not None and bool(p.grad.any()) for p in head.layer_1.parameters())
    assert learns == (recipe is PAPER)
    assert (float(head(x).detach().std()) > 0) == (recipe is PAPER)


@pytest.mark.parametrize("name", ["ef_lstm", "mfn"])
def test_aligners_have_a_step_size_of_their_own_and_no_decay(name: str) -> None:
    model, hyper = make(name, PAPER), hyper_for(name, "paper")
    groups = make_optimizer(model, hyper, PAPER).param_groups
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    aligners = {n: p for n, p in model.named_parameters() if n.startswith("align_")}
    assert len(aligners) == 20
    assert {rates[id(p)] for p in aligners.values()} == {hyper.aligner_rate}
    assert len(rates) == len(list(model.parameters()))
    decayed = {id(p) for p in split_parameters(model)["rest"]}
    assert not decayed & {id(p) for p in aligners.values()}
