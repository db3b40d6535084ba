"""The thumbnails that were kept when a film's pictures were searched for faces."""

from __future__ import annotations

from bisect import bisect_left

from pipeline.errors import BuildError
from pipeline.store.features import Store


class Thumbnails:
    """Small pictures of films, by number.

    Parameters
    ----------
    store : Store
        Where the faces are stored.
    parts : dict of str to list of str
        What was stored of the pictures of each film that were searched, by video id.
    """

    def __init__(self, store: Store, parts: dict[str, list[str]]) -> None:
        self._store, self._parts = store, parts
        self._pictures: dict[str, tuple[list[int], list[tuple[str, int]]]] = {}
        self._open: tuple[str, list[bytes]] | None = None

    def nearest(self, video_id: str, first: int, stop: int) -> bytes | None:
        """Return the JPEG of the picture nearest the middle of a part, or None if it has none."""
        if video_id not in self._pictures:
            self._pictures[video_id] = self._listed(video_id)
        numbers, places = self._pictures[video_id]
        middle = (first + stop) // 2
        near = bisect_left(numbers, middle)
        inside = [
            i for i in (near - 1, near) if 0 <= i < len(numbers) and first <= numbers[i] < stop
        ]
        if not inside:
            return None
        best = min(inside, key=lambda i: abs(numbers[i] - middle))
        part, place = places[best]
        return self._of(part)[place]

    def _listed(self, video_id: str) -> tuple[list[int], list[tuple[str, int]]]:
        found = []
        for part in self._parts.get(video_id, ()):
            try:
                thumbs = self._store.read("faces", part).arrays["thumbs"]
            except BuildError:
                continue  # a film of an earlier call whose store was cleaned
            found += [(int(number), (part, place)) for place, number in enumerate(thumbs)]
        found.sort()
        return [number for number, _ in found], [place for _, place in found]

    def _of(self, part: str) -> list[bytes]:
        """Return the thumbnails of a part; those of one part at a time are held."""
        if self._open is None or self._open[0] != part:
            arrays = self._store.read("faces", part).arrays
            data, offsets = arrays["thumb_bytes"], arrays["thumb_offsets"]
            pictures = [
                data[offsets[i] : offsets[i + 1]].tobytes() for i in range(len(offsets) - 1)
            ]
            self._open = part, pictures
        return self._open[1]
