"""Settings of the faces stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.settings import Settings, operational

Score = Annotated[float, Field(ge=0, le=1)]


class FacesSettings(Settings):
    """How faces are detected, followed and cropped."""

    crop: Literal["box", "aligned", "recipe"] = "box"
    """box: a square around the face with a margin; aligned: five-point similarity alignment;
    recipe: facenet-pytorch's own crop with margin 0 (the published recipe)."""
    margin: float = Field(0.25, ge=0, le=1)
    """Margin on each side of the square box, as a fraction of its side (crop: box)."""
    image_size: int = Field(224, ge=64, le=1024)
    """Side of the crops, in pixels."""
    track: Literal["speaker", "largest"] = "speaker"
    """speaker: one face is followed through the clip; largest: the largest face, frame by frame."""
    exact: bool = False
    """Search every frame whole, as the published recipe does; otherwise whole key frames, and
    between them where faces were just seen: the same boxes some ten times as fast."""
    key_frames: int = Field(15, ge=1, le=300)
    """Frames from one that is searched whole to the next (exact: false)."""
    min_face_size: int = Field(20, ge=12)
    """Smallest face MTCNN looks for, in pixels."""
    thresholds: tuple[Score, Score, Score] = (0.6, 0.7, 0.7)
    """MTCNN's score thresholds for its three nets (facenet-pytorch's defaults)."""
    min_probability: float = Field(0.9, ge=0, le=1)
    """Detections below this probability do not count as faces."""
    jpeg_quality: int = Field(95, ge=50, le=100)
    """JPEG quality of the stored crops (4:4:4)."""
    batch_frames: int = operational(16, ge=1)
    """Frames that are decoded, and with exact: true go through MTCNN, at once."""
    device: Literal["auto", "cpu", "cuda"] = operational("auto")
    """Where MTCNN runs; auto takes CUDA when there is one."""
