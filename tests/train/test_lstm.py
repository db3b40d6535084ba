"""Our LSTM is torch's, without the padding: same states, same derivatives."""

from __future__ import annotations

import torch
from torch import nn

from pipeline.train.lstm import ends_of, over_sequences, run_lstm

LENGTHS = torch.tensor([2, 5, 1, 5])


def test_states_and_ends_are_torchs() -> None:
    torch.manual_seed(0)
    rnn = nn.LSTM(6, 4, batch_first=True).double()
    x = torch.randn(4, 5, 6, dtype=torch.double)
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    out, (h, c) = rnn(packed)
    sizes = out.batch_sizes.tolist()
    into, recurrence, *biases = rnn.all_weights[0]
    gates = nn.functional.linear(packed.data, into, biases[0] + biases[1])
    ours, cells = run_lstm(gates, recurrence, sizes)
    torch.testing.assert_close(ours, out.data)
    order = LENGTHS.argsort(descending=True, stable=True)
    torch.testing.assert_close(ours[ends_of(sizes)], h[0][order])
    torch.testing.assert_close(cells[ends_of(sizes)], c[0][order])


def test_derivatives_are_those_of_differences() -> None:
    torch.manual_seed(0)
    for sizes in ([4, 3, 3, 1], [5], [2, 2]):
        gates = torch.randn(sum(sizes), 12, dtype=torch.double, requires_grad=True)
        recurrence = torch.randn(12, 3, dtype=torch.double, requires_grad=True)
        for part in (slice(0, 1), slice(1, 2), slice(0, 2)):  # of h alone, of c, of both

            def chosen(
                g: torch.Tensor,
                r: torch.Tensor,
                sizes: list[int] = sizes,
                part: slice = part,
            ) -> tuple[torch.Tensor, ...]:
                return run_lstm(g, r, sizes)[part]

            assert torch.autograd.gradcheck(chosen, (gates, recurrence))


def test_several_layers_over_padded_sequences() -> None:
    torch.manual_seed(0)
    rnn = nn.LSTM(6, 4, 3, batch_first=True).double()
    x = torch.randn(4, 5, 6, dtype=torch.double)
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(rnn(packed)[0], batch_first=True)
    torch.testing.assert_close(over_sequences(rnn, x, LENGTHS), expected)
