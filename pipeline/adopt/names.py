"""The few names of numpy that an array is pickled with, and what each of them would do."""

from __future__ import annotations

from typing import Any

from pipeline.adopt.stored import Dtype, Name, RefusedError, Stored

_RECONSTRUCT = "numpy.core.multiarray._reconstruct"
_SCALAR = "numpy.core.multiarray.scalar"
_FROM_BUFFER = "numpy.core.numeric._frombuffer"
_NDARRAY, _DTYPE, _ENCODE = "numpy.ndarray", "numpy.dtype", "_codecs.encode"
_NO_BYTES = ("builtins.bytes", "__builtin__.bytes")  # how protocol 2 writes empty ones
_KNOWN = frozenset((_RECONSTRUCT, _SCALAR, _FROM_BUFFER, _NDARRAY, _DTYPE, _ENCODE, *_NO_BYTES))
_HINTS = (
    ("torch.", "it holds torch tensors: write the file again with numpy arrays (MMSA-FET: "
     'return_type="np")'),
    ("pandas.", "it holds pandas tables: write the file again with numpy arrays"),
)  # fmt: skip


def known_name(module: Any, name: Any) -> Name:
    """Return a name that is known; the first other one ends the reading."""
    spelled = f"{text_of(module)}.{text_of(name)}".replace("numpy._core.", "numpy.core.", 1)
    if spelled not in _KNOWN:
        hint = next((words for start, words in _HINTS if spelled.startswith(start)), "")
        raise RefusedError(
            f"it names {spelled[:200]}, which is not part of an array of numbers or text"
            + (f"; {hint}" if hint else "; loading it with pickle would run that")
        )
    return Name(spelled)


def called(name: Any, arguments: Any) -> Any:
    """Do what a known function would do with an array."""
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise RefusedError(f"a call of a {type(name).__name__}")
    if name.name == _RECONSTRUCT:
        return Stored.unfilled()
    if name.name == _DTYPE:
        return Dtype.of(arguments[0])
    if name.name == _FROM_BUFFER:
        if len(arguments) != 4:
            raise RefusedError(
                "an array whose axes were exchanged; write the file again with "
                "numpy.ascontiguousarray(array), or with pickle protocol 4"
            )
        data, dtype, shape, order = arguments
        return Stored.checked(dtype, shape, data, fortran=order == "F")
    if name.name == _SCALAR:
        dtype, data = arguments
        return Stored.checked(dtype, (1,), bytes_of(data), fortran=False).array()[0].item()
    if name.name == _ENCODE:
        return bytes_of(arguments[0])
    if name.name in _NO_BYTES and arguments == ():
        return b""
    raise RefusedError(f"a call of {name.name}")


def filled(state: Any) -> Stored:
    """Return the array that numpy's own state of one describes.

    Raises
    ------
    RefusedError
        If it is no such state.
    """
    version = state[:-4]
    shape, dtype, fortran, data = state[-4:]
    if version not in ((), (1,)):
        raise RefusedError("an array of a newer kind than this version knows")
    return Stored.checked(dtype, shape, bytes_of(data), fortran=bool(fortran))


def completed(dtype: Dtype, state: Any) -> None:
    """Take the byte order of a type's state; fields and nested arrays are not read."""
    if not isinstance(state, tuple) or len(state) < 5 or any(s is not None for s in state[2:5]):
        raise RefusedError("an array with fields, of which none of features is")
    order = text_of(state[1])
    if order not in ("<", ">", "|", "="):
        raise RefusedError(f"an array of the byte order {order[:20]!r}")
    dtype.order = ">" if order == ">" else "<"


def bytes_of(value: Any) -> Any:
    """Return text of which each character stands for a byte, as protocol 2 writes bytes."""
    return value.encode("latin-1") if isinstance(value, str) else value


def text_of(value: Any) -> str:
    """Return text, of which Python 2 wrote bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise ValueError(f"a {type(value).__name__} in place of a name")
    return value
