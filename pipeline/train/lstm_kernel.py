"""What an LSTM does to each row at each step, compiled: the gates, the cell and their derivatives.

As single operations of torch these cost more than the matrix products between them: a call
each, and a pass over memory each. Here a row stays in the processor's first cache. Sigmoids
are computed from a power of two and a Taylor polynomial, in loops that the compiler turns into
vector instructions; their absolute error is below 1e-7, and twice that for tanh(x), which is
2 sigmoid(2 x) - 1.

The types are numba's, in each decorator; Python's would say them twice. `pipeline.train.lstm`
calls these; rows of `gates` are input, forget, cell and output gate.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)
_LOG2_E, _LOG_2 = np.float32(1 / math.log(2)), np.float32(math.log(2))
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / math.factorial(k)) for k in range(2, 7))
_LARGEST = np.float32(87)  # e^87 is still a number in single precision; a gate of 1e-38 is shut

_compiled: dict[str, Any] = {
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},  # fused multiplications; sums keep their order
}
_Real = "float32[:, ::1]"


@numba.njit(inline="always")
def _sigmoid(x, row, start, stop, slope, exponent, power):  # type: ignore[no-untyped-def]
    """Replace ``x[row, start:stop]`` by 1 / (1 + e^(-slope x)).

    `exponent` and `power` are the same memory, as whole numbers and as single precision:
    2^k is made by writing k where the latter keeps its exponent.
    """
    width = stop - start
    for k in range(width):
        y = max(min(-slope * x[row, start + k], _LARGEST), -_LARGEST)
        whole = np.floor(y * _LOG2_E + _HALF)
        r = y - whole * _LOG_2  # at most log(2) / 2
        series = (((((_C6 * r + _C5) * r + _C4) * r + _C3) * r + _C2) * r + _ONE) * r + _ONE
        x[row, start + k] = series
        exponent[k] = (np.int32(whole) + np.int32(127)) << np.int32(23)
    for k in range(width):
        x[row, start + k] = _ONE / (_ONE + x[row, start + k] * power[k])


@numba.njit(f"void({_Real}, {_Real}, {_Real}, {_Real}, int64, int64, int64)", **_compiled)
def step_forward(gates, h, c, tanh_c, start, size, before):  # type: ignore[no-untyped-def]
    """Do one step, rows ``start`` to ``start + size``; the states before begin at `before`.

    Parameters
    ----------
    gates : ndarray ``[R, 4 h]``
        Each gate's sum, replaced by what the gate lets through.
    h, c, tanh_c : ndarray ``[R, h]``
        Written: state, cell, and the cell's hyperbolic tangent.
    start, size, before : int
        The step's rows; `before` is -1 at the first step.
    """
    width = h.shape[1]
    exponent = np.empty(2 * width, np.int32)
    power = exponent.view(np.float32)
    for row in range(start, start + size):
        _sigmoid(gates, row, 0, 2 * width, _ONE, exponent, power)
        _sigmoid(gates, row, 2 * width, 3 * width, _TWO, exponent, power)
        _sigmoid(gates, row, 3 * width, 4 * width, _ONE, exponent, power)
        for k in range(width):
            gates[row, 2 * width + k] = _TWO * gates[row, 2 * width + k] - _ONE
        for k in range(width):
            c[row, k] = gates[row, k] * gates[row, 2 * width + k]
        if before >= 0:
            for k in range(width):
                c[row, k] += gates[row, width + k] * c[before + row - start, k]
        for k in range(width):
            tanh_c[row, k] = c[row, k]
        _sigmoid(tanh_c, row, 0, width, _TWO, exponent, power)
        for k in range(width):
            tanh_c[row, k] = _TWO * tanh_c[row, k] - _ONE
        for k in range(width):
            h[row, k] = gates[row, 3 * width + k] * tanh_c[row, k]


@numba.njit(f"void({', '.join([_Real] * 5)}, int64, int64, int64)", **_compiled)
def step_backward(gates, c, tanh_c, along_h, along_c, start, size, before):  # type: ignore[no-untyped-def]
    """Go one step back, by the chain rule through c' = f c + i g and h' = o tanh(c').

    Parameters
    ----------
    gates : ndarray ``[R, 4 h]``
        As `step_forward` left them, replaced by the derivatives of the loss by each gate's sum.
    c, tanh_c : ndarray ``[R, h]``
        As `step_forward` left them.
    along_h, along_c : ndarray ``[B, h]``
        Derivatives by this step's state and cell; the latter becomes that by the cell before.
    start, size, before : int
        As in `step_forward`.
    """
    width = c.shape[1]
    for row in range(start, start + size):
        clip = row - start
        for k in range(width):
            o, t, slope = gates[row, 3 * width + k], tanh_c[row, k], along_h[clip, k]
            gates[row, 3 * width + k] = slope * t * o * (_ONE - o)
            along_c[clip, k] += slope * o * (_ONE - t * t)
        for k in range(width):
            i, g, slope = gates[row, k], gates[row, 2 * width + k], along_c[clip, k]
            gates[row, k] = slope * g * i * (_ONE - i)
            gates[row, 2 * width + k] = slope * i * (_ONE - g * g)
        if before < 0:
            gates[row, width : 2 * width] = 0
            continue
        for k in range(width):
            f, slope = gates[row, width + k], along_c[clip, k]
            gates[row, width + k] = slope * c[before + clip, k] * f * (_ONE - f)
            along_c[clip, k] = slope * f


@numba.njit(f"void({_Real}, float32[::1], int64[::1], {_Real})", **_compiled)
def spread(packed, padding, sizes, rows):  # type: ignore[no-untyped-def]
    """Give every sequence every step: `sizes` rows of `packed` at each step, then `padding`."""
    clips, start = sizes[0], 0
    for step in range(len(rows) // clips):
        size = sizes[step] if step < len(sizes) else 0
        at = step * clips
        rows[at : at + size] = packed[start : start + size]
        rows[at + size : at + clips] = padding
        start += size


@numba.njit(f"void({_Real}, int64[::1], {_Real}, float64[::1])", **_compiled)
def gather(rows, sizes, packed, padding):  # type: ignore[no-untyped-def]
    """Undo `spread` for derivatives: `padding` gets the sum over all rows of padding."""
    clips, start = sizes[0], 0
    for step in range(len(rows) // clips):
        size = sizes[step] if step < len(sizes) else 0
        at = step * clips
        packed[start : start + size] = rows[at : at + size]
        for row in range(at + size, at + clips):
            for k in range(rows.shape[1]):
                padding[k] += rows[row, k]
        start += size
