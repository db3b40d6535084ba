"""A sequence that lies in a temporary file, for what is known of each of very many clips."""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from pipeline.errors import BuildError

T = TypeVar("T")


def _as_it_is(value: Any) -> Any:
    return value


class Spool(Generic[T]):
    """Values on the disk, of which memory holds a place of eight bytes each.

    The file lies in the folder for temporary files (``TMPDIR``). It has no name, so it goes when
    the process ends, however it ends.

    Parameters
    ----------
    pack : callable
        Turns a value into what JSON can write; by default it is that already.
    unpack : callable
        Turns that into the value again.
    """

    def __init__(
        self, pack: Callable[[T], Any] = _as_it_is, unpack: Callable[[Any], T] = _as_it_is
    ) -> None:
        self._pack, self._unpack = pack, unpack
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the values
        self._places = array("q")
        self._end = 0

    def append(self, value: T) -> None:
        """Add a value at the end."""
        line = json.dumps(self._pack(value), ensure_ascii=False, separators=(",", ":"))
        data = line.encode("utf-8", "surrogatepass") + b"\n"
        try:
            self._file.seek(self._end)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise BuildError(
                f"cannot write a temporary file in {tempfile.gettempdir()}: {error.strerror}",
                "free disk space there, or name another folder: TMPDIR=/path",
            ) from error
        self._places.append(self._end)
        self._end += len(data)

    def order(self, places: Iterable[int]) -> None:
        """Put the values into another order.

        Parameters
        ----------
        places : iterable of int
            The present place of each value, in the new order.
        """
        self._places = array("q", [self._places[place] for place in places])

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[T]:
        return self.first(len(self))

    def __getitem__(self, place: int) -> T:
        return self._read(self._places[place])

    def first(self, count: int) -> Iterator[T]:
        """Yield the first `count` values."""
        for place in self._places[:count]:
            yield self._read(place)

    def _read(self, start: int) -> T:
        self._file.seek(start)
        return self._unpack(json.loads(self._file.readline().decode("utf-8", "surrogatepass")))
