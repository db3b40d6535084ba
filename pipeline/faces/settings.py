"""Settings of the faces stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.settings import Device, Settings, operational

Score = Annotated[float, Field(ge=0, le=1)]


class FacesSettings(Settings):
    """How faces are detected, tracked and cropped."""

    crop: Literal["box", "aligned", "recipe"] = "box"
    """box: a square around the face with a margin; aligned: a five-point similarity transform;
    recipe: facenet-pytorch's own crop with margin 0 (the published recipe)."""
    margin: float = Field(0.25, ge=0, le=1)
    """Margin on each side of the square, as a fraction of the box's longer side (crop: box)."""
    image_size: int = Field(224, ge=64, le=1024)
    """Side of the crops, in pixels."""
    track: Literal["speaker", "largest"] = "speaker"
    """speaker: track one face through the clip; largest: take the largest face of each frame."""
    exact: bool = False
    """true: search every whole frame, as the published recipe does. false: search whole key frames
    and, between them, only near known faces; this gives the same boxes about ten times as fast."""
    key_frames: int = Field(15, ge=1, le=300)
    """Number of frames from one key frame to the next (exact: false)."""
    min_face_size: int = Field(20, ge=12)
    """Smallest face that MTCNN searches for, in pixels. Pictures larger than full HD are scaled to
    about that size before they are searched (exact: false); it counts in the scaled picture."""
    thresholds: tuple[Score, Score, Score] = (0.6, 0.7, 0.7)
    """Score thresholds of MTCNN's three nets (facenet-pytorch's defaults)."""
    min_probability: float = Field(0.9, ge=0, le=1)
    """Detections below this probability do not count as faces."""
    jpeg_quality: int = Field(95, ge=50, le=100)
    """JPEG quality of the stored crops (no chroma subsampling)."""
    batch_frames: int = operational(16, ge=1)
    """Number of frames decoded at once; with exact: true, also the size of MTCNN's batches."""
    device: Device = operational("auto")
    """Where MTCNN runs; auto uses CUDA if it is available."""
    keep_crops: bool = operational(True)
    """false: drop a clip's crops once OpenFace and the image encoder in use have read them, all but
    the thumbnails of the report. They are most of the disk. If another encoder needs them later,
    the clip's frames and faces are computed again."""
