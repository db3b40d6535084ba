"""Writing a pickle piece by piece: plain values and arrays that are never in memory whole.

The standard library pickles an array only from memory. The few instructions that a dict of
arrays needs are written here one after the other (``pickletools`` describes each of them), so the
features pass through in blocks. ``pickle.load`` with numpy 1 or 2 reads the result.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 4


@dataclass(frozen=True)
class Streamed:
    """An array whose content is produced block by block.

    Parameters
    ----------
    shape : tuple of int
        Of the whole array.
    blocks : callable
        Returns consecutive pieces along the first axis, each float32.
    """

    shape: tuple[int, ...]
    blocks: Callable[[], Iterator[NDArray[np.float32]]]


def write_pickle(stream: IO[bytes], value: Any) -> None:
    """Write a pickle of dicts, lists, strings, ints, arrays and `Streamed` arrays.

    Parameters
    ----------
    stream : binary file
        Written to from its position on.
    value : object
        Nested in any way; dicts keep their order. Equal values give equal bytes.

    Raises
    ------
    ValueError
        If the blocks of a streamed array do not add up to its shape.
    TypeError
        If a value is of another type.
    """
    stream.write(pickle.PROTO + bytes([PROTOCOL]))
    _write(stream, value)
    stream.write(pickle.STOP)


def _write(stream: IO[bytes], value: Any) -> None:
    if isinstance(value, Streamed):
        _array(stream, value.shape, np.dtype("<f4"), value.blocks())
    elif isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        _array(stream, value.shape, data.dtype, iter([data]))
    elif isinstance(value, str):
        _text(stream, value)
    elif isinstance(value, int):
        _int(stream, value)
    elif isinstance(value, Mapping):
        stream.write(pickle.EMPTY_DICT + pickle.MARK)
        for key, item in value.items():
            _write(stream, key)
            _write(stream, item)
        stream.write(pickle.SETITEMS)
    elif isinstance(value, Sequence):
        stream.write(pickle.EMPTY_LIST + pickle.MARK)
        for item in value:
            _write(stream, item)
        stream.write(pickle.APPENDS)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be exported")


def _text(stream: IO[bytes], value: str) -> None:
    data = value.encode("utf-8", "surrogatepass")
    stream.write(pickle.BINUNICODE + struct.pack("<I", len(data)) + data)


def _int(stream: IO[bytes], value: int) -> None:
    if -(2**31) <= value < 2**31:
        stream.write(pickle.BININT + struct.pack("<i", value))
        return
    data = pickle.encode_long(value)
    stream.write(pickle.LONG1 + bytes([len(data)]) + data)


def _array(
    stream: IO[bytes],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    blocks: Iterator[NDArray[Any]],
) -> None:
    """Write what numpy itself writes for an array, with its bytes in blocks."""
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    stream.write(_NEW_ARRAY + pickle.MARK)
    _int(stream, 1)  # version of numpy's own state
    _tuple(stream, shape)
    _dtype(stream, dtype)
    stream.write(pickle.NEWFALSE + pickle.BINBYTES8 + struct.pack("<Q", size))
    written = 0
    for block in blocks:
        data = np.ascontiguousarray(block, dtype).tobytes()
        written += len(data)
        stream.write(data)
    if written != size:
        raise ValueError(f"an array of shape {shape} has {size} bytes, {written} were given")
    stream.write(pickle.TUPLE + pickle.BUILD)


def _tuple(stream: IO[bytes], values: Sequence[int]) -> None:
    stream.write(pickle.MARK)
    for value in values:
        _int(stream, value)
    stream.write(pickle.TUPLE)


def _dtype(stream: IO[bytes], dtype: np.dtype[Any]) -> None:
    stream.write(_global("numpy", "dtype"))
    _text(stream, f"{dtype.kind}{dtype.itemsize}")
    stream.write(pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3 + pickle.REDUCE + pickle.MARK)
    _int(stream, 3)
    _text(stream, "<")
    stream.write(pickle.NONE * 3)
    for value in (-1, -1, 0):
        _int(stream, value)
    stream.write(pickle.TUPLE + pickle.BUILD)


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii")


_NEW_ARRAY = b"".join(
    [
        _global("numpy.core.multiarray", "_reconstruct"),  # numpy 1 and 2 both know this name
        _global("numpy", "ndarray"),
        pickle.BININT1 + b"\0" + pickle.TUPLE1,
        pickle.SHORT_BINBYTES + b"\1b",
        pickle.TUPLE3 + pickle.REDUCE,
    ]
)
