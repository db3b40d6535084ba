"""Pictures beyond full HD: searched scaled, cut from the full picture, and no other key changes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facenet_pytorch import MTCNN

from pipeline.config import make_config
from pipeline.faces import cuts
from pipeline.faces.crop import crop_face, encode_jpeg
from pipeline.faces.cuts import Cuts
from pipeline.faces.extractor import FaceExtractor, split_crops
from pipeline.faces.settings import FacesSettings
from pipeline.faces.sizes import FULL_HD, batch_size, searched_size
from pipeline.faces.stage import FACES
from pipeline.faces.track import overlap
from pipeline.stage import Build
from pipeline.store.shards import Clip, Streams
from tests.media import FACE, ffmpeg
from tests.test_media import frames_of


def test_a_4k_clip_is_searched_as_facenet_pytorch_does_and_cut_from_the_full_picture(
    tmp_path: Path,
) -> None:
    media = tmp_path / "4k.mp4"
    # a large picture in which the face has the size of one in a 720p picture
    picture = "scale=1280:720,pad=3840:2160:640:720:gray"
    ffmpeg("-t", "0.4", "-i", FACE, "-vf", picture, "-preset", "ultrafast", "-an", media)
    source = frames_of(media, tmp_path)
    settings = FacesSettings()
    features = FaceExtractor(settings).extract(source)
    mtcnn, crops = MTCNN(device="cpu"), split_crops(features)
    for t, frame in enumerate(np.concatenate(list(source.batches(1)))):
        box, points = (features.arrays[name][t] for name in ("box", "landmarks"))
        cut = crop_face(frame, box, points, crop="box", size=224, margin=settings.margin)
        assert crops[t] == encode_jpeg(cut, settings.jpeg_quality)
        if t % 5 == 0:
            expected, _, found = mtcnn.detect(frame, landmarks=True)
            assert overlap(box[None], np.asarray(expected[:1], np.float32)).item() >= 0.95
            assert np.abs(points - found[0]).max() < 0.05 * (box[2] - box[0])


def test_a_picture_that_several_frames_show_is_cut_for_each_of_them(tmp_path: Path) -> None:
    media = tmp_path / "4k.mp4"
    picture = "scale=1280:720,pad=3840:2160:640:720:gray"
    ffmpeg("-t", "0.1", "-i", FACE, "-vf", picture, "-preset", "ultrafast", "-an", media)
    once = frames_of(media, tmp_path)
    late = replace(once, shown=np.r_[0, 0, once.shown], source=np.r_[0, 0, once.source])
    crops = split_crops(FaceExtractor(FacesSettings()).extract(once))
    assert len(set(crops)) > 1
    assert split_crops(FaceExtractor(FacesSettings()).extract(late)) == [*crops[:1] * 2, *crops]


@pytest.mark.parametrize(
    "size", [(3840, 2160), (2160, 3840), (7680, 4320), (2560, 1441), (9000, 999)]
)
def test_a_large_picture_is_searched_at_a_level_of_its_own_pyramid(size: tuple[int, int]) -> None:
    width, height = searched_size(*size, FacesSettings())
    assert 0.5 * FULL_HD < width * height < 1.05 * FULL_HD
    step = math.log(width / size[0], 0.709)
    assert step == pytest.approx(round(step), abs=0.01)
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)


@pytest.mark.parametrize("size", [(320, 240), (1920, 1080), (1080, 1920), (1440, 1440)])
def test_a_picture_of_up_to_full_hd_is_searched_as_it_is(size: tuple[int, int]) -> None:
    assert searched_size(*size, FacesSettings()) == size
    assert batch_size(*size, FacesSettings()) == (16 if size == (320, 240) else 4)


def test_the_exact_search_scales_nothing_and_takes_fewer_pictures_at_once() -> None:
    exact = FacesSettings(exact=True)
    assert searched_size(7680, 4320, exact) == (7680, 4320)
    assert batch_size(7680, 4320, exact) == 1
    assert batch_size(1920, 1080, exact) == 4


def test_only_clips_that_are_searched_scaled_have_another_key(tmp_path: Path) -> None:
    config = make_config({"processed": str(tmp_path)})

    def words(width: int, height: int) -> str:
        clip = Clip("v/1", "v/1.mp4", "0", 1.0, "", Streams(video=0, width=width, height=height))
        assert Build.of(config).key(FACES, clip)
        return FACES.external(config, clip)

    assert words(1920, 1080) == words(0, 0) == ""
    assert words(3840, 2160) == "searched at 1930x1086"


def test_crops_of_a_long_clip_leave_memory_and_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "_IN_MEMORY", 100)
    with Cuts(tmp_path, 40) as kept:
        for frame in range(40):
            kept.add(frame, [bytes([frame, face]) * 10 for face in range(frame % 3)])
        speaker = [(frame % 3) - 1 if frame % 3 else None for frame in range(40)]
        expected = [bytes([f, i]) * 10 for f, i in enumerate(speaker) if i is not None]
        assert list(kept.chosen(speaker)) == expected
        assert not any(tmp_path.iterdir()), "a killed process would leave people's faces"
