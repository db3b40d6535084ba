"""Which shard each clip of the label sheet belongs to.

A clip keeps its shard as long as the sheet names it, wherever its line stands, so that a clip that
is added, removed or changed concerns the jobs of one shard. The shard files themselves say which
clips have a place in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.store.layout import Layout
from pipeline.store.shards import read_places


def places_of(layout: Layout, clips: Iterable[str], size: int) -> list[list[str]]:
    """Return the clips of each shard, in the order of the shards' numbers.

    Parameters
    ----------
    layout : Layout
        The build's folder, whose shard files are read.
    clips : iterable of str
        The ids of the sheet's clips, in its order.
    size : int
        The largest number of clips in a shard. If the shards were made with another size, all
        clips get new places.
    """
    return filled(_kept(layout, size), list(dict.fromkeys(clips)), size)


def filled(shards: Sequence[Sequence[str]], clips: Sequence[str], size: int) -> list[list[str]]:
    """Take the clips that are gone out of their shards, and give the new ones a place.

    New clips go into shards that are at most half full, the emptiest first; then into the last
    shard; then into new shards. A few new clips thus share a shard, and no sequence of edits leaves
    more than twice as many shards as the clips need. Empty shards at the end are dropped.

    Parameters
    ----------
    shards : sequence of sequences of str
        The ids in each shard until now.
    clips : sequence of str
        The ids that there are now, each once.
    size : int
        The largest number of clips in a shard.
    """
    waiting = set(clips)
    found: list[list[str]] = []
    for shard in shards:
        kept = [clip for clip in dict.fromkeys(shard) if clip in waiting]
        waiting.difference_update(kept)
        found.append(kept)
    new = [clip for clip in clips if clip in waiting]
    free = [number for number, shard in enumerate(found) if 2 * len(shard) <= size]
    free.sort(key=lambda number: (len(found[number]), number))
    for number in [*free, len(found) - 1] if found else []:
        room = size - len(found[number])
        found[number] += new[:room]
        new = new[room:]
    found += [new[i : i + size] for i in range(0, len(new), size)]
    while found and not found[-1]:
        found.pop()
    return found


def _kept(layout: Layout, size: int) -> list[list[str]]:
    """Read the places that clips have; a shard whose file is lost or damaged has none."""
    files = {int(path.stem): path for path in layout.numbered_shards}
    found: list[list[str]] = [[] for _ in range(max(files, default=-1) + 1)]
    for number, path in files.items():
        try:
            of_size, found[number] = read_places(path)
        except (OSError, ValueError):
            continue
        if of_size != size:
            return []
    return found
