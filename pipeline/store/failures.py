"""Which clips of a stage have files, and why others failed.

A failure is a small file, next to where the clip's feature file would be.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.store.files import read_json, write_json
from pipeline.store.packs import SUFFIX
from pipeline.store.places import Places

FAILED = ".failed.json"
"""Suffix of the file that says why a clip failed."""


@dataclass(frozen=True)
class Listing:
    """The clips of a stage that have a feature file, packed or not, and those with a failure."""

    made: frozenset[str]
    failed: frozenset[str]


class Failures(Places):
    """The clips that have files, and the failures, below one build's folder (`Places`)."""

    def __init__(self, root: Path, patience: float = 0.0) -> None:
        super().__init__(root, patience)
        self._listed: dict[str, Listing] = {}

    def list_once(self, stage: str) -> None:
        """List a stage's files, so that `cached_header` and `failure` do not look for each clip's.

        For a process that only reads: what other processes write later is not seen.
        """
        with suppress(OSError):  # a folder that may not be listed
            self._listed[stage] = self._listing(stage)

    def _listing(self, stage: str) -> Listing:
        made, failed = set(self.packs.clips(stage)), set()
        for video in _names(f"{self.root}/{stage}"):
            for name in _names(f"{self.root}/{stage}/{video}"):
                if name.endswith(SUFFIX):
                    made.add(f"{video}/{name.removesuffix(SUFFIX)}")
                elif name.endswith(FAILED):
                    failed.add(f"{video}/{name.removesuffix(FAILED)}")
        return Listing(frozenset(made), frozenset(failed))

    def failure(self, stage: str, clip: str) -> dict[str, Any] | None:
        """Return ``{"key", "reason", "remedy", "passing"}`` of the last failure, or None."""
        if stage in self._listed and clip not in self._listed[stage].failed:
            return None
        place = self._place(stage, clip, FAILED)
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
        self._listed.pop(stage, None)
        failure = {"key": key, "reason": reason, "remedy": remedy}
        write_json(
            self.path(stage, clip, FAILED),
            {**failure, "passing": True} if passing else failure,
        )

    def forget_failure(self, stage: str, clip: str) -> None:
        """Allow a clip to be tried again."""
        self.path(stage, clip, FAILED).unlink(missing_ok=True)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - strings are cheaper than paths
    except (FileNotFoundError, NotADirectoryError):
        return []
