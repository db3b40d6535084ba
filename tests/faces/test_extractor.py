"""Faces: MTCNN's own boxes, the speaker and nobody else, a record for every frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from facenet_pytorch import MTCNN

from pipeline.errors import ClipError
from pipeline.faces.extractor import FaceExtractor, split_crops
from pipeline.faces.settings import FacesSettings
from pipeline.media.pictures import FrameSource
from pipeline.store.features import Features
from tests.media import face_clip, no_face, two_faces
from tests.test_media import frames_of


@pytest.fixture(scope="module")
def extractor() -> FaceExtractor:
    return FaceExtractor(FacesSettings())


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> FrameSource:
    folder = tmp_path_factory.mktemp("face")
    return frames_of(face_clip(folder / "face.mp4", seconds=0.7), folder)


@pytest.fixture(scope="module")
def found(extractor: FaceExtractor, face: FrameSource) -> Features:
    return extractor.extract(face)


@pytest.mark.parametrize("exact", [True, False])
def test_boxes_and_landmarks_are_those_of_facenet_pytorch(face: FrameSource, exact: bool) -> None:
    found = FaceExtractor(FacesSettings(exact=exact)).extract(face)
    frames = np.concatenate(list(face.batches(8)))
    mtcnn = MTCNN(device="cpu")
    for t in range(0, face.frames, 4):
        boxes, probabilities, points = mtcnn.detect(frames[t], landmarks=True)
        assert np.abs(found.arrays["box"][t] - boxes[0]).max() < 1
        assert np.abs(found.arrays["landmarks"][t] - points[0]).max() < 1
        assert found.arrays["probability"][t] == pytest.approx(probabilities[0], abs=1e-3)


def test_every_frame_has_a_record_and_a_crop_of_the_asked_size(found: Features) -> None:
    crops = split_crops(found)
    assert len(crops) == found.info["frames"] == len(found.arrays["faces"])
    for crop in crops:
        assert crop is not None
        assert cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR).shape == (224, 224, 3)


def test_a_clip_without_a_face_is_recorded_frame_by_frame(
    extractor: FaceExtractor, tmp_path: Path
) -> None:
    source = frames_of(no_face(tmp_path / "none.mp4", 0.5), tmp_path)
    features = extractor.extract(source)
    assert features.info["face_share"] == 0
    assert split_crops(features) == [None] * source.frames
    assert np.isnan(features.arrays["box"]).all()


def test_a_second_face_is_counted_and_never_taken_for_the_speakers(
    extractor: FaceExtractor, tmp_path: Path
) -> None:
    source = frames_of(two_faces(tmp_path / "two.mp4", 1.0), tmp_path)
    features = extractor.extract(source)
    late = features.arrays["faces"][-8:]
    assert (late == 2).all()
    assert 0.2 < features.info["second_face_share"] < 0.8
    assert (features.arrays["box"][:, 2] < 320).all(), "the speaker is on the left"


def test_frames_smaller_than_any_face_are_refused_with_the_remedy(
    extractor: FaceExtractor, face: FrameSource
) -> None:
    with pytest.raises(ClipError, match="16x16") as caught:
        extractor.extract(replace(face, height=16, width=16))
    assert "min_face_size" in caught.value.remedy


def test_the_default_crop_is_a_square_with_a_margin_and_the_eyes_above_the_middle(
    found: Features, face: FrameSource
) -> None:
    box = found.arrays["box"][0]
    frame = next(face.batches(1))[0]
    crop = split_crops(found)[0]
    assert crop is not None
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(crop, np.uint8), 1), cv2.COLOR_BGR2RGB)
    side = max(box[2] - box[0], box[3] - box[1])
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    width = 100  # what lies outside the frame repeats its edge
    padded = np.pad(frame, ((width, width), (width, width), (0, 0)), "edge")
    top, left = np.round([y - side * 0.75 + width, x - side * 0.75 + width]).astype(int)
    part = padded[top : top + round(side * 1.5), left : left + round(side * 1.5)]
    expected = cv2.resize(part, (224, 224))
    assert np.abs(image.astype(float) - expected).mean() < 4


@pytest.mark.parametrize("crop", ["aligned", "recipe"])
def test_the_other_crops_show_the_face_too(face: FrameSource, crop: str) -> None:
    extractor = FaceExtractor(FacesSettings.model_validate({"crop": crop}))
    jpeg = split_crops(extractor.extract(face))[0]
    assert jpeg is not None
    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert image.shape == (224, 224, 3)
    boxes, _, points = MTCNN(device="cpu").detect(image, landmarks=True)
    assert boxes is not None
    if crop == "aligned":
        eyes = points[0][:2]
        assert abs(eyes[0][1] - eyes[1][1]) < 6, "aligned eyes lie on one line"
