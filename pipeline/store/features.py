"""Feature files: one per clip and stage, written atomically, each with its key.

A feature file is a safetensors file: a JSON header, which can be read without the data, and plain
arrays. Reading it never executes code. The header carries the digest of the arrays, and one of
itself, so that a changed byte anywhere is noticed when it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BuildError
from pipeline.store.files import file_digest, read_json, sealed, unsealed, write_json, written_whole

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
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None


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

        Returns
        -------
        dict, optional
            ``key``, ``stage``, ``clip``, ``info`` and, but for files of early versions,
            ``digest`` (of the arrays) and ``file`` (suffix and digest of an attachment).
        """
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

    def key(self, stage: str, clip: str) -> str | None:
        """Return the key with which a clip's feature file was made, or None if there is none."""
        header = self.header(stage, clip)
        return None if header is None else header["key"]

    def read(self, stage: str, clip: str) -> Features:
        """Read a clip's arrays and quality figures.

        Raises
        ------
        BuildError
            If the file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self.path(stage, clip)
        header = self.header(stage, clip)
        try:
            if header is None:
                raise FileNotFoundError(path)
            arrays = load_file(path)
            if header.get("digest", found := _digest(arrays)) != found:
                raise ValueError("its arrays do not have the digest that its header names")
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BuildError(
                f"{path} is missing or damaged ({error})", f"make it again: {again(stage, clip)}"
            ) from error
        return Features(arrays=arrays, info=header["info"])

    def fault(self, stage: str, clip: str) -> str | None:
        """Read a clip's files whole and say what is wrong with them.

        Returns
        -------
        str, optional
            What is wrong; empty if all is as it was written; None if nothing can be said, since
            the file carries no digest.
        """
        try:
            self.read(stage, clip)
        except BuildError as error:
            return error.problem
        header = self.header(stage, clip) or {}
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
        meta = {"key": key, "stage": stage, "clip": clip, "info": features.info}
        meta["digest"] = _digest(arrays)
        if features.file is not None:
            suffix = features.file.suffix
            meta["file"] = {suffix: file_digest(features.file)}
            features.file.replace(self.path(stage, clip, suffix))
        # a single entry: the order of several would change from process to process
        entry = json.dumps(sealed(meta), sort_keys=True, ensure_ascii=False)
        with written_whole(self.path(stage, clip)) as temporary:
            _save(arrays, temporary, {"clip": entry})
        self.forget_failure(stage, clip)

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


def _save(arrays: Mapping[str, NDArray[Any]], path: Path, metadata: dict[str, str]) -> None:
    """Write the bytes that `safetensors.numpy.save` returns, without a copy of the arrays.

    Its own ``save`` takes three times the memory; ``save_file`` writes to a file of a random name
    first, which a killed process would leave behind.
    """
    from safetensors.numpy import save

    # the library decides on the order of the arrays, and on the names of their types
    empty = {name: array.reshape(-1)[:0] for name, array in arrays.items()}
    values: dict[str, Any] = json.loads(save(empty, metadata=metadata)[8:])
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


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays: their names, types, shapes and bytes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(_bytes_of(array))
    return found.hexdigest()
