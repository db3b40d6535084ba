"""A pickle as Python 2 and numpy 1 wrote it: protocol 2, text and arrays as byte strings."""

from __future__ import annotations

import pickle
import struct
from typing import Any

import numpy as np


def dumps(value: Any) -> bytes:
    """Return the pickle of dicts, lists, strings and arrays."""
    return b"\x80\x02" + _written(value) + b"."


def _written(value: Any) -> bytes:
    if isinstance(value, dict):
        pairs = b"".join(_written(k) + _written(v) for k, v in value.items())
        return b"}(" + pairs + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_written, value)) + b"e"
    if isinstance(value, str):
        return _string(value.encode())
    if isinstance(value, int):
        return pickle.BININT + struct.pack("<i", value)
    assert isinstance(value, np.ndarray)
    shape = b"(" + b"".join(map(_written, value.shape)) + b"t"
    code = _string(value.dtype.str[1:].encode())
    number = _written
    dtype = (
        b"cnumpy\ndtype\n" + code + number(0) + number(1) + b"\x87R"
        b"(" + number(3) + _string(b"<") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    )
    new = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + number(0) + b"\x85" + _string(b"b") + b"\x87R"
    )  # fmt: skip
    state = b"(" + number(1) + shape + dtype + b"\x89" + _string(value.tobytes()) + b"t"
    return new + state + b"b"


def _string(data: bytes) -> bytes:
    return pickle.BINSTRING + struct.pack("<i", len(data)) + data
