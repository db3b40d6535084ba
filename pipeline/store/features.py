"""Feature files: one per clip and stage, written atomically, each with its key.

A feature file is a safetensors file: a JSON header, which can be read without the data, and plain
arrays. Reading it never executes code. The header carries the digest of the arrays, and one of
itself, so that a changed byte anywhere is noticed when it is read.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BuildError
from pipeline.store.failures import Failures
from pipeline.store.files import file_digest, sealed, unsealed, written_whole
from pipeline.store.late import wait_for
from pipeline.store.opened import Opened
from pipeline.store.packs import SUFFIX
from pipeline.store.tensors import Tensors, digest_of, read_header, save
from pipeline.store.views import ROWS, View

if TYPE_CHECKING:
    from numpy.typing import NDArray


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


class Store(Failures):
    """The feature files below one ``processed`` folder.

    Parameters
    ----------
    root : Path
        The build's folder, ``processed/`` or ``processed/demo/``.
    """

    def __init__(self, root: Path, patience: float = 0.0) -> None:
        super().__init__(root, patience)
        self._known: dict[str, dict[str, str]] = {}
        self._reduced: set[tuple[str, str]] = set()

    def cache_headers(self, stage: str, keys: Mapping[str, str], trimmed: Collection[str]) -> None:
        """Set what `cached_header` returns of files that have not changed (`store/seen.py`)."""
        self._known.setdefault(stage, {}).update(keys)
        self._reduced.difference_update((stage, clip) for clip in keys)
        self._reduced.update((stage, clip) for clip in trimmed)

    def cached_header(self, stage: str, clip: str) -> dict[str, Any] | None:
        """Return a file's header, or only ``key`` and ``trimmed`` of a file that is known."""
        key = self._known.get(stage, {}).get(clip)
        if key is not None:
            return {"key": key, "trimmed": {}} if (stage, clip) in self._reduced else {"key": key}
        if stage in self._listed and clip not in self._listed[stage].made:
            return None
        return self.header(stage, clip)

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
            with self.body(stage, clip) as (stream, size):
                values, length = read_header(stream, size)
            meta = unsealed(json.loads(values.pop("__metadata__")["clip"]))
            end = max((array["data_offsets"][1] for array in values.values()), default=0)
            whole = 8 + length + end == size and {"key", "info"} <= meta.keys()
            return meta if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
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

    def settled(self, stage: str, clip: str, key: str | None = None) -> dict[str, Any] | None:
        """Return the header of a file that must be there, after waiting for it.

        Parameters
        ----------
        stage, clip : str
            Whose file.
        key : str, optional
            The key that it must have.
        """
        header: dict[str, Any] | None = None

        def is_here() -> bool:
            nonlocal header
            header = self.header(stage, clip)
            found = header is not None and key in (None, header["key"])
            if not found and self.patience:
                self.packs.look_again(stage)
            return found

        wait_for(is_here, self.path(stage, clip).parent, self.patience)
        return header

    def lacking(self, stage: str, clip: str) -> str:
        """Say why a clip has no whole feature file, for an error message."""
        place, meta = self.where(stage, clip), self._own_header(stage, clip)
        lost = self._lost_sources(clip, meta) if meta else []
        if not lost:
            return f"{place} is missing or damaged"
        return f"{place} holds rows of {self.where(lost[0], clip)}, which is not there as it was"

    @contextmanager
    def opened(self, stage: str, clip: str) -> Iterator[Opened]:
        """Open a feature file to read some of its arrays.

        Raises
        ------
        BuildError
            If there is no whole file, or what is read from it is damaged.
        """
        header = self.settled(stage, clip)
        if header is None:
            raise BuildError(self.lacking(stage, clip), f"make it again: {again(stage, clip)}")
        with self._opened(stage, clip, header) as file:
            yield file

    @contextmanager
    def _opened(self, stage: str, clip: str, header: Mapping[str, Any]) -> Iterator[Opened]:
        try:
            with self.body(stage, clip) as (stream, size):
                tensors = Tensors.of(stream, stream.tell(), size)
                yield Opened(self, clip, header, tensors, stream)
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise BuildError(
                f"{self.where(stage, clip)} is missing or damaged ({error})",
                f"make it again: {again(stage, clip)}",
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
        self._known.get(stage, {}).pop(clip, None)
        self._listed.pop(stage, None)
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

    def discard(self, stage: str, clip: str, suffixes: tuple[str, ...] = ()) -> None:
        """Remove a clip's own feature file, and the attachments with `suffixes`.

        Files of transient stages, which alone are removed, are never packed.
        """
        self._known.get(stage, {}).pop(clip, None)
        for suffix in (SUFFIX, *suffixes):
            self.path(stage, clip, suffix).unlink(missing_ok=True)


def again(stage: str, clip: str) -> str:
    """Return the command that makes a clip's feature file again, whatever it looks like now."""
    return f"chsims-build --stage {stage} --clip {shlex.quote(clip)} --force"
