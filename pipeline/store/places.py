"""Where a clip's feature file lies: in a file of its own, or in a pack."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

from pipeline.store.files import state_of
from pipeline.store.late import wait_for
from pipeline.store.packs import SUFFIX, Packs, packs_of, write_pack

_PLAIN_NAME = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]+")


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


class Places:
    """The places of the feature files below one build's folder.

    Parameters
    ----------
    root : Path
        The build's folder, ``processed/`` or ``processed/demo/``.
    patience : float
        Seconds to wait for a file that must be there, and that is perhaps shown late.
    """

    def __init__(self, root: Path, patience: float = 0.0) -> None:
        self.root = root
        self.patience = patience

    def path(self, stage: str, clip: str, suffix: str = SUFFIX) -> Path:
        """Return the path of a clip's own file, e.g. ``audio/video_0001/0001.safetensors``."""
        return Path(self._place(stage, clip, suffix))

    def _place(self, stage: str, clip: str, suffix: str) -> str:
        _check_id(clip)
        return f"{self.root}/{stage}/{clip}{suffix}"

    def attachment(self, stage: str, clip: str, suffix: str) -> Path:
        """Return the path of a file next to a feature file, once it is there."""
        path = self.path(stage, clip, suffix)
        wait_for(path.is_file, path.parent, self.patience)
        return path

    def _is_sound(self, stage: str, clip: str) -> bool:
        """Tell whether a file can be copied; its own digests tell whether it is whole."""
        try:
            with self.body(stage, clip):
                return True
        except (OSError, ValueError):
            return False

    @contextmanager
    def body(self, stage: str, clip: str) -> Iterator[tuple[BinaryIO, int]]:
        """Open a clip's feature file, its own or that in a pack; the own one is newer.

        Raises
        ------
        OSError, ValueError
            If there is none, or its pack is damaged.
        """
        path = self._place(stage, clip, SUFFIX)
        try:
            stream = open(path, "rb")  # noqa: PTH123, SIM115 - a str is cheaper than a Path here
        except FileNotFoundError:
            with self.packs.opened(stage, clip) as packed:
                yield packed
            return
        with stream:
            yield stream, os.fstat(stream.fileno()).st_size

    @property
    def packs(self) -> Packs:
        """The packs of the build's folder."""
        return packs_of(self.root)

    def holds(self, stage: str, clip: str) -> bool:
        """Tell whether a clip has a feature file, whatever its state."""
        return self.path(stage, clip).is_file() or self.packs.find(stage, clip) is not None

    def state(self, stage: str, clip: str) -> list[int] | None:
        """Return what changes whenever a clip's feature file does; None without one."""
        try:
            return state_of(self._place(stage, clip, SUFFIX))
        except FileNotFoundError:
            packed = self.packs.find(stage, clip)
        return None if packed is None else [*state_of(packed.pack), packed.header, packed.size]

    def loose(self, stage: str) -> list[str]:
        """Return the clips that have a feature file of their own, not one in a pack."""
        found = (self.root / stage).glob(f"*/*{SUFFIX}")
        return sorted(f"{path.parent.name}/{path.name.removesuffix(SUFFIX)}" for path in found)

    def clips(self, stage: str) -> list[str]:
        """Return the clips that have a feature file; a stranger's file may have no clip's name."""
        return sorted({*self.loose(stage), *self.packs.clips(stage)})

    def where(self, stage: str, clip: str) -> str:
        """Return where a clip's feature file is, or would be, in words."""
        path, packed = self.path(stage, clip), self.packs.find(stage, clip)
        return f"{packed.pack} ({clip})" if packed and not path.is_file() else str(path)

    def pack(self, stage: str, job: str, clips: Iterable[str]) -> bool:
        """Put the feature files of a job's clips into its pack; what is packed already stays.

        Returns
        -------
        bool
            Whether the pack was written: there was a file to put into it.

        Raises
        ------
        BuildError
            If the pack cannot be written; the files are then where they were.
        """
        loose = [clip for clip in clips if self.path(stage, clip).is_file()]
        if not loose:
            return False
        path = self.packs.layout.pack(stage, job)
        stays = [clip for clip in self.packs.in_pack(stage, path) if self._is_sound(stage, clip)]
        sources = {clip: partial(self.body, stage, clip) for clip in [*stays, *loose]}
        write_pack(path, sources, self.packs.newest(stage, loose))
        for clip in loose:
            self.path(stage, clip).unlink(missing_ok=True)
        return True
