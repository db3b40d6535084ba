"""librosa's pYIN with its last step, the Viterbi search, over the transitions that exist.

Of the 1,202 x 1,202 transitions between pYIN's states, six in seven have probability zero:
within a frame a voice moves by some semitones only. librosa's search adds up and compares
all of them; this one the others, with the same result to the last bit.
"""

from __future__ import annotations

import types
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
    from scipy.sparse import csr_array

    never = np.finfo(prob.dtype).tiny  # librosa's stand-in for zero, whose log is finite
    into = csr_array(transition.T)
    into.sort_indices()
    flat = prob.reshape(-1, *prob.shape[-2:])
    states = np.empty((len(flat), prob.shape[-1]), np.uint16)
    for number, likelihood in enumerate(flat):
        states[number] = _search(
            np.ascontiguousarray(np.log(likelihood + never).T),
            np.log(p_init + never),
            into.indptr,
            into.indices,
            np.log(into.data + never),
            float(np.log(np.float64(never))),
        )
    return states.reshape(*prob.shape[:-2], -1)


@numba.njit(cache=True)
def _search(
    log_prob: Real, log_start: Real, ends: Any, sources: Any, log_move: Real, log_never: float
) -> NDArray[np.uint16]:
    steps, count = log_prob.shape
    value = log_prob[0] + log_start
    came_from = np.zeros((steps, count), np.uint16)
    for t in range(1, steps):
        # a transition of probability zero can win where all others lead to impossible states
        last = value + log_never
        first = np.argmax(last)
        value_now = np.empty(count)
        for j in range(count):
            best, source = last[first], first
            for k in range(ends[j], ends[j + 1]):
                candidate = value[sources[k]] + log_move[k]
                if candidate > best or (candidate == best and sources[k] < source):
                    best, source = candidate, sources[k]
            value_now[j] = log_prob[t, j] + best
            came_from[t, j] = source
        value = value_now
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

pyin = types.FunctionType(pitch.pyin.__code__, {**vars(pitch), "sequence": _faster}, "pyin")
pyin.__kwdefaults__ = pitch.pyin.__kwdefaults__
pyin.__doc__ = "librosa.pyin itself, all but the functions of `librosa.sequence` that it calls."
