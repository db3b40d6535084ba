"""One image, several names: a build keeps the name under which it first knew the image.

An image has an ID and, from registries, digests. The ID survives ``save`` and ``load``, the digests
do not; earlier versions made keys from a digest, and the configuration may pin either. The name
is a part of every key. So that another name of the same image recomputes nothing, the build's
folder records which names belong together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BuildError
from pipeline.openface.extractor import identity
from pipeline.openface.runtimes.select import select_runtime
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store.features import Store
from pipeline.store.files import read_json, write_json
from pipeline.store.layout import Layout

if TYPE_CHECKING:
    from pipeline.config import Config


def known_as(
    settings: OpenFaceSettings, folder: Path, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an identity with the name under which a build knows the image.

    Parameters
    ----------
    settings : OpenFaceSettings
        How OpenFace is started.
    folder : Path
        The build's folder.
    identity : mapping
        From `pipeline.openface.extractor.identity`.
    """
    if "image" not in identity:
        return dict(identity)
    return {**identity, "image": _known(settings, folder, identity["image"])}


def remember(config: Config) -> None:
    """Record the names of the image in use, at the start of a build.

    Raises
    ------
    BuildError
        If the record cannot be written.
    """
    folder, settings = config.processed, config.openface
    try:
        image = identity(settings).get("image")
    except BuildError:
        return  # the job that needs OpenFace says what is missing
    if image is None or any(image in names for names, _ in _recorded(folder)):
        return
    known = _known(settings, folder, image)
    groups = {name: set(group) for group, name in _recorded(folder)}
    groups[known] = groups.get(known, set()) | {image, known, *_names(settings)}
    write_json(
        _record(folder),
        [{"names": sorted(group), "known_as": name} for name, group in sorted(groups.items())],
    )


def _known(settings: OpenFaceSettings, folder: Path, image: str) -> str:
    recorded = _recorded(folder)
    for group, known in recorded:
        if image in group:
            return known
    made = _made_with(folder)
    first = next(made, None)
    if first in (None, image) and not recorded:
        return image
    names = {image, *_names(settings)}
    for group, known in recorded:
        if names & set(group):
            return known
    # files of a version that kept no record; a folder may hold those of other images, too
    return next((name for name in (first, *made) if name in names), None) or image


def _names(settings: OpenFaceSettings) -> tuple[str, ...]:
    try:
        return select_runtime(settings).found.names
    except BuildError:
        return ()


def _made_with(folder: Path) -> Iterator[str]:
    """Yield the image of each clip's table."""
    store = Store(folder)
    for clip in store.clips("openface"):
        with suppress(ValueError):
            header = store.header("openface", clip) or {}
            image = header.get("info", {}).get("identity", {}).get("image")
            if image:
                yield image


def _recorded(folder: Path) -> list[tuple[Collection[str], str]]:
    try:
        return [(group["names"], group["known_as"]) for group in read_json(_record(folder))]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _record(folder: Path) -> Path:
    return Layout(folder).settings("openface_images")
