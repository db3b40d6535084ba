"""Key frames: the faces of facenet-pytorch frame by frame, none lost, whatever happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from facenet_pytorch import MTCNN

from pipeline.faces.detector import KeyFrames, make_detector
from pipeline.faces.mtcnn import FaceNets
from pipeline.faces.pictures import AreaTable
from pipeline.faces.settings import FacesSettings
from pipeline.faces.track import Detections, overlap
from pipeline.media.pictures import FrameSource
from tests.media import FACE, OTHER, face_clip, ffmpeg
from tests.test_media import frames_of

SURE = 0.95


@pytest.fixture(scope="module")
def mtcnn() -> MTCNN:
    return MTCNN(keep_all=True, device="cpu")


def found_in(frames: np.ndarray, **settings: object) -> list[Detections]:
    detector = make_detector(FacesSettings.model_validate(settings))
    return [faces for _, faces in detector.follow([frames[:7], frames[7:]])]


def all_frames(source: FrameSource) -> np.ndarray:
    return np.concatenate(list(source.batches(16)))


def overlaps(frames: np.ndarray, found: list[Detections], mtcnn: MTCNN, step: int) -> np.ndarray:
    """Best overlap with each sure face of facenet-pytorch; 0 where that face was lost."""
    best = []
    for t in range(0, len(frames), step):
        boxes, probabilities = mtcnn.detect(frames[t])
        if boxes is None:
            continue
        for box in np.asarray(boxes, np.float32)[probabilities.astype(float) >= SURE]:
            near = overlap(box[None], found[t].boxes)
            best.append(near.max() if near.size else 0.0)
    return np.array(best)


def check(values: np.ndarray) -> None:
    assert len(values)
    assert np.median(values) >= 0.95
    assert np.percentile(values, 1) >= 0.8, "also: no face was lost"


def test_a_720p_face_is_found_where_facenet_pytorch_finds_it(tmp_path: Path, mtcnn: MTCNN) -> None:
    hd = tmp_path / "hd.mp4"
    ffmpeg("-t", "0.7", "-i", FACE, "-vf", "scale=1280:720:flags=bicubic", "-an", hd)
    frames = all_frames(frames_of(hd, tmp_path))
    check(overlaps(frames, found_in(frames), mtcnn, 4))


def test_the_faces_of_real_clips_are_those_of_facenet_pytorch(
    tmp_path: Path, mtcnn: MTCNN, real_media: Path
) -> None:
    frames = all_frames(frames_of(real_media / "single_face.mp4", tmp_path))
    check(overlaps(frames, found_in(frames), mtcnn, 5))


def test_a_face_that_comes_late_and_a_hand_before_it_lose_no_frame(
    tmp_path: Path, mtcnn: MTCNN, real_media: Path
) -> None:
    media, small = real_media / "noface_face.mov", tmp_path / "small.mp4"
    ffmpeg("-ss", "3.6", "-t", "1.2", "-i", media, "-vf", "scale=640:360", small)
    frames = all_frames(frames_of(small, tmp_path))
    found = found_in(frames)
    check(overlaps(frames, found, mtcnn, 3))
    assert not len(found[0].boxes), "the clip begins without a face"


@pytest.mark.parametrize("enters", [1, 14, 20])
def test_a_face_that_enters_between_key_frames_is_in_all_its_frames(
    tmp_path: Path, enters: int
) -> None:
    face = all_frames(frames_of(face_clip(tmp_path / "a.mp4"), tmp_path))[:30]
    frames = np.full((30, 240, 640, 3), 127, np.uint8)
    frames[:, :, :320] = face
    frames[enters:, :, 320:] = face[enters:, :, ::-1]
    found = found_in(frames)
    assert [len(f.boxes) for f in found] == [1] * enters + [2] * (30 - enters)


@pytest.mark.parametrize("enters", [1, 2, 3, 13, 16, 18])
def test_a_first_face_is_in_all_its_frames_whichever_is_searched(
    tmp_path: Path, enters: int
) -> None:
    """A clip that begins without a face: only some frames are searched between key frames."""
    frames = all_frames(frames_of(face_clip(tmp_path / "a.mp4"), tmp_path))[:24].copy()
    frames[:enters] = 127
    # the picture before the face changes too, so that nothing counts as a cut or as repeated
    frames[:enters, :40] = np.random.default_rng(0).integers(0, 255, (enters, 40, 320, 3))
    assert [len(f.boxes) for f in found_in(frames)] == [0] * enters + [1] * (24 - enters)


@pytest.mark.parametrize("cut", [3, 22])
def test_a_cut_to_another_face_elsewhere_loses_no_frame(tmp_path: Path, cut: int) -> None:
    first = all_frames(frames_of(face_clip(tmp_path / "a.mp4"), tmp_path))[:30]
    ffmpeg("-t", "1.4", "-i", OTHER, "-vf", "scale=160:120,pad=320:240:160:120", tmp_path / "b.mp4")
    second = all_frames(frames_of(tmp_path / "b.mp4", tmp_path))[:30]
    found = found_in(np.concatenate([first[:cut], second[cut:]]))
    assert all(len(f.boxes) == 1 for f in found)
    right = [bool(f.boxes[0, 0] > 160) for f in found]
    assert right == [False] * cut + [True] * (30 - cut)


def test_a_face_that_vanishes_is_gone_in_the_very_frame(tmp_path: Path) -> None:
    frames = all_frames(frames_of(face_clip(tmp_path / "a.mp4"), tmp_path))[:30].copy()
    frames[11:] = 127
    assert [len(f.boxes) for f in found_in(frames)] == [1] * 11 + [0] * 19


def test_candidates_of_which_none_is_a_face_are_no_faces_of_the_right_shape(tmp_path: Path) -> None:
    """facenet-pytorch answers no boxes with three columns, which then broke a frame's join."""
    frame = all_frames(frames_of(face_clip(tmp_path / "a.mp4", seconds=0.1), tmp_path))[0]
    nets = FaceNets(MTCNN(thresholds=[0.6, 0.7, 1.0], device="cpu"))
    found = nets.search(AreaTable(frame), nets.everywhere(*frame.shape[:2], 20))
    assert found.boxes.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)
    assert len(found.join(found).boxes) == 0


def test_how_the_frames_arrive_changes_nothing(tmp_path: Path) -> None:
    frames = all_frames(frames_of(face_clip(tmp_path / "a.mp4"), tmp_path))[:20]
    detector = make_detector(FacesSettings(key_frames=6))
    assert isinstance(detector, KeyFrames)
    one = list(detector.follow(frames[i : i + 1] for i in range(20)))
    all_ = list(detector.follow([frames]))
    assert len(one) == len(all_) == 20
    for (image, faces), (other_image, other) in zip(one, all_, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(faces.boxes, other.boxes)
        np.testing.assert_array_equal(faces.landmarks, other.landmarks)


def test_a_picture_that_is_repeated_keeps_its_faces(tmp_path: Path, mtcnn: MTCNN) -> None:
    """As every sixth frame of a clip of 25 pictures a second."""
    frames = all_frames(frames_of(face_clip(tmp_path / "a.mp4"), tmp_path))[:25]
    shown = np.arange(30) * 25 // 30
    found = found_in(frames[shown], key_frames=8)
    repeated = [t for t in range(1, 30) if shown[t] == shown[t - 1]]
    assert len(repeated) == 5
    assert all(found[t] is found[t - 1] for t in repeated if t % 8)
    check(overlaps(frames[shown], found, mtcnn, 3))
