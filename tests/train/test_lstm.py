"""Our LSTM is torch's, without the padding: same states, same derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.train.lstm import States, _ends_of, over_sequences, run_by_torch, run_lstm

LENGTHS = torch.tensor([2, 5, 1, 5])
SHAPES = ([4, 3, 3, 1], [5], [2, 2])


def test_states_and_ends_are_torchs() -> None:
    torch.manual_seed(0)
    rnn = nn.LSTM(6, 4, batch_first=True)
    x = torch.randn(4, 5, 6)
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    out, (h, c) = rnn(packed)
    sizes = out.batch_sizes.tolist()
    into, recurrence, *biases = rnn.all_weights[0]
    gates = nn.functional.linear(packed.data, into, biases[0] + biases[1])
    order = LENGTHS.argsort(descending=True, stable=True)
    for run in (run_lstm, run_by_torch):
        ours = run(gates, recurrence, sizes)
        torch.testing.assert_close(ours.h, out.data)
        torch.testing.assert_close(ours.ends, h[0][order])
        torch.testing.assert_close(ours.c[_ends_of(sizes)], c[0][order])


def test_derivatives_are_those_of_differences() -> None:
    torch.manual_seed(0)
    for sizes in SHAPES:
        for padded in (False, True):
            inputs = [
                torch.randn(*shape, dtype=torch.double, requires_grad=True)
                for shape in ((sum(sizes), 12), (12, 3), (12,))
            ]

            def states(
                g: torch.Tensor,
                r: torch.Tensor,
                p: torch.Tensor,
                sizes: list[int] = sizes,
                padded: bool = padded,
            ) -> States:
                return run_by_torch(g, r, sizes, *((p, 5) if padded else ()))

            assert torch.autograd.gradcheck(states, inputs)


@pytest.mark.parametrize("width", [3, 16, 61])
@pytest.mark.parametrize("used", [("ends",), ("h",), ("c",), ("h", "c"), ("h", "c", "ends")])
def test_compiled_steps_are_torchs(width: int, used: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    for sizes in (*SHAPES, [3, 2, 0]):
        for padded in (False, True):
            results = []
            values = [
                4 * torch.randn(sum(sizes), 4 * width),
                torch.randn(4 * width, width) / width**0.5,
                torch.randn(4 * width),
            ]
            for run in (run_lstm, run_by_torch):
                inputs = [x.clone().requires_grad_() for x in values]
                states = run(*inputs[:2], sizes, *((inputs[2], 5) if padded else ()))
                found = [getattr(states, name) for name in used]
                # a transposed factor, so that the gradients that come in are transposed too
                asked = [torch.linspace(-1, 1, x.numel()).view(x.shape[::-1]).T for x in found]
                sum((x * a).sum() for x, a in zip(found, asked, strict=True)).backward()
                results.append([*states, *(x.grad for x in inputs[: 2 + padded])])
            for ours, torchs in zip(*results, strict=True):
                torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-5)


def test_saturated_gates_are_zero_or_one() -> None:
    for value in (-1e4, -100.0, 100.0, 1e4):
        ours = run_lstm(torch.full((1, 12), value), torch.zeros(12, 3), [1])
        torchs = run_by_torch(torch.full((1, 12), value), torch.zeros(12, 3), [1])
        for found, expected in zip(ours, torchs, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-7)


def test_not_a_number_stays_one() -> None:
    gates = torch.zeros(2, 12)
    gates[0, 1] = torch.nan
    assert run_lstm(gates, torch.zeros(12, 3), [1, 1]).ends.isnan().any()


def test_padding_must_reach_to_the_longest_sequence() -> None:
    for run in (run_lstm, run_by_torch):
        with pytest.raises((ValueError, IndexError)):
            run(torch.zeros(6, 12), torch.zeros(12, 3), [3, 2, 1], torch.zeros(12), 2)


def test_derivatives_are_given_once() -> None:
    gates = torch.randn(2, 12, requires_grad=True)
    total = run_lstm(gates, torch.zeros(12, 3, requires_grad=True), [2]).ends.sum()
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="only once"):
        total.backward()


def test_several_layers_over_padded_sequences() -> None:
    torch.manual_seed(0)
    rnn = nn.LSTM(6, 4, 3, batch_first=True)
    x = torch.randn(4, 5, 6)
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(rnn(packed)[0], batch_first=True)
    torch.testing.assert_close(over_sequences(rnn, x, LENGTHS), expected)
