"""Cutting the parts of a dataset into files of about one size."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.exports.source import Source


@dataclass(frozen=True)
class Shard:
    """Consecutive clips of one part.

    Parameters
    ----------
    part : str
        train, valid, test ...
    number, count : int
        Which of the part's shards it is, from 0, and how many there are.
    start, stop : int
        Positions of its first clip and of the one after its last.
    """

    part: str
    number: int
    count: int
    start: int
    stop: int


def shards_of(source: Source, limit: int) -> list[Shard]:
    """Cut every part that has clips after about `limit` bytes of features."""
    found = []
    for part in source.parts:
        cuts = _cuts(source.bytes_of(part), limit) if source.size(part) else []
        found += [
            Shard(part, number, len(cuts), start, stop) for number, (start, stop) in enumerate(cuts)
        ]
    return found


def _cuts(sizes: list[int], limit: int) -> list[tuple[int, int]]:
    cuts, start, held = [], 0, 0
    for place, size in enumerate(sizes):
        if held and held + size > limit:
            cuts.append((start, place))
            start, held = place, 0
        held += size
    return [*cuts, (start, len(sizes))]
