"""An open feature file: its arrays, in whole or in part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.store.tensors import Tensors, digest_of
from pipeline.store.views import ROWS, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.store.features import Store


@dataclass(frozen=True)
class Opened:
    """An open feature file, of which arrays can be read in part; their digest is not checked."""

    store: Store
    clip: str
    header: Mapping[str, Any]
    tensors: Tensors
    stream: BinaryIO

    def shape(self, name: str) -> tuple[int, ...]:
        """Return an array's shape, read from the header."""
        view = self.header.get("views", {}).get(name)
        if view is None:
            return self.tensors.entry(name).shape
        width = sum(end - start for start, end in view["columns"])
        return (*self.tensors.entry(name + ROWS).shape, width)

    def array(self, name: str) -> NDArray[Any]:
        """Read an array."""
        if name not in self.header.get("views", {}):
            return self.tensors.read(self.stream, name)
        view = self._view(name)
        with self.store.opened(view.stage, self.clip) as source:
            return view.of(source.array(view.array))

    def rows(self, name: str, first: int, last: int) -> NDArray[Any]:
        """Read the rows `first` to `last` (not included) of an array that is stored here."""
        return self.tensors.rows(self.stream, name, first, last)

    def stored(self) -> dict[str, NDArray[Any]]:
        """Read what the file itself holds, and check its digest.

        Raises
        ------
        ValueError
            If the content has changed since it was written.
        """
        arrays = {name: self.tensors.read(self.stream, name) for name in self.tensors.entries}
        if self.header.get("digest", found := digest_of(arrays)) != found:
            raise ValueError("its arrays do not have the digest that its header names")
        return arrays

    def whole(self) -> dict[str, NDArray[Any]]:
        """Read all arrays, and check the digests of their files.

        Raises
        ------
        ValueError
            If the content has changed since it was written.
        BuildError
            If a file whose rows are shown is damaged.
        """
        arrays = self.stored()
        for name, described in self.header.get("views", {}).items():
            view = View.from_header(described, arrays.pop(name + ROWS))
            arrays[name] = view.of(self.store.read(view.stage, self.clip).arrays[view.array])
        return arrays

    def _view(self, name: str) -> View:
        described = self.header["views"][name]
        return View.from_header(described, self.tensors.read(self.stream, name + ROWS))
