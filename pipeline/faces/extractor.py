"""faces: MTCNN on the 30 Hz frames, the speaker's track, and the crops along the track."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.faces.cuts import Cuts
from pipeline.faces.settings import FacesSettings
from pipeline.faces.sizes import batch_size, searched_size
from pipeline.faces.track import Detections, follow_speaker, largest_face
from pipeline.media.pictures import FrameSource
from pipeline.store.features import Features

Image = NDArray[np.uint8]


class FaceExtractor(Extractor):
    """Detect, track and crop the speaker's face (paper, section 3.2: MTCNN).

    Parameters
    ----------
    settings : FacesSettings
        Detector, track and crop.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from pipeline.media.pictures import write_constant_rate
    >>> media, video = Path("raw/demo/video_0002/0005.mp4"), Path(tempfile.mkdtemp()) / "0001.mkv"
    >>> pictures = write_constant_rate(media, video, stream=0, size=(320, 240), fps=30)
    >>> each = np.arange(len(pictures.numbers), dtype=np.int32)
    >>> frames = FrameSource(video, 240, 320, 30, shown=each, source=each, times=each / 30)
    >>> features = FaceExtractor(FacesSettings()).extract(frames)
    >>> features.arrays["box"].shape
    (73, 4)
    >>> features.info["face_share"], features.info["second_face_share"]
    (1.0, 0.0)
    """

    version: ClassVar[int] = 6
    packages: ClassVar[tuple[str, ...]] = (
        "facenet-pytorch",
        "torch",
        "torchvision",
        "opencv-python-headless",
        "av",
    )
    preload: ClassVar[tuple[str, ...]] = (
        "pipeline.faces.facenet",
        "cv2",
        "av",
        "scipy.optimize",
        "pipeline.faces.kernels",
        "pipeline.faces.boxes",
    )

    def __init__(self, settings: FacesSettings) -> None:
        from pipeline.faces.detector import make_detector

        self.settings = settings
        self.detector = make_detector(settings)

    def extract(self, inputs: FrameSource) -> Features:
        """Find the speaker's face in every frame of a clip.

        Parameters
        ----------
        inputs : FrameSource
            T frames on the common grid.

        Returns
        -------
        Features
            ``box [T, 4]`` and ``landmarks [T, 5, 2]`` in pixels (NaN without a face),
            ``probability [T]`` (0 without a face), ``faces [T]`` (how many were found),
            ``crop_bytes`` and ``crop_offsets [T + 1]``: JPEG crops end to end, an empty
            range where the speaker's face was not found; ``source [T]``, the decoded picture
            of the clip's own video that a frame shows (-1 without one: such a frame has no
            face), and ``times``, when each of those is shown, in seconds on the clip's clock.

        Raises
        ------
        ClipError
            If the frames are too small for the detector.

        Notes
        -----
        Pictures of up to full HD are searched as they are, and faces are cut from them on the
        way. Larger ones are searched scaled (`pipeline.faces.sizes`); the speaker's crops are
        then cut from the full pictures, which are decoded again, one at a time.
        """
        from pipeline.faces.mtcnn import no_faces

        s = self.settings
        pictured = np.flatnonzero(inputs.shown >= 0)
        size = searched_size(inputs.width, inputs.height, s)
        if len(pictured) and min(size) < s.min_face_size:
            raise ClipError(
                f"its frames are {inputs.width}x{inputs.height} pixels, smaller than the smallest "
                f"face searched for ({s.min_face_size})",
                "lower faces.min_face_size or leave the clip out",
            )
        found = [no_faces() for _ in inputs.shown]
        if size == (inputs.width, inputs.height):
            with Cuts(inputs.scratch or inputs.path.parent, len(found)) as cuts:
                last, crops = no_faces(), list[bytes]()
                for t, (frame, seen) in self._searched(inputs, pictured):
                    found[t] = self._sure(seen)
                    if seen is not last:  # else the picture is the last one again
                        last, faces = seen, range(len(found[t].boxes))
                        crops = [self._cut(frame, found[t], face) for face in faces]
                    cuts.add(t, crops)
                speaker = self._choose(found)
                return _gather(inputs, found, speaker, cuts.chosen(speaker))
        for t, (_, seen) in self._searched(inputs, pictured, size):
            found[t] = self._sure(seen).scaled(inputs.width / size[0], inputs.height / size[1])
        speaker = self._choose(found)
        return _gather(inputs, found, speaker, self._cut_again(inputs, pictured, found, speaker))

    def _searched(
        self, inputs: FrameSource, pictured: NDArray[Any], scaled: tuple[int, int] | None = None
    ) -> Iterator[tuple[int, tuple[Image, Detections]]]:
        """Yield the number of each frame that has a picture, the picture and its faces."""
        width, height = scaled or (inputs.width, inputs.height)
        batches = inputs.batches(batch_size(width, height, self.settings), scaled)
        yield from zip(pictured.tolist(), self.detector.follow(batches), strict=True)

    def _sure(self, faces: Detections) -> Detections:
        return faces.take(faces.probabilities >= self.settings.min_probability)

    def _choose(self, found: list[Detections]) -> list[int | None]:
        return (follow_speaker if self.settings.track == "speaker" else largest_face)(found)

    def _cut_again(
        self,
        inputs: FrameSource,
        pictured: NDArray[Any],
        found: list[Detections],
        speaker: list[int | None],
    ) -> Iterator[bytes]:
        """Decode the full pictures once more, and yield the speaker's crops."""
        # a picture that several frames show comes several times in one batch
        frames = (frame for batch in inputs.batches(1) for frame in batch)
        for t, frame in zip(pictured.tolist(), frames, strict=True):
            index = speaker[t]
            if index is not None:
                yield self._cut(frame, found[t], index)

    def _cut(self, frame: Image, faces: Detections, index: int) -> bytes:
        from pipeline.faces.crop import crop_face, encode_jpeg

        s = self.settings
        box, points = faces.boxes[index], faces.landmarks[index]
        image = crop_face(frame, box, points, crop=s.crop, size=s.image_size, margin=s.margin)
        return encode_jpeg(image, s.jpeg_quality)


def _gather(
    source: FrameSource,
    found: list[Detections],
    speaker: list[int | None],
    crops: Iterable[bytes],
) -> Features:
    """Put together a clip's arrays; `crops` are those of the frames that have a speaker."""
    total = len(found)
    box = np.full((total, 4), np.nan, np.float32)
    landmarks = np.full((total, 5, 2), np.nan, np.float32)
    probability = np.zeros(total, np.float32)
    for t, index in enumerate(speaker):
        if index is not None:
            box[t] = found[t].boxes[index]
            landmarks[t] = found[t].landmarks[index]
            probability[t] = found[t].probabilities[index]
    seen = np.array([index is not None for index in speaker])
    data, sizes = bytearray(), []  # held once, however long the clip
    for crop in crops:
        data += crop
        sizes.append(len(crop))
    lengths = np.zeros(total, np.int64)
    lengths[seen] = sizes
    faces = np.array([len(f.boxes) for f in found], np.int16)
    others = faces - seen
    info = {
        "frames": total,
        "height": source.height,
        "width": source.width,
        "fps": source.fps,
        "without_picture": int((source.source < 0).sum()),
        "errors": source.errors,
        "face_share": round(float(seen.mean()), 6),
        "second_face_share": round(float((others > 0).mean()), 6),
        "mean_probability": round(float(probability[seen].mean()), 6) if seen.any() else 0.0,
    }
    arrays: dict[str, NDArray[Any]] = {
        "box": box,
        "landmarks": landmarks,
        "probability": probability,
        "faces": faces,
        "source": source.source,
        "times": source.times,
        "crop_offsets": np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        "crop_bytes": np.frombuffer(data, np.uint8),
    }
    return Features(arrays=arrays, info=info)


def split_crops(features: Features) -> list[bytes | None]:
    """Return each frame's JPEG crop, or None if the speaker's face was not found in it.

    Parameters
    ----------
    features : Features
        The result of `FaceExtractor.extract` for T frames.

    Returns
    -------
    list of bytes or None
        T entries.
    """
    offsets = features.arrays["crop_offsets"]
    data = features.arrays["crop_bytes"]
    return [data[start:end].tobytes() if end > start else None for start, end in pairwise(offsets)]
