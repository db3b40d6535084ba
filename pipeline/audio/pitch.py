"""librosa's pYIN with its last step, the Viterbi search, over the transitions that exist.

Of the 1,202 x 1,202 transitions between pYIN's states, six in seven have probability zero:
within a frame a voice moves by some semitones only. librosa's search adds up and compares
all of them; this one goes along the diagonals that hold others, many states at a time, with
the same result to the last bit.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from librosa import sequence
from librosa.core import pitch
from numpy.typing import NDArray

Real = NDArray[np.float64]


def viterbi(prob: Real, transition: Real, *, p_init: Real) -> NDArray[np.uint16]:
    """Return the most likely states, as `librosa.sequence.viterbi` does.

    Parameters
    ----------
    prob : ndarray, shape (..., states, steps)
        Likelihood of each state at each step.
    transition : ndarray, shape (states, states)
        Probability of going from one state (row) to another (column).
    p_init : ndarray, shape (states,)
        Probability of each state at the first step.

    Returns
    -------
    ndarray, shape (..., steps)
        Among equally likely states the first, as in librosa.
    """
    never = np.finfo(prob.dtype).tiny  # librosa's stand-in for zero, whose log is finite
    offsets, moves = _diagonals(transition)
    flat = prob.reshape(-1, *prob.shape[-2:])
    states = np.empty((len(flat), prob.shape[-1]), np.uint16)
    for number, likelihood in enumerate(flat):
        states[number] = _search(
            np.ascontiguousarray(np.log(likelihood + never).T),
            np.log(p_init + never),
            offsets,
            moves,
            float(np.log(np.float64(never))),
        )
    return states.reshape(*prob.shape[:-2], -1)


class _Remembered:
    """A function of arrays that keeps its last result: pYIN asks for the same with every clip."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._last: tuple[tuple[Real, ...], Any] | None = None

    def __call__(self, *arrays: Real) -> Any:
        """Return the function's result; the caller must not change it, nor the arrays."""
        if self._last is not None and all(
            one is other or np.array_equal(one, other)
            for one, other in zip(arrays, self._last[0], strict=True)
        ):
            return self._last[1]
        result = self._function(*arrays)
        self._last = arrays, result
        return result


@_Remembered
def _diagonals(matrix: Real) -> tuple[NDArray[np.int64], Real]:
    """Return the diagonals of a matrix of transitions that are not all zero, as logarithms.

    Returns
    -------
    offsets : ndarray, int64 [n]
        Rising; a diagonal's source state minus its target state.
    moves : ndarray, float64 [n, states]
        Of each diagonal, by target state.
    """
    never = np.finfo(matrix.dtype).tiny
    offsets = np.unique(np.subtract(*np.nonzero(matrix)))
    moves = np.full((len(offsets), len(matrix)), np.log(never))
    for move, offset in zip(moves, offsets, strict=True):
        values = np.log(np.diagonal(matrix, -offset) + never)
        start = max(0, -offset)
        move[start : start + len(values)] = values
    return offsets, moves


@numba.njit(cache=True)
def _search(
    log_prob: Real, log_start: Real, offsets: Any, moves: Real, log_never: float
) -> NDArray[np.uint16]:
    steps, count = log_prob.shape
    value = log_prob[0] + log_start
    came_from = np.zeros((steps, count), np.uint16)
    highest = np.empty(count)
    over = np.empty(count)  # from which offset: a double as the values, so one instruction does all
    numbers = offsets.astype(np.float64)
    for t in range(1, steps):
        highest[:] = -np.inf
        for k in range(len(offsets)):
            offset, number = offsets[k], numbers[k]
            low, high = max(0, -offset), min(count, count - offset)
            values, move = value[low + offset : high + offset], moves[k, low:high]
            best, source = highest[low:high], over[low:high]
            for j in range(high - low):  # compiled to several states at once
                candidate = values[j] + move[j]
                # sources rise with k, so among equals the first one stays
                source[j] = number if candidate > best[j] else source[j]
                best[j] = candidate if candidate > best[j] else best[j]
        # a transition of probability zero can win where all others lead to impossible states
        last = value + log_never
        first = np.argmax(last)
        for j in range(count):
            state = j + np.int64(over[j])
            if last[first] > highest[j] or (last[first] == highest[j] and first < state):
                highest[j], state = last[first], first
            came_from[t, j] = state
        value = log_prob[t] + highest
    states = np.zeros(steps, np.uint16)
    states[-1] = np.argmax(value)
    for t in range(steps - 2, -1, -1):
        states[t] = came_from[t + 1, states[t + 1]]
    return states


@cache
def _transition_local(states: int, width: int, *, window: str, wrap: bool) -> Real:
    matrix: Real = sequence.transition_local(states, width, window=window, wrap=wrap)
    return matrix


_faster = types.SimpleNamespace(
    transition_local=_transition_local, transition_loop=sequence.transition_loop, viterbi=viterbi
)

_numpy = types.SimpleNamespace(**{**vars(np), "kron": _Remembered(np.kron)})

pyin = types.FunctionType(
    pitch.pyin.__code__, {**vars(pitch), "sequence": _faster, "np": _numpy}, "pyin"
)
pyin.__kwdefaults__ = pitch.pyin.__kwdefaults__
pyin.__doc__ = "librosa.pyin itself, all but `np.kron` and the functions of `librosa.sequence`."
