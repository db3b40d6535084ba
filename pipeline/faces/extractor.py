"""faces: MTCNN on the 30 Hz frames, the speaker's track, and the crops along the track."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.faces.settings import FacesSettings
from pipeline.faces.track import Detections, follow_speaker, largest_face
from pipeline.media.pictures import FrameSource
from pipeline.store.features import Features


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

    version: ClassVar[int] = 4
    packages: ClassVar[tuple[str, ...]] = (
        "facenet-pytorch",
        "torch",
        "torchvision",
        "opencv-python-headless",
    )
    preload: ClassVar[tuple[str, ...]] = ("facenet_pytorch", "cv2")

    def __init__(self, settings: FacesSettings) -> None:
        from pipeline.faces.detector import make_detector

        self.settings = settings
        self.detector = make_detector(settings)

    def extract(self, inputs: FrameSource) -> Features:
        """Find the speaker's face in every frame of a clip.

        Parameters
        ----------
        inputs : FrameSource
            T frames on the 30 Hz grid.

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
        """
        from pipeline.faces.mtcnn import no_faces

        s = self.settings
        with_picture = inputs.shown >= 0
        if with_picture.any() and min(inputs.height, inputs.width) < s.min_face_size:
            raise ClipError(
                f"its frames are {inputs.width}x{inputs.height} pixels, smaller than the smallest "
                f"face searched for ({s.min_face_size})",
                "lower faces.min_face_size or leave the clip out",
            )
        found = [no_faces() for _ in with_picture]
        candidates: list[list[bytes]] = [[] for _ in with_picture]
        searched = self.detector.follow(inputs.batches(s.batch_frames))
        for t, (frame, seen) in zip(np.flatnonzero(with_picture), searched, strict=True):
            found[t] = seen.take(seen.probabilities >= s.min_probability)
            candidates[t] = self._crops(frame, found[t])
        choose = follow_speaker if s.track == "speaker" else largest_face
        return _gather(inputs, found, candidates, choose(found))

    def _crops(self, frame: NDArray[np.uint8], faces: Detections) -> list[bytes]:
        from pipeline.faces.crop import crop_face, encode_jpeg

        s = self.settings
        images = (
            crop_face(frame, box, points, crop=s.crop, size=s.image_size, margin=s.margin)
            for box, points in zip(faces.boxes, faces.landmarks, strict=True)
        )
        return [encode_jpeg(image, s.jpeg_quality) for image in images]


def _gather(
    source: FrameSource,
    found: list[Detections],
    candidates: list[list[bytes]],
    speaker: list[int | None],
) -> Features:
    total = len(found)
    box = np.full((total, 4), np.nan, np.float32)
    landmarks = np.full((total, 5, 2), np.nan, np.float32)
    probability = np.zeros(total, np.float32)
    offsets = np.zeros(total + 1, np.int64)
    crops = []
    for t, index in enumerate(speaker):
        if index is not None:
            box[t] = found[t].boxes[index]
            landmarks[t] = found[t].landmarks[index]
            probability[t] = found[t].probabilities[index]
            crops.append(candidates[t][index])
        offsets[t + 1] = offsets[t] + (len(crops[-1]) if index is not None else 0)
    faces = np.array([len(f.boxes) for f in found], np.int16)
    seen = np.array([index is not None for index in speaker])
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
        "crop_offsets": offsets,
        "crop_bytes": np.frombuffer(b"".join(crops), np.uint8),
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
    data = features.arrays["crop_bytes"].tobytes()
    return [data[start:end] if end > start else None for start, end in pairwise(offsets)]
