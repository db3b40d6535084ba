"""Whether a dataset file still holds what was written into it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import Config, FeaturesSettings
from pipeline.corpus import LABELS, MODALITIES
from pipeline.dataset.info import DatasetInfo
from pipeline.dataset.inputs import quality_names
from pipeline.dataset.split import stored_parts
from pipeline.errors import BuildError


def dataset_fault(path: Path, config: Config) -> str | None:
    """Read a dataset file whole and say what is wrong with it.

    Parameters
    ----------
    path : Path
        ``dataset.h5``. Its attributes hold the digest of each part's content.
    config : Config
        The configuration in force; which slots the file has, it says itself.

    Returns
    -------
    str, optional
        What is wrong; empty if each part has the content that was written; None if nothing can
        be said: the file carries no digests, or was written with other quality figures.
    """
    import h5py

    try:
        info = DatasetInfo(path)
        with h5py.File(path, "r") as file:
            if info.digest is None:
                return None
            names, parts = _quality(info, config), stored_parts(file)
            if any({*names} > {*file[part]["quality"]} for part in parts):
                return None
            changed = [
                part
                for part in parts
                if part_digest(file[part], names) != file.attrs[f"digest_{part}"]
            ]
    except BuildError as error:
        return error.problem
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        return f"{path} cannot be read ({error})"
    if changed:
        return f"{path}: the content of {', '.join(changed)} has changed since it was written"
    return ""


def _quality(info: DatasetInfo, config: Config) -> list[str]:
    features = info.attributes["config"]["features"]
    written_with = FeaturesSettings.model_validate(features)
    return quality_names(config.model_copy(update={"features": written_with}))


def part_digest(group: Any, quality: Sequence[str]) -> str:
    """Return the digest of a part, in the order in which the writer wrote it.

    Parameters
    ----------
    group : h5py.Group
        The part.
    quality : sequence of str
        The quality figures of its stages, in the order of `quality_names`.
    """
    found = hashlib.sha256()
    for piece in _pieces(group, quality):
        found.update(piece)
    return found.hexdigest()


def _pieces(group: Any, quality: Sequence[str]) -> Iterator[bytes]:
    modalities = [modality for modality in MODALITIES if modality in group]
    yield from (_words(group, name) for name in ("id", "raw_text", "speaker", "gender", "age"))
    yield from (_numbers(group, f"labels/{name}") for name in LABELS)
    yield _numbers(group, "class")
    yield from (_numbers(group, f"quality/{name}") for name in quality)
    yield _words(group, "quality/warnings")
    for modality in modalities:
        yield _numbers(group, f"{modality}_lengths")
        yield _numbers(group, f"quality/{modality}_steps")
        yield _numbers(group, f"quality/{modality}_truncated")
    for row in range(len(group["id"])):
        for modality in modalities:
            yield group[modality][row].tobytes()
            if f"{modality}_valid" in group:
                yield group[f"{modality}_valid"][row].tobytes()


def _words(group: Any, name: str) -> bytes:
    return "\n".join([name, *map(str, group[name].asstr()[:]), ""]).encode()


def _numbers(group: Any, name: str) -> bytes:
    return f"{name}\n".encode() + bytes(group[name][:].tobytes())
