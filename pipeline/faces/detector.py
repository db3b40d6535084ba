"""Find every face in every frame: frame by frame, or from key frame to key frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.extractor import pick_device
from pipeline.faces.facenet import MTCNN
from pipeline.faces.mtcnn import FaceNets, no_faces
from pipeline.faces.pictures import AreaTable
from pipeline.faces.settings import FacesSettings
from pipeline.faces.sheets import Part
from pipeline.faces.track import MIN_OVERLAP, Detections, overlap

Image = NDArray[np.uint8]
Found = tuple[Image, Detections]

SMALLEST_SHARE = 1 / 12
"""While no face is known, frames between key frames are searched for faces down to this share of
the frame's shorter side: 60 pixels at 720p."""
STEP_WITHOUT_FACE = 3
"""Where no face was seen for a window of frames, every third frame is searched. A face that is
visible in fewer frames joins no speaker's track either (`pipeline.faces.track.MIN_LINKED`)."""
MUCH_SMALLER = 0.25
"""While a face is known, other faces are searched for down to this share of its size."""
CUT = 0.2
"""Mean change of a coarse grid of pixel values in [-1, 1] that counts as a cut."""
GRID = (9, 16)


class Detector(Protocol):
    """Finds the faces in a clip's frames."""

    def follow(self, batches: Iterable[Image]) -> Iterator[Found]:
        """Yield each frame of the batches ``[B, height, width, 3]`` with its faces, in order."""
        ...


def make_detector(settings: FacesSettings) -> Detector:
    """Return the detector that the settings choose, with its nets loaded.

    Raises
    ------
    BuildError
        If ``faces.device`` names a GPU that is not here.
    """
    mtcnn = MTCNN(
        keep_all=True,
        min_face_size=settings.min_face_size,
        thresholds=list(settings.thresholds),
        device=pick_device(settings.device, "faces.device"),
    )
    if settings.exact:
        return FrameByFrame(mtcnn)
    return KeyFrames(mtcnn, settings.key_frames, settings.min_probability)


class FrameByFrame:
    """facenet-pytorch's own detection, on every frame separately.

    Parameters
    ----------
    mtcnn : facenet_pytorch.MTCNN
        The nets, with their thresholds and smallest face.
    """

    def __init__(self, mtcnn: Any) -> None:
        self.mtcnn = mtcnn

    def follow(self, batches: Iterable[Image]) -> Iterator[Found]:
        """Search each whole frame."""
        for batch in batches:
            for frame, *found in zip(batch, *self._detect(batch), strict=True):
                boxes, probabilities, points = found
                if boxes is None:
                    yield frame, no_faces()
                else:
                    arrays = (np.asarray(a, np.float32) for a in (boxes, probabilities, points))
                    yield frame, Detections(*arrays)

    def _detect(self, frames: Image) -> tuple[Any, Any, Any]:
        try:
            found: tuple[Any, Any, Any] = self.mtcnn.detect(frames, landmarks=True)
            return found
        except RuntimeError as error:
            # facenet-pytorch concatenates an empty list if no candidate in the whole batch
            # lies inside its frame
            if "non-empty" not in str(error):
                raise
        if len(frames) == 1:
            return ([None], [[None]], [None])
        single = [self._detect(frame[None]) for frame in frames]
        boxes, probabilities, points = ([one[part][0] for one in single] for part in range(3))
        return boxes, probabilities, points


class KeyFrames:
    """MTCNN on whole key frames; between them, only near the faces just seen.

    A frame is searched whole at the start of a window of frames, before and after a cut, while
    no face is known, and when a face is lost; but where none was seen for a window, only one frame
    in `STEP_WITHOUT_FACE`. A face first seen in such a frame is traced back through the window, so
    a face that enters between two key frames is found in all its frames. A frame that repeats the
    last one's picture has the same faces (the same object).

    Parameters
    ----------
    mtcnn : facenet_pytorch.MTCNN
        The nets, with their thresholds and smallest face.
    window : int
        Number of frames from one key frame to the next.
    sure : float
        If a face of at least this probability vanishes, the whole frame is searched.
    """

    def __init__(self, mtcnn: Any, window: int, sure: float) -> None:
        self.nets = FaceNets(mtcnn)
        self.smallest = float(mtcnn.min_face_size)
        self.window = window
        self.sure = sure

    def follow(self, batches: Iterable[Image]) -> Iterator[Found]:
        """Find faces window by window."""
        held: list[Found] = []
        before = None
        faceless, skipped = self.window, 0  # a clip begins as if no face was seen for a window
        for frame in (frame for batch in batches for frame in batch):
            if len(held) % self.window and _same(frame, held[-1][0]):
                held.append((frame, held[-1][1]))
                continue
            table = AreaTable(frame)
            grid = table.part(GRID, (0, GRID[0]), (0, GRID[1]))
            if before is not None and float(np.abs(grid - before).mean()) > CUT:
                yield from self._ended(held)
                held = []
            before = grid
            known = held[-1][1] if held else no_faces()
            faceless = 0 if len(known.boxes) else faceless + 1
            skipped += 1
            if len(held) % self.window == 0:
                faces, skipped = self._whole(table, known, held, key=True), 0
                yield from held
                held = []
            else:
                faces = self._near(table, known)
                due = skipped >= (STEP_WITHOUT_FACE if faceless > self.window else 1)
                if (due and not len(known.boxes)) or self._lost_one(known, faces):
                    faces, skipped = self._whole(table, known, held, key=False), 0
            held.append((frame, faces))
        yield from self._ended(held)

    def _ended(self, held: list[Found]) -> list[Found]:
        """Make a scene's last frame a key frame too: a face may have appeared just before it."""
        if len(held) > 1:
            frame, known = held.pop()
            held.append((frame, self._whole(AreaTable(frame), known, held, key=True)))
        return held

    def _whole(
        self, table: AreaTable, known: Detections, held: list[Found], *, key: bool
    ) -> Detections:
        faces = self.nets.search(table, self._parts(table, known, key))
        self._trace_back(held, _new(faces, known))
        return faces

    def _near(self, table: AreaTable, known: Detections) -> Detections:
        return self.nets.search(table, self.nets.near(table.height, table.width, known.boxes))

    def _parts(self, table: AreaTable, known: Detections, key: bool) -> list[Part]:
        """Return the parts to search in a whole frame; known faces limit the smallest size."""
        smallest = self.smallest
        if len(known.boxes):
            sides = (known.boxes[:, 2:] - known.boxes[:, :2]).max(1)
            smallest = min(float(sides.max()) * MUCH_SMALLER, float(sides.min()) / 2)
        elif not key:
            smallest = min(table.height, table.width) * SMALLEST_SHARE
        return self.nets.everywhere(table.height, table.width, smallest)

    def _lost_one(self, known: Detections, faces: Detections) -> bool:
        missing = _new(known, faces)
        return bool((missing.probabilities >= self.sure).any())

    def _trace_back(self, held: list[Found], new: Detections) -> None:
        """Add newly seen faces to the earlier frames of the window in which they are visible."""
        for position in range(len(held) - 1, -1, -1):
            if not len(new.boxes):
                return
            frame, faces = held[position]
            new = _new(self._near(AreaTable(frame), new), faces)
            held[position] = (frame, faces.join(new))


def _same(frame: Image, other: Image) -> bool:
    """Tell whether two frames show one picture, as every sixth does of 25 in 30 frames a second."""
    few = slice(None, None, 64)  # tells nearly all others apart
    return np.array_equal(frame[few], other[few]) and np.array_equal(frame, other)


def _new(faces: Detections, known: Detections) -> Detections:
    """Return the faces that overlap none of the known ones."""
    if not len(known.boxes) or not len(faces.boxes):
        return faces
    return faces.take(overlap(faces.boxes, known.boxes).max(1) < MIN_OVERLAP)
