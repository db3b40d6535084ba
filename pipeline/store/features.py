"""Feature files: one per clip and stage, written atomically, each with its key.

A feature file is a safetensors file: a JSON header, which can be read without the data, and plain
arrays. Reading it never executes code. The header carries the digest of the arrays, and one of
itself, so that a changed byte anywhere is noticed when it is read.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, read_json, sealed, unsealed, write_json, written_whole
from pipeline.store.tensors import Tensors, digest_of, save
from pipeline.store.views import ROWS, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER_LIMIT = 16 * 1024 * 1024
_PLAIN_NAME = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]+")


@dataclass(frozen=True)
class Features:
    """The result of a stage for one clip.

    Parameters
    ----------
    arrays : dict of str to ndarray
        The features themselves.
    info : dict
        Quality figures and facts about the clip, plain JSON values.
    file : Path, optional
        A finished file to store next to the arrays (the frames stage's video).
    views : dict of str to View
        Those of the arrays that are rows of another stage's array. Only the numbers of the rows
        are stored, if they give the array to the bit.
    trimmed : mapping, optional
        How arrays were reduced to what is still needed of them (`Stage.trims`); None if they
        are whole.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None
    views: dict[str, View] = field(default_factory=dict)
    trimmed: Mapping[str, Any] | None = None


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


def is_plain_name(name: str) -> bool:
    """Tell whether a name can be part of a clip id: no separator, control character, ``..``."""
    return (
        0 < len(name.encode("utf-8", "replace")) <= 120
        and _PLAIN_NAME.fullmatch(name) is not None
        and name.strip() == name
        and not name.startswith(".")
        and name.isprintable()
    )


@lru_cache(maxsize=16384)
def _check_id(clip: str) -> None:
    video_id, _, clip_id = clip.partition("/")
    if not (is_plain_name(video_id) and is_plain_name(clip_id)):
        raise ValueError(f"not a clip id: {clip!r}")


class Store:
    """The feature files below one ``processed`` folder.

    Parameters
    ----------
    root : Path
        The build's folder, ``processed/`` or ``processed/demo/``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, stage: str, clip: str, suffix: str = ".safetensors") -> Path:
        """Return the path of a clip's file, e.g. ``audio/video_0001/0001.safetensors``."""
        return Path(self._place(stage, clip, suffix))

    def _place(self, stage: str, clip: str, suffix: str) -> str:
        _check_id(clip)
        return f"{self.root}/{stage}/{clip}{suffix}"

    def header(self, stage: str, clip: str) -> dict[str, Any] | None:
        """Return what a feature file says about itself; None without a whole file.

        A file with rows of another file's array is not whole without that very file.

        Returns
        -------
        dict, optional
            ``key``, ``stage``, ``clip``, ``info`` and, but for files of early versions,
            ``digest`` (of the arrays), ``file`` (suffix and digest of an attachment), ``views``
            (arrays that are rows of another file's) and ``trimmed`` (how it was reduced).
        """
        meta = self._own_header(stage, clip)
        return None if meta is None or self._lost_sources(clip, meta) else meta

    def _own_header(self, stage: str, clip: str) -> dict[str, Any] | None:
        try:
            path = self._place(stage, clip, ".safetensors")
            with open(path, "rb") as stream:  # noqa: PTH123 - a str is cheaper than a Path here
                (length,) = struct.unpack("<Q", stream.read(8))
                if length > _HEADER_LIMIT:
                    return None
                values = json.loads(stream.read(length))
                size = os.fstat(stream.fileno()).st_size
            meta = unsealed(json.loads(values.pop("__metadata__")["clip"]))
            end = max((array["data_offsets"][1] for array in values.values()), default=0)
            whole = 8 + length + end == size and {"key", "info"} <= meta.keys()
            return meta if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, struct.error):
            return None

    def _lost_sources(self, clip: str, meta: Mapping[str, Any]) -> list[str]:
        """Return the stages whose arrays a file shows rows of, and that are not what they were."""
        return [
            view["stage"]
            for view in meta.get("views", {}).values()
            if (self._own_header(view["stage"], clip) or {}).get("digest") != view["digest"]
        ]

    def key(self, stage: str, clip: str) -> str | None:
        """Return the key with which a clip's feature file was made, or None if there is none."""
        header = self.header(stage, clip)
        return None if header is None else header["key"]

    def lacking(self, stage: str, clip: str) -> str:
        """Say why a clip has no whole feature file, for an error message."""
        path, meta = self.path(stage, clip), self._own_header(stage, clip)
        lost = self._lost_sources(clip, meta) if meta else []
        if not lost:
            return f"{path} is missing or damaged"
        return f"{path} holds rows of {self.path(lost[0], clip)}, which is not there as it was"

    @contextmanager
    def opened(self, stage: str, clip: str) -> Iterator[Opened]:
        """Open a feature file to read some of its arrays.

        Raises
        ------
        BuildError
            If there is no whole file, or what is read from it is damaged.
        """
        header = self.header(stage, clip)
        if header is None:
            raise BuildError(self.lacking(stage, clip), f"make it again: {again(stage, clip)}")
        with self._opened(stage, clip, header) as file:
            yield file

    @contextmanager
    def _opened(self, stage: str, clip: str, header: Mapping[str, Any]) -> Iterator[Opened]:
        path = self.path(stage, clip)
        try:
            with path.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                yield Opened(self, clip, header, Tensors.of(stream, 0, size), stream)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise BuildError(
                f"{path} is missing or damaged ({error})", f"make it again: {again(stage, clip)}"
            ) from error

    def read(self, stage: str, clip: str) -> Features:
        """Read a clip's arrays and quality figures.

        Raises
        ------
        BuildError
            If the file is missing or damaged.
        """
        with self.opened(stage, clip) as file:
            header = file.header
            return Features(file.whole(), header["info"], trimmed=header.get("trimmed"))

    def fault(self, stage: str, clip: str) -> str | None:
        """Read a clip's files whole and say what is wrong with them.

        Returns
        -------
        str, optional
            What is wrong; empty if all is as it was written; None if nothing can be said, since
            the file carries no digest. A file whose rows are shown has a fault of its own.
        """
        header = self._own_header(stage, clip)
        if header is None:
            return self.lacking(stage, clip)
        try:
            with self._opened(stage, clip, header) as file:
                file.stored()
        except BuildError as error:
            return error.problem
        if any(self._own_header(source, clip) for source in self._lost_sources(clip, header)):
            return self.lacking(stage, clip)
        attached: Mapping[str, str] = header.get("file", {})
        for suffix, expected in attached.items():
            path = self.path(stage, clip, suffix)
            if not path.is_file():
                return f"{path} is missing"
            if file_digest(path) != expected:
                return f"{path} is damaged (its content has changed since it was written)"
        return "" if "digest" in header else None

    def write(self, stage: str, clip: str, key: str, features: Features) -> None:
        """Store a clip's features under their key, and forget an earlier failure."""
        import numpy as np

        arrays = {name: np.ascontiguousarray(array) for name, array in features.arrays.items()}
        meta: dict[str, Any] = {"key": key, "stage": stage, "clip": clip, "info": features.info}
        for name, view in features.views.items():
            source = self._source_of(view, clip, arrays[name])
            if source is not None:
                meta.setdefault("views", {})[name] = view.described(source)
                del arrays[name]
                arrays[name + ROWS] = np.ascontiguousarray(view.rows)
        if features.trimmed is not None:
            meta["trimmed"] = dict(features.trimmed)
        meta["digest"] = digest_of(arrays)
        if features.file is not None:
            suffix = features.file.suffix
            meta["file"] = {suffix: file_digest(features.file)}
            features.file.replace(self.path(stage, clip, suffix))
        # a single entry: the order of several would change from process to process
        entry = json.dumps(sealed(meta), sort_keys=True, ensure_ascii=False)
        with written_whole(self.path(stage, clip)) as temporary:
            save(arrays, temporary, {"clip": entry})
        self.forget_failure(stage, clip)

    def _source_of(self, view: View, clip: str, array: NDArray[Any]) -> str | None:
        """Return the digest of the file of which an array shows rows; None if it does not."""
        header = self._own_header(view.stage, clip)
        if header is None or "digest" not in header:
            return None
        shown = view.of(self.read(view.stage, clip).arrays[view.array])
        same = shown.dtype == array.dtype and shown.shape == array.shape
        return header["digest"] if same and shown.tobytes() == array.tobytes() else None

    def failure(self, stage: str, clip: str) -> dict[str, Any] | None:
        """Return ``{"key", "reason", "remedy", "passing"}`` of the last failure, or None."""
        place = self._place(stage, clip, ".failed.json")
        if not os.path.exists(place):  # noqa: PTH110 - asked for every clip by status
            return None
        try:
            failure: dict[str, Any] = read_json(Path(place))
            return failure if {"key", "reason", "remedy"} <= failure.keys() else None
        except (OSError, ValueError, AttributeError):
            return None

    def write_failure(
        self, stage: str, clip: str, key: str, reason: str, remedy: str, *, passing: bool = False
    ) -> None:
        """Record that this clip failed with this key, so that it is not retried in vain.

        A feature file with another key stays: it is valid again if the change is undone. A
        `passing` failure is remembered only until the next build.
        """
        failure = {"key": key, "reason": reason, "remedy": remedy}
        write_json(
            self.path(stage, clip, ".failed.json"),
            {**failure, "passing": True} if passing else failure,
        )

    def forget_failure(self, stage: str, clip: str) -> None:
        """Allow a clip to be tried again."""
        self.path(stage, clip, ".failed.json").unlink(missing_ok=True)

    def discard(self, stage: str, clip: str, suffixes: tuple[str, ...] = ()) -> None:
        """Remove a clip's feature file, and the attachments with `suffixes`."""
        for suffix in (".safetensors", *suffixes):
            self.path(stage, clip, suffix).unlink(missing_ok=True)


def again(stage: str, clip: str) -> str:
    """Return the command that makes a clip's feature file again, whatever it looks like now."""
    return f"chsims-build --stage {stage} --clip {clip} --force"
