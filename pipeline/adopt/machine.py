"""Reading a pickle without running it.

A pickle is a program that may call any function of any module. Python's own reader runs it, and
forbidding names (`Unpickler.find_class`) leaves the rest of it: opcodes that take memory by a
declared number, a cache of names that are not checked again, keys whose hash exhausts the stack.
Here the opcodes are followed one by one (``pickletools`` says what each means), and those that
a file of features needs are known; everything else is refused. A name stands for itself: nothing
is imported or called. The content of large arrays is not read but noted as a place in the file.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.adopt.bounded import BoundedFile
from pipeline.adopt.names import bytes_of, called, completed, filled, known_name
from pipeline.adopt.stored import Dtype, Name, RefusedError, Span, Stored

MOST_STEPS = 20_000_000
"""Opcodes of a pickle: some twenty per clip where features are arrays."""

_LENGTHS = MappingProxyType(
    {
        "SHORT_BINBYTES": "<B",
        "BINBYTES": "<I",
        "BINBYTES8": "<Q",
        "BYTEARRAY8": "<Q",
        "SHORT_BINSTRING": "<B",
        "BINSTRING": "<i",
    }
)
"""How the length of binary content is written, by opcode."""
_DAMAGE = (IndexError, KeyError, ValueError, TypeError, OverflowError, AssertionError, struct.error)
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}


def read_pickle(path: Path) -> Any:
    """Read a pickle of dicts, lists, tuples, text, numbers and arrays.

    Parameters
    ----------
    path : Path
        A pickle of any protocol, written by Python 2 or 3, with numpy 1 or 2.

    Returns
    -------
    object
        Arrays are `Stored`; text of Python 2 is bytes; a `Name` stands for itself.

    Raises
    ------
    RefusedError
        If the pickle needs anything else, the first such name or opcode in the message, or if
        it is damaged.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as stream:
        machine = _Machine(BoundedFile(path, stream))
        try:
            return machine.run()
        except _DAMAGE as error:
            raise RefusedError(
                f"at byte {machine.source.tell():,}: not a pickle, or a damaged one "
                f"({type(error).__name__}: {str(error)[:120]})"
            ) from error


class _Machine:
    """The stack, the marks in it, and what was put aside under a number."""

    def __init__(self, source: BoundedFile) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Follow the opcodes up to the last."""
        for _ in range(MOST_STEPS):
            code = self.source.read(1)
            opcode = _OPCODES.get(code.decode("latin-1"))
            if opcode is None:
                raise ValueError(f"no opcode {code!r}")
            if opcode.name == "STOP":
                return self.stack.pop()
            argument = self._argument(opcode)
            step = _STEPS.get(opcode.name)
            if step is None:
                raise RefusedError(_why_not(opcode.name, argument, self.stack))
            step(self, argument)
        raise RefusedError(
            f"more than {MOST_STEPS:,} steps: its features are Python numbers rather than arrays"
        )

    def _argument(self, opcode: Any) -> Any:
        length = _LENGTHS.get(opcode.name)
        if length is not None:
            (count,) = struct.unpack(length, self.source.read(struct.calcsize(length)))
            return self.source.binary(count)
        return None if opcode.arg is None else opcode.arg.reader(self.source)

    def push(self, value: Any) -> None:
        """Put a value onto the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the topmost value, which lies above the last mark."""
        if self.marks and self.marks[-1] == len(self.stack):
            raise ValueError("a mark where a value is expected")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        """Take everything above the last mark."""
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def drop(self, values: list[Any]) -> None:
        """Forget values that were taken."""
        del values[:]

    def top(self, kind: type[Any]) -> Any:
        """Return the topmost value, which must be a list or a dict."""
        if not isinstance(self.stack[-1], kind):
            raise ValueError(f"a {type(self.stack[-1]).__name__} in place of a {kind.__name__}")
        return self.stack[-1]

    def put(self, number: int) -> None:
        """Remember the topmost value under a number."""
        self.memo[number] = self.stack[-1]

    def mapped(self, pairs: list[Any], into: dict[Any, Any]) -> None:
        """Put keys and values into a dict; a key is text or a number."""
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            plain = key.decode("utf-8") if isinstance(key, bytes) else key
            if not isinstance(plain, (str, int)):
                raise RefusedError(f"a {type(plain).__name__} as the key of a dict")
            into[plain] = value

    def build(self, state: Any) -> None:
        """Fill an array, or complete a type."""
        target = self.stack[-1]
        if isinstance(target, Dtype):
            completed(target, state)
        elif isinstance(target, Stored):
            target.fill(filled(state))
        else:
            raise RefusedError(f"a {type(target).__name__} with a state of its own")


def _why_not(opcode: str, argument: Any, stack: list[Any]) -> str:
    if opcode == "INST":
        return f"it names {str(argument).replace(' ', '.', 1)[:200]} and would call it"
    if opcode.startswith("EXT"):
        return f"it calls something registered on its author's machine (code {argument})"
    if "PERSID" in opcode:
        return "it refers to an object outside the file (a persistent id)"
    names = [value.name for value in stack if isinstance(value, Name)]
    named = f" of {names[-1]}" if names else ""
    return f"it uses the opcode {opcode}{named}, which arrays of numbers and text do not need"


Step = Callable[[_Machine, Any], None]


def _nothing(machine: _Machine, _: Any) -> None:
    """PROTO and FRAME help other readers."""


def _argument(machine: _Machine, value: Any) -> None:
    machine.push(value)


def _constant(make: Callable[[], Any]) -> Step:
    return lambda machine, _: machine.push(make())


def _tuple_of(count: int) -> Step:
    def step(machine: _Machine, _: Any) -> None:
        machine.push(tuple(reversed([machine.pop() for _ in range(count)])))

    return step


def _string(machine: _Machine, value: Any) -> None:
    """Push text of Python 2, which may be the bytes of an array."""
    machine.push(bytes_of(value))


def _bytearray(machine: _Machine, value: Any) -> None:
    machine.push(value if isinstance(value, Span) else bytearray(value))


def _integer(machine: _Machine, value: Any) -> None:
    machine.push(value)


def _mark(machine: _Machine, _: Any) -> None:
    machine.marks.append(len(machine.stack))


def _dict(machine: _Machine, _: Any) -> None:
    found: dict[Any, Any] = {}
    machine.mapped(machine.pop_mark(), found)
    machine.push(found)


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    machine.top(list).append(value)


def _appends(machine: _Machine, _: Any) -> None:
    values = machine.pop_mark()
    machine.top(list).extend(values)


def _setitem(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.mapped([key, value], machine.top(dict))


def _setitems(machine: _Machine, _: Any) -> None:
    pairs = machine.pop_mark()
    machine.mapped(pairs, machine.top(dict))


def _global(machine: _Machine, value: Any) -> None:
    module, _, name = str(value).partition(" ")
    machine.push(known_name(module, name))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    machine.push(known_name(module, name))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, name = machine.pop(), machine.pop()
    machine.push(called(name, arguments))


def _build(machine: _Machine, _: Any) -> None:
    state = machine.pop()
    machine.build(state)


_STEPS: Mapping[str, Step] = MappingProxyType(
    {
        **dict.fromkeys(("PROTO", "FRAME"), _nothing),
        "NONE": _constant(lambda: None),
        "NEWTRUE": _constant(lambda: True),
        "NEWFALSE": _constant(lambda: False),
        **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2"), _argument),
        **dict.fromkeys(("LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"), _argument),
        **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _argument),
        **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"), _argument),
        **dict.fromkeys(("STRING", "SHORT_BINSTRING", "BINSTRING"), _string),
        "BYTEARRAY8": _bytearray,
        "EMPTY_LIST": _constant(list),
        "EMPTY_TUPLE": _constant(tuple),
        "EMPTY_DICT": _constant(dict),
        "MARK": _mark,
        "LIST": lambda machine, _: machine.push(machine.pop_mark()),
        "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
        **{f"TUPLE{count}": _tuple_of(count) for count in (1, 2, 3)},
        "DICT": _dict,
        "APPEND": _append,
        "APPENDS": _appends,
        "SETITEM": _setitem,
        "SETITEMS": _setitems,
        "POP": lambda machine, _: machine.drop([machine.pop()]),
        "POP_MARK": lambda machine, _: machine.drop(machine.pop_mark()),
        "DUP": lambda machine, _: machine.push(machine.stack[-1]),
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
        "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
        **dict.fromkeys(
            ("GET", "BINGET", "LONG_BINGET"),
            lambda machine, number: machine.push(machine.memo[number]),
        ),
        "GLOBAL": _global,
        "STACK_GLOBAL": _stack_global,
        "REDUCE": _reduce,
        "BUILD": _build,
    }
)
"""What each opcode does; one that is not here is refused."""
