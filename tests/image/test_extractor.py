"""Rows of a clip: its pictures at the chosen rate, zeros where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.faces.crop import encode_jpeg
from pipeline.frames.extractor import FrameExtractor, FrameInputs
from pipeline.frames.settings import FramesSettings
from pipeline.image.extractor import (
    CropInputs,
    FaceImageExtractor,
    WholeImageExtractor,
    _decoded,
)
from pipeline.image.settings import ImageSettings
from pipeline.media.pictures import FrameSource
from tests.image.models import write_image_model

MEDIA = Path("raw/demo/video_0001/0001.mp4")


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image_model(tmp_path_factory.mktemp("models") / "vit")


def settings(folder: Path, **others: Any) -> ImageSettings:
    return ImageSettings(model=str(folder), device="cpu", batch_frames=4, **others)


def test_frames_without_a_face_are_masked_rows_of_zeros(vit: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    crops = [encode_jpeg(picture, 95) for picture in noise]
    extractor = FaceImageExtractor(settings(vit))
    features = extractor.extract(CropInputs([None, *crops, None, crops[0]], errors=2))
    rows, valid = features.arrays["image"], features.arrays["valid"]
    assert rows.shape == (8, 24)
    assert valid.tolist() == [0, 1, 1, 1, 1, 1, 0, 1]
    assert not rows[[0, 6]].any()
    expected = extractor.encoder.encode([_decoded(crop) for crop in crops])
    np.testing.assert_allclose(rows[1:6], expected, atol=1e-5)
    np.testing.assert_allclose(rows[7], rows[1], atol=1e-5)
    assert features.info["pictured_share"] == 0.75
    assert features.info["errors"] == 2
    nothing = extractor.extract(CropInputs([None, None]))
    assert nothing.arrays["valid"].tolist() == [0, 0]


def test_crops_are_decoded_as_red_green_blue() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    assert np.abs(_decoded(encode_jpeg(red, 95)).astype(int) - red).max() <= 3
    with pytest.raises(ClipError, match="no JPEG"):
        _decoded(b"nothing of the kind")


def clip(target: Path, seconds: float = 4.16) -> FrameInputs:
    return FrameInputs(MEDIA, target, 0, size=(320, 240), announced=4.16, seconds=seconds)


def test_whole_frames_are_those_of_the_clip_at_the_chosen_rate(vit: Path, tmp_path: Path) -> None:
    extractor = WholeImageExtractor(settings(vit, fps=2))
    features = extractor.extract(clip(tmp_path / "unused"))
    decoded = FrameExtractor(FramesSettings(fps=2)).extract(clip(tmp_path / "frames.mkv"))
    source = FrameSource.of(decoded, tmp_path / "frames.mkv")
    whole = np.concatenate(list(source.batches(8)))
    assert features.arrays["valid"].all()
    assert len(whole) == len(features.arrays["image"]) == 8
    expected = extractor.encoder.encode(list(whole))
    np.testing.assert_allclose(features.arrays["image"], expected, atol=1e-5)
    assert features.info["rate"] == 2.0
    assert sorted(tmp_path.iterdir()) == [tmp_path / "frames.mkv"], "the lent frames do not stay"


def test_where_the_clip_has_no_picture_rows_are_masked(vit: Path, tmp_path: Path) -> None:
    extractor = WholeImageExtractor(settings(vit, fps=2))
    longer = clip(tmp_path / "unused", seconds=6.0)  # its sound goes on
    features = extractor.extract(longer)
    assert features.arrays["valid"].tolist() == [1] * 8 + [0] * 4
    assert not features.arrays["image"][8:].any()
    audio_only = FrameInputs(MEDIA, tmp_path / "x", None, (0, 0), announced=0, seconds=3.0)
    features = extractor.extract(audio_only)
    assert features.arrays["valid"].tolist() == [0] * 6
