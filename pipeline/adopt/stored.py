"""What a pickle is made of, as inert values: arrays stay in the file until they are read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPE = re.compile(r"[<>|=]?([biufSUO])([0-9]{1,9})")
_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "O": (4, 8)}
_DIMENSIONS = 32


class RefusedError(Exception):
    """A pickle that is damaged, or holds something other than numbers, text and arrays."""


@dataclass(frozen=True)
class Span:
    """Bytes that were left in the file."""

    path: Path
    start: int
    size: int

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True)
class Name:
    """The name of a class or function; nothing is ever imported or called by it."""

    name: str


@dataclass
class Dtype:
    """The type of an array's elements: kind, bytes per element, and byte order."""

    kind: str
    size: int
    order: str = "<"

    @classmethod
    def of(cls, code: object) -> Dtype:
        """Read a type's code, e.g. ``f4``; numbers, text, bytes and objects are known."""
        text = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        match = _DTYPE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise RefusedError(
                f"an array of the type {str(text)[:40]!r}; numbers and text are read"
            )
        kind, size = match[1], int(match[2])
        if size not in _SIZES.get(kind, (size,)):
            raise RefusedError(
                f"an array of the type {str(text)[:40]!r}; numbers and text are read"
            )
        order = ">" if str(text).startswith(">") else "<"
        return cls(kind, size * 4 if kind == "U" else size, order)

    @property
    def numpy(self) -> np.dtype[Any]:
        """The type as numpy knows it."""
        size = self.size // 4 if self.kind == "U" else self.size
        return np.dtype(f"{self.order}{self.kind}{size}")


@dataclass
class Stored:
    """An array: its type and shape, and where its content is."""

    dtype: Dtype
    shape: tuple[int, ...]
    data: bytes | bytearray | Span | list[Any]
    fortran: bool = False

    @classmethod
    def unfilled(cls) -> Stored:
        """Return the array that a pickle makes before it fills it."""
        return cls(Dtype("O", 8), (0,), [])

    def fill(self, other: Stored) -> None:
        """Become another array."""
        self.dtype, self.shape, self.data = other.dtype, other.shape, other.data
        self.fortran = other.fortran

    @classmethod
    def checked(cls, dtype: object, shape: object, data: object, *, fortran: bool) -> Stored:
        """Return an array whose declared size is that of its content.

        Raises
        ------
        RefusedError
            If they differ, or one of them is not what an array has.
        """
        if not isinstance(dtype, Dtype):
            raise RefusedError(f"an array whose type is a {_kind(dtype)}")
        if not _is_shape(shape):
            raise RefusedError(f"an array whose shape is not a tuple of sizes ({_kind(shape)})")
        assert isinstance(shape, tuple)
        count = math.prod(shape)
        if dtype.kind == "O":
            if not isinstance(data, list) or len(data) != count:
                raise RefusedError(f"an array of {count} objects without that many objects")
        elif not isinstance(data, (bytes, bytearray, Span)):
            raise RefusedError(f"an array whose content is a {_kind(data)}")
        elif len(data) != count * dtype.size:
            raise RefusedError(
                f"an array of shape {list(shape)} that needs {count * dtype.size:,} bytes and has "
                f"{len(data):,}"
            )
        return cls(dtype, shape, data, fortran)

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    def array(self) -> NDArray[Any]:
        """Return the array of numbers, text or bytes; one in the file is mapped, not read."""
        order: Any = "F" if self.fortran else "C"
        if isinstance(self.data, Span):
            return np.memmap(
                self.data.path, self.dtype.numpy, "r", self.data.start, self.shape, order
            )
        assert not isinstance(self.data, list)
        return np.frombuffer(self.data, self.dtype.numpy).reshape(self.shape, order=order)

    def items(self) -> Iterator[Any]:
        """Yield the elements along the first axis, as plain values where it is the only one."""
        if isinstance(self.data, list):
            yield from self.data
        elif len(self.shape) == 1:
            yield from self.array().tolist()
        else:
            for row in range(len(self)):
                yield self.array()[row]


def _unknown(dtype: object) -> RefusedError:
    return RefusedError(f"an array of the type {str(dtype)[:40]!r}; numbers and text are read")


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, tuple)
        and len(shape) <= _DIMENSIONS
        and all(type(size) is int and size >= 0 for size in shape)
    )


def _kind(value: object) -> str:
    return type(value).__name__
