"""Damaged files for the fuzzers: good ones with some bytes changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

TIMES = int(os.environ.get("FUZZ_TIMES", "0"))
"""How many times as long to fuzz, each time with other inputs; 0, as in CI, takes fixed ones."""


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """Return the Hypothesis settings of a fuzzer with this many inputs in CI (some seconds)."""
    return settings(
        max_examples=examples * max(TIMES, 1),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
        ],
    )


@st.composite
def mutated(draw: st.DrawFn, good: Sequence[bytes]) -> bytes:
    """Return one of some good files after one to four changes."""
    data = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 4))):
        data = draw(_changed(data, good))
    return data


@st.composite
def _changed(draw: st.DrawFn, data: bytes, good: Sequence[bytes]) -> bytes:
    begin = draw(st.integers(0, len(data)))
    end = min(len(data), begin + draw(st.sampled_from((1, 1, 2, 8, 100))))
    match draw(st.sampled_from(("bytes", "cut", "short", "twice", "other", "word"))):
        case "bytes":
            return data[:begin] + draw(st.binary(max_size=8)) + data[end:]
        case "cut":
            return data[:begin] + data[end:]
        case "short":
            return data[:begin]
        case "twice":
            return data[:end] + data[begin:]
        case "other":
            return data[:begin] + draw(st.sampled_from(good))[begin:]
        case word:
            word = draw(st.sampled_from(_WORDS))
            return data[:begin] + word + data[end:]


_WORDS = (
    *(b"\n", b"\r", b'"', b"'", b",", b";", b"\t", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"nan", b"inf", b"-0", b"1e999", b"9" * 400, b"../", b"=1+1", b"{", b"[", b"}", b"]"),
    *(b": ", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", "\u202e".encode(), b"\x1a"),
)
"""What parsers stumble over."""
