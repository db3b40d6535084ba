"""faces: MTCNN over the 30 Hz frames, the speaker's track, and the crops along it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.extractor import Extractor
from pipeline.faces.settings import FacesSettings
from pipeline.faces.track import Detections, follow_speaker, largest_face
from pipeline.media import FrameSource
from pipeline.store import Features


class FaceExtractor(Extractor):
    """Detect, follow and crop the speaker's face (paper, section 3.2: MTCNN).

    Parameters
    ----------
    settings : FacesSettings
        Detector, track and crop.
    """

    version: ClassVar[int] = 1
    packages: ClassVar[tuple[str, ...]] = (
        "facenet-pytorch",
        "torch",
        "torchvision",
        "opencv-python-headless",
    )

    def __init__(self, settings: FacesSettings) -> None:
        import torch
        from facenet_pytorch import MTCNN

        device = settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.settings = settings
        self.mtcnn: Any = MTCNN(
            keep_all=True,
            min_face_size=settings.min_face_size,
            thresholds=list(settings.thresholds),
            device=torch.device(device),
        )

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
            range where the speaker's face was not found.

        Raises
        ------
        ClipError
            If the frames are too small for the detector.
        """
        from pipeline.faces.crop import crop_face, encode_jpeg

        s = self.settings
        if min(inputs.height, inputs.width) < s.min_face_size:
            raise ClipError(
                f"its frames are {inputs.width}x{inputs.height} pixels, smaller than the smallest "
                f"face looked for ({s.min_face_size})",
                "lower faces.min_face_size or leave the clip out",
            )
        found: list[Detections] = []
        candidates: list[list[bytes]] = []
        for batch in inputs.batches(s.batch_frames):
            for frame, faces in zip(batch, self.detect(batch), strict=True):
                found.append(faces)
                candidates.append(
                    [
                        encode_jpeg(
                            crop_face(
                                frame,
                                box,
                                points,
                                crop=s.crop,
                                size=s.image_size,
                                margin=s.margin,
                            ),
                            s.jpeg_quality,
                        )
                        for box, points in zip(faces.boxes, faces.landmarks, strict=True)
                    ]
                )
        choose = follow_speaker if s.track == "speaker" else largest_face
        return _gather(inputs, found, candidates, choose(found))

    def detect(self, frames: NDArray[np.uint8]) -> list[Detections]:
        """Run MTCNN on RGB frames ``[B, height, width, 3]`` and drop improbable faces."""
        boxes, probabilities, points = self._detect(frames)
        return [
            self._probable(b, p, q) for b, p, q in zip(boxes, probabilities, points, strict=True)
        ]

    def _detect(self, frames: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
        try:
            found: tuple[Any, Any, Any] = self.mtcnn.detect(frames, landmarks=True)
            return found
        except RuntimeError as error:
            # facenet-pytorch concatenates an empty list when no candidate of a whole batch
            # lies inside its frame
            if "non-empty" not in str(error):
                raise
        if len(frames) == 1:
            return ([None], [[None]], [None])
        single = [self._detect(frame[None]) for frame in frames]
        return tuple([one[part][0] for one in single] for part in range(3))  # type: ignore[return-value]

    def _probable(self, boxes: Any, probabilities: Any, points: Any) -> Detections:
        if boxes is None:
            return Detections(
                np.zeros((0, 4), np.float32),
                np.zeros(0, np.float32),
                np.zeros((0, 5, 2), np.float32),
            )
        sure = np.asarray(probabilities, np.float32) >= self.settings.min_probability
        return Detections(
            np.asarray(boxes, np.float32)[sure],
            np.asarray(probabilities, np.float32)[sure],
            np.asarray(points, np.float32)[sure],
        )


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
        "face_share": round(float(seen.mean()), 6),
        "second_face_share": round(float((others > 0).mean()), 6),
        "mean_probability": round(float(probability[seen].mean()), 6) if seen.any() else 0.0,
    }
    arrays: dict[str, NDArray[Any]] = {
        "box": box,
        "landmarks": landmarks,
        "probability": probability,
        "faces": faces,
        "crop_offsets": offsets,
        "crop_bytes": np.frombuffer(b"".join(crops), np.uint8),
    }
    return Features(arrays=arrays, info=info)


def split_crops(features: Features) -> list[bytes | None]:
    """Return each frame's JPEG crop, None where the speaker's face was not found."""
    offsets = features.arrays["crop_offsets"]
    data = features.arrays["crop_bytes"].tobytes()
    return [data[start:end] if end > start else None for start, end in pairwise(offsets)]
