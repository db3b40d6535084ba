"""The faces in a film's pictures, a few per second, where somebody speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.propose.film import Film, Index, Times, pictures
from pipeline.store.features import Features

if TYPE_CHECKING:
    from pipeline.faces.settings import FacesSettings

VERSION = 1
"""Raised by hand when the same pictures would give other faces."""

CHUNK_SECONDS = 60.0
"""Pictures of so many seconds are searched in one go, which is then stored."""

_ROWS = 540
"""Pictures are searched at no more than this height."""
_SMALLEST = 20
"""The smallest face that MTCNN searches for, in pixels of the searched picture."""
_THUMB = 160
_THUMB_SECONDS = 1.0
"""Width of the report's thumbnails, and seconds from one to the next."""


class FaceFinder:
    """MTCNN on single pictures of a film.

    Parameters
    ----------
    faces : FacesSettings
        ``thresholds`` and ``device`` of MTCNN.
    """

    def __init__(self, faces: FacesSettings) -> None:
        from facenet_pytorch import MTCNN

        from pipeline.extractor import pick_device
        from pipeline.faces.mtcnn import FaceNets

        self.nets = FaceNets(
            MTCNN(
                keep_all=True,
                min_face_size=_SMALLEST,
                thresholds=list(faces.thresholds),
                device=pick_device(faces.device, "faces.device"),
            )
        )

    def find(self, picture: NDArray[np.uint8], scale: float) -> tuple[Any, Any]:
        """Return boxes ``[n, 4]`` in pixels of the film, and probabilities, largest first.

        Parameters
        ----------
        picture : ndarray, uint8 [height, width, 3]
            RGB.
        scale : float
            Its pixels per pixel of the film.
        """
        from pipeline.faces.pictures import AreaTable

        height, width = picture.shape[:2]
        parts = self.nets.everywhere(height, width, _SMALLEST)
        found = self.nets.search(AreaTable(picture), parts)
        return found.boxes / np.float32(scale), found.probabilities


def find_faces(
    film: Film, index: Index, times: Times, wanted: Sequence[int], finder: FaceFinder
) -> Features:
    """Search some pictures of a film.

    Parameters
    ----------
    film : Film
        The film.
    index : Index
        Where decoding can begin.
    times : ndarray, float64 [n]
        When each picture of the film is shown.
    wanted : sequence of int
        Numbers of the pictures to search, rising.
    finder : FaceFinder
        The detector.

    Returns
    -------
    Features
        ``pictures [m]``, the numbers of those that were found again; ``offsets [m + 1]`` of
        their faces; ``boxes [f, 4]`` and ``probabilities [f]``; and thumbnails:
        ``thumbs [t]`` (numbers of pictures), ``thumb_offsets [t + 1]``, ``thumb_bytes``.
    """
    shown = _Shown(film)
    moments = {float(times[number]): number for number in wanted}
    numbers: list[int] = []
    boxes: list[Any] = []
    scores: list[Any] = []
    thumbs: list[tuple[int, bytes]] = []
    last = max(moments, default=0.0)
    next_thumb = -np.inf
    for time, frame in pictures(film, min(moments, default=0.0), index=index):
        if time > last:
            break
        number = moments.get(time)
        if number is None:
            continue
        picture, scale = shown.rgb(frame)
        box, score = finder.find(picture, scale)
        numbers.append(number)
        boxes.append(box)
        scores.append(score)
        if time >= next_thumb:
            thumbs.append((number, _thumbnail(picture)))
            next_thumb = time + _THUMB_SECONDS
    counts = [0, *(len(box) for box in boxes)]
    sizes = [0, *(len(data) for _, data in thumbs)]
    return Features(
        {
            "pictures": np.array(numbers, np.int64),
            "offsets": np.cumsum(counts, dtype=np.int64),
            "boxes": np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            "probabilities": np.concatenate([np.zeros(0, np.float32), *scores]),
            "thumbs": np.array([number for number, _ in thumbs], np.int64),
            "thumb_offsets": np.cumsum(sizes, dtype=np.int64),
            "thumb_bytes": np.frombuffer(b"".join(data for _, data in thumbs), np.uint8),
        },
        {},
    )


class _Shown:
    """Pictures as displayed, scaled for the search: square pixels, upright."""

    def __init__(self, film: Film) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self._turns = -film.rotation // 90
        self.scale = min(1.0, _ROWS / min(film.height, film.width))
        width, height = (max(1, round(s * self.scale)) for s in (film.width, film.height))
        self._size = (width, height) if film.rotation in (0, 180) else (height, width)

    def rgb(self, frame: Any) -> tuple[NDArray[np.uint8], float]:
        """Return a picture ``[height, width, 3]`` and its pixels per pixel of the film."""
        scaled = self._reformatter.reformat(frame, *self._size, "rgb24", interpolation="AREA")
        upright = np.rot90(scaled.to_ndarray(), self._turns)
        return np.ascontiguousarray(upright), self.scale


def _thumbnail(picture: NDArray[np.uint8]) -> bytes:
    import cv2

    height, width = picture.shape[:2]
    share = _THUMB / max(width, height)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, 70]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), options)
    assert done
    return bytes(data)
