"""Reading pickles: everything that features need, and nothing else, whoever wrote them."""

from __future__ import annotations

import contextlib
import copyreg
import os
import pickle
import random
import struct
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.adopt import machine
from pipeline.adopt.machine import read_pickle
from pipeline.adopt.stored import RefusedError, Stored
from tests.adopt import python2

VALUES: dict[str, Any] = {
    "float32": np.random.default_rng(1).normal(size=(30, 20, 10)).astype(np.float32),
    "small": np.arange(6, dtype=np.float64).reshape(2, 3),
    "fortran": np.asfortranarray(np.random.default_rng(2).normal(size=(70, 60))),
    "big endian": np.arange(10, dtype=">f4"),
    "integers": np.array([1, -2, 3]),
    "truth": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "words": np.array(["video_0001$_$0001", "好"]),
    "objects": np.array(["a", "bb", None], dtype=object),
    "scalar": np.float64(3.5),
    "list": ["x", 1, 2.5, None, True, 2**70, b"raw"],
    "tuple": (1, (2, 3), ()),
    "dict": {"a": [], 3: {}},
}


def plain(value: Any) -> Any:
    if not isinstance(value, Stored):
        return value
    return list(value.items()) if value.dtype.kind == "O" else value.array()


def reading(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    return read_pickle(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", VALUES)
def test_what_features_are_made_of_is_read(name: str, protocol: int, tmp_path: Path) -> None:
    value = VALUES[name]
    found = plain(reading(tmp_path, pickle.dumps({"v": value, "again": value}, protocol))["v"])
    if isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found, value)
        if value.dtype.kind != "O":
            assert found.dtype == value.dtype and found.shape == value.shape
    else:
        assert found == value


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    value = {"train": {"id": ["a", "é"], "audio": np.ones((3, 2, 700), np.float32)}}
    data = python2.dumps(value)
    there = pickle.loads(data, encoding="latin1")  # it is a pickle
    np.testing.assert_array_equal(there["train"]["audio"], value["train"]["audio"])
    found = reading(tmp_path, data)["train"]
    np.testing.assert_array_equal(found["audio"].array(), value["train"]["audio"])
    assert [name.decode() for name in found["id"]] == value["train"]["id"]


def test_large_arrays_stay_in_the_file(tmp_path: Path) -> None:
    value = np.zeros((100, 1000), np.float32)
    found = reading(tmp_path, pickle.dumps({"a": value}, 5))["a"]
    assert isinstance(found.array(), np.memmap)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "something in the pickle was executed"


class Runs:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def hostile(canary: Path) -> dict[str, tuple[bytes, str]]:
    """Return pickles that would do something, and what the refusal names."""
    command = f"touch {canary}"
    call = Runs(os.system, command)
    system = f"{os.system.__module__}.system"
    quoted = repr(command).encode()
    text = pickle.SHORT_BINUNICODE
    array = pickle.dumps(np.zeros(3, np.float32), 2)
    shape = b"K\x03\x85"
    assert array.count(shape) == 1
    return {
        "a call": (pickle.dumps(call), system),
        "protocol 0": (pickle.dumps(call, 0), system),
        "deep inside": (pickle.dumps({"train": [{"id": ("x", [call])}]}), system),
        "eval": (pickle.dumps(Runs(eval, "1")), "builtins.eval"),
        "getattr": (pickle.dumps(Runs(getattr, "x", "upper")), "builtins.getattr"),
        "split name": (b"\x80\x04" + text + b"\x02os" + text + b"\x06system\x93.", "os.system"),
        "in an array": (pickle.dumps(np.array([call], dtype=object)), system),
        "numpy's own": (pickle.dumps(Runs(np.load, "x")), "numpy.load"),
        "dotted": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile"),
        "old opcode": (b"(S" + quoted + b"\nios\nsystem\n.", "os.system"),
        "object": (b"(cos\nsystem\nS" + quoted + b"\no.", "os.system"),
        "new object": (pickle.dumps(OrderedDict(a=1)), "collections.OrderedDict"),
        "date": (pickle.dumps(date(2020, 1, 1)), "datetime.date"),
        "set": (pickle.dumps({1, 2}, 4), "EMPTY_SET"),
        "array called": (b"cnumpy\nndarray\n((J\xff\xff\xff\x7ftt\x81.", "NEWOBJ of numpy.ndarray"),
        "array reduced": (b"cnumpy\nndarray\n(K\x01tR.", "a call"),
        "persistent": (b"Pelsewhere\n.", "persistent id"),
        "persistent, binary": (b"K\x01Q.", "persistent id"),
        "extension": (b"\x80\x02\x82\xf0)R.", "code 240"),
        "state of a list": (b"\x80\x02]}X\x01\x00\x00\x00aK\x01sb.", "a state of its own"),
        "out of band": (b"\x80\x05\x97.", "NEXT_BUFFER"),
        "fields": (pickle.dumps(np.zeros(2, [("a", "f4")])), "V4"),
        "times": (pickle.dumps(np.array(["2020-01-01"], "M8[D]")), "'M8'"),
        "complex": (pickle.dumps(np.zeros(2, complex)), "c16"),
        "bytes as objects": (array.replace(b"f4", b"O8", 1), "objects"),
        "other shape": (array.replace(shape, b"J\xff\xff\xff\x7f\x85", 1), "needs 8,589,934,588"),
        "negative shape": (array.replace(shape, b"J\xff\xff\xff\xff\x85", 1), "tuple of sizes"),
        "list as key": (b"\x80\x02}(]K\x01u.", "key of a dict"),
        "bytes beyond the end": (b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.", "are left"),
        "text beyond the end": (b"\x80\x04X" + struct.pack("<I", 2**31) + b"x.", "are left"),
        "number beyond the end": (b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"x.", "left"),
        "negative length": (b"T" + struct.pack("<i", -5) + b".", "are left"),
        "endless line": (b"S'" + b"a" * 100_000 + b"'\n.", "a line of more than"),
        "not a pickle": (b"PK\x03\x04" + bytes(100), "damaged"),
        "empty": (b"", "cut off"),
        "never ends": (b"\x80\x04]", "cut off"),
    }


NAMES = list(hostile(Path("canary")))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_pickle_is_refused_with_the_reason(name: str, canary: Path) -> None:
    data, named = hostile(canary)[name]
    with pytest.raises(RefusedError) as refused:
        reading(canary.parent, data)
    assert named in str(refused.value)


def test_names_of_the_extension_registry_are_not_looked_up(canary: Path) -> None:
    copyreg.add_extension(os.system.__module__, "system", 240)
    try:
        data = pickle.dumps(Runs(os.system, f"touch {canary}"), 2)
        assert b"\x82\xf0" in data
        with pytest.raises(RefusedError, match="code 240"):
            reading(canary.parent, data)
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 240)


def test_torch_tensors_are_refused_with_what_to_do(tmp_path: Path) -> None:
    import torch

    with pytest.raises(RefusedError, match=r"torch\..*return_type"):
        reading(tmp_path, pickle.dumps({"audio": torch.zeros(2)}))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02" + b")" + b"\x85" * 300_000 + b".",
        b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b".",
        b"\x80\x02" + b"}" * 1000 + b".",
        b"\x80\x02" + b"(" * 300_000 + b".",
        b"\x80\x02Nr\xff\xff\xff\xff.",
    ],
    ids=["tuples", "lists", "dicts", "marks", "memo"],
)
def test_depth_and_numbers_exhaust_nothing(data: bytes, tmp_path: Path) -> None:
    before = time.monotonic()
    with contextlib.suppress(RefusedError):
        reading(tmp_path, data)
    assert time.monotonic() - before < 30


def test_a_deep_tuple_is_no_key(tmp_path: Path) -> None:
    data = b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s."
    with pytest.raises(RefusedError, match="key of a dict"):
        reading(tmp_path, data)


def test_steps_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_STEPS", 1000)
    with pytest.raises(RefusedError, match="more than 1,000 steps"):
        reading(tmp_path, pickle.dumps(list(range(2000))))


def test_damage_anywhere_is_refused_or_read(tmp_path: Path) -> None:
    """Whatever bytes a file holds, the reader ends with a value or a refusal."""
    whole = pickle.dumps(VALUES, 4)
    dice = random.Random(11)
    refused = 0
    for attempt in range(300):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if attempt % 3 == 0:
            del data[dice.randrange(len(data)) :]
        try:
            reading(tmp_path, bytes(data))
        except RefusedError:
            refused += 1
    assert refused > 50


def test_reading_imports_nothing(tmp_path: Path) -> None:
    data = b"cantigravity\nfly\n."
    with pytest.raises(RefusedError, match=r"antigravity\.fly"):
        reading(tmp_path, data)
    assert "antigravity" not in sys.modules
