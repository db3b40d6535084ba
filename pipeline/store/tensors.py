"""Arrays in safetensors form: written without a copy, read in whole or in part."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER_LIMIT = 16 * 1024 * 1024
_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BOOL": "|b1",
    **{f"I{8 * size}": f"<i{size}" for size in (2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (2, 4, 8)},
    "I8": "|i1",
    "U8": "|u1",
}
"""The numpy type of each of the format's names."""


def read_header(stream: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """Read the header of a file of `size` bytes, which begins here: its values, and its length.

    Raises
    ------
    ValueError
        If there is none, or it is longer than the file.
    """
    try:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(_HEADER_LIMIT, size - 8):
            raise ValueError(f"its header claims {length} bytes")
        values: dict[str, Any] = json.loads(stream.read(length))
    except (struct.error, RecursionError) as error:
        raise ValueError(f"its header cannot be read ({error!r})") from error
    return values, length


@dataclass(frozen=True)
class Entry:
    """Where an array lies in a file."""

    kind: str
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class Tensors:
    """The arrays of one safetensors file, or of a part of a larger file that is one.

    Parameters
    ----------
    metadata : mapping of str to str
        What was written with them.
    entries : mapping of str to Entry
        Where each array lies, from the start of the stream.
    """

    metadata: Mapping[str, str]
    entries: Mapping[str, Entry]

    @classmethod
    def of(cls, stream: BinaryIO, start: int, size: int) -> Tensors:
        """Read a header, and check that it describes `size` bytes from `start` on, all of them.

        Raises
        ------
        ValueError
            If it does not.
        """
        try:
            stream.seek(start)
            values, length = read_header(stream, size)
            metadata = values.pop("__metadata__", {})
            begin = start + 8 + length
            entries = {name: _entry(begin, **value) for name, value in values.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its header cannot be read ({error!r})") from error
        end = begin
        for entry in sorted(entries.values(), key=lambda entry: (entry.start, entry.size)):
            if entry.start != end:
                raise ValueError("its arrays do not follow one another")
            end += entry.size
        if end != start + size:
            raise ValueError(f"it has {size} bytes, expected {end - start}")
        return cls(metadata, entries)

    def entry(self, name: str) -> Entry:
        """Return where an array lies.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        if name not in self.entries:
            raise ValueError(f"it holds no array {name}")
        return self.entries[name]

    def read(self, stream: BinaryIO, name: str) -> NDArray[Any]:
        """Read an array.

        Raises
        ------
        ValueError
            If there is none of this name, or the file ends before it does.
        """
        entry = self.entry(name)
        return _array(stream, entry.kind, entry.shape, entry.start)

    def rows(self, stream: BinaryIO, name: str, first: int, last: int) -> NDArray[Any]:
        """Read the rows `first` to `last` (not included) of an array."""
        entry = self.entry(name)
        first, last, _ = slice(first, last).indices(entry.shape[0])
        row = entry.size // entry.shape[0] if entry.shape[0] else 0
        shape = (max(0, last - first), *entry.shape[1:])
        return _array(stream, entry.kind, shape, entry.start + first * row)


def _entry(begin: int, dtype: str, shape: list[int], data_offsets: list[int]) -> Entry:
    import numpy as np

    start, end = data_offsets
    size = math.prod(shape) * np.dtype(_TYPES[dtype]).itemsize
    if any(not isinstance(n, int) or n < 0 for n in (start, *shape)) or end - start != size:
        raise ValueError(f"an array {dtype} {shape} in the bytes {start} to {end}")
    return Entry(_TYPES[dtype], tuple(shape), begin + start, size)


def _array(stream: BinaryIO, kind: str, shape: tuple[int, ...], start: int) -> NDArray[Any]:
    import numpy as np

    array: NDArray[Any] = np.empty(shape, kind)
    stream.seek(start)
    if array.size and stream.readinto(array.reshape(-1).view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
        raise ValueError("the file ends too early")
    return array


def save(arrays: Mapping[str, NDArray[Any]], path: Path, metadata: Mapping[str, str]) -> None:
    """Write the bytes that `safetensors.numpy.save` returns, without a copy of the arrays.

    Its own ``save`` takes three times the memory; ``save_file`` writes to a file of a random name
    first, which a killed process would leave behind.
    """
    from safetensors.numpy import save as header_of

    # the library decides on the order of the arrays, and on the names of their types
    empty = {name: array.reshape(-1)[:0] for name, array in arrays.items()}
    values: dict[str, Any] = json.loads(header_of(empty, metadata=dict(metadata))[8:])
    names = [name for name in values if name != "__metadata__"]
    end = 0
    for name in names:
        start, end = end, end + arrays[name].nbytes
        values[name] |= {"shape": list(arrays[name].shape), "data_offsets": [start, end]}
    header = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        for name in names:
            stream.write(_bytes_of(arrays[name]))


def _bytes_of(array: NDArray[Any]) -> memoryview | bytes:
    """Return a contiguous array's bytes, not copied."""
    return array.data.cast("B") if array.size else b""


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays: their names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(_bytes_of(array))
    return found.hexdigest()
