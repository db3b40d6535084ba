"""Runtime import: how CSVs that exist already meet the clip's frames and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.belongs import CROP
from pipeline.errors import ClipError
from pipeline.openface.columns import COLUMNS, SUCCESS
from pipeline.openface.imported import ImportedOpenFace, ImportInputs
from pipeline.openface.pictures import read_pictures
from pipeline.openface.settings import OpenFaceSettings
from pipeline.openface.table import parse_table
from pipeline.store.features import Features
from tests.conftest import DEMO
from tests.media import FACE, face_clip, ffmpeg
from tests.openface.csvs import changed, demo_csv, real_csv, with_cell, with_rows, with_timestamps
from tests.openface.faces import face_of

ROWS, PICTURES = 64, 51
CLIP = DEMO / "video_0003" / "0007.mp4"


def extract(
    csv: str | bytes,
    frames: int = ROWS,
    media: Path = CLIP,
    *,
    without_face: tuple[int, ...] = (),
    without_picture: tuple[int, ...] = (),
    stream: int | None = 0,
    **settings: Any,
) -> Features:
    """Import a CSV of a clip whose face is the demo CSV's."""
    data = csv.encode() if isinstance(csv, str) else csv
    face = face_of(parse_table(demo_csv().encode(), "demo"), frames)
    nowhere = [*without_face, *without_picture]
    face.box[nowhere], face.points[nowhere] = np.nan, np.nan
    inputs = ImportInputs(
        csv=data,
        name="0007.csv",
        media=media,
        stream=stream,
        zero=0.0,
        box=face.box.astype(np.float32),
        points=face.points.astype(np.float32),
        pictured=~np.isin(np.arange(frames), without_picture),
        width=320,
        height=240,
        fps=30.0,
        crop=CROP,
    )
    return ImportedOpenFace(OpenFaceSettings(runtime="import", **settings)).extract(inputs)


def video_csv(rows: int, rate: float = 23.976) -> str:
    """Return a CSV as OpenFace writes it for a video."""
    return with_timestamps(with_rows(demo_csv(), rows), rate)


def test_image_csvs_are_matched_by_frame_and_say_nothing_when_exact() -> None:
    features = extract(demo_csv())
    assert features.arrays["table"].shape == (ROWS, 714)
    np.testing.assert_allclose(features.arrays["times"], np.arange(ROWS) / 30)
    assert features.info == {"runtime": "import", "rows": ROWS, "grid": "frame", "notes": []}


@pytest.mark.parametrize("frames", [ROWS - 1, ROWS + 1])
def test_one_row_more_or_less_is_tolerated_and_said(frames: int) -> None:
    (note,) = extract(demo_csv(), frames).info["notes"]
    assert f"64 rows for {frames} frames" in note


def test_a_larger_difference_is_an_error_that_names_all_numbers() -> None:
    with pytest.raises(ClipError) as caught:
        extract(demo_csv(), 10 * ROWS)
    assert "64 rows; the clip's video has 51 pictures (23.98 a second)" in caught.value.reason
    assert "640 frames at 30 Hz" in caught.value.reason


def test_row_i_of_a_videos_csv_is_decoded_picture_i() -> None:
    features = extract(video_csv(PICTURES))
    times = read_pictures(CLIP, 0).times
    np.testing.assert_allclose(features.arrays["times"], times - times[0])
    assert features.info["grid"] == "picture"
    (note,) = features.info["notes"]
    assert "51 rows are the video's 51 pictures (23.98 a second)" in note
    assert "wrong" not in note


@pytest.mark.parametrize("rate", [1000, 30, 0.5])
def test_a_rate_that_openface_misread_places_nothing(rate: float) -> None:
    features = extract(video_csv(PICTURES, rate))
    np.testing.assert_array_equal(
        features.arrays["times"], extract(video_csv(PICTURES)).arrays["times"]
    )
    (note,) = features.info["notes"]
    assert f"which say {rate:.1f} a second, are wrong and not used" in note


def test_a_rate_that_openface_read_as_0_places_nothing() -> None:
    csv = with_cell(video_csv(PICTURES), 0, "timestamp", " -nan")
    for row in range(1, PICTURES):
        csv = with_cell(csv, row, "timestamp", " inf")
    features = extract(csv)
    assert features.info["grid"] == "picture"
    (note,) = features.info["notes"]
    assert "51 rows are the video's 51 pictures (23.98 a second)" in note


def test_a_variable_rate_is_followed_picture_by_picture(tmp_path: Path) -> None:
    clip = tmp_path / "phone.mp4"
    # 30 pictures a second, after one second every third
    keep = "select='lt(n,30)+not(mod(n,3))'"
    ffmpeg("-t", "2.1", "-i", FACE, "-vf", f"fps=30,{keep}", "-fps_mode", "vfr", "-an", clip)
    pictures = read_pictures(clip, 0)
    count = len(pictures.times)
    assert pictures.rates == "10 to 30 a second"
    mean = (count - 1) / float(pictures.times[-1])
    csv = with_timestamps(with_rows(demo_csv(), count), mean)
    features = extract(csv, 63, clip, import_check="warn")
    np.testing.assert_allclose(features.arrays["times"], pictures.times)
    assert "(10 to 30 a second)" in features.info["notes"][0]


def test_rows_may_lack_at_the_end_and_this_is_said() -> None:
    (note,) = extract(video_csv(PICTURES - 3)).info["notes"]
    assert "the last 3 have no row and are masked" in note
    (note,) = extract(video_csv(PICTURES + 2)).info["notes"]
    assert "the last 2 rows were left out" in note
    for rows in (PICTURES - 8, PICTURES + 4):
        with pytest.raises(ClipError, match=f"{rows} rows; the clip's video has 51 pictures"):
            extract(video_csv(rows))


def test_a_csv_of_a_copy_at_30_hz_is_read_as_that() -> None:
    features = extract(with_timestamps(demo_csv(), 30))
    assert features.info["grid"] == "frame"
    (note,) = features.info["notes"]
    assert "its rows are the clip's 64 frames at 30 Hz, not the 51 pictures" in note


def test_images_at_the_videos_own_rate_are_its_pictures() -> None:
    assert extract(with_rows(demo_csv(), PICTURES)).info["grid"] == "picture"


def test_a_folder_of_the_frames_with_a_face_or_a_picture_is_placed_on_these() -> None:
    lost = tuple(range(20, 26))
    lines = demo_csv().splitlines(keepends=True)
    rows = "".join([lines[0], *lines[1:21], *lines[27:]])
    csv = with_rows(rows, ROWS - 6)
    for has in ("face", "picture"):
        features = extract(csv, **{f"without_{has}": lost})
        at = np.rint(features.arrays["times"] * 30)
        assert at.tolist() == [*range(20), *range(26, ROWS)]
        assert f"58 rows for the 58 of 64 frames with a {has}" in features.info["notes"][0]


def test_a_clip_without_pictures_needs_no_csv() -> None:
    features = extract(b"", stream=None)
    assert features.arrays["table"].shape == (ROWS, 714)
    assert not features.arrays["table"][:, SUCCESS].any()
    with pytest.raises(ClipError, match=r"0007\.mp4 has no pictures, but there is 0007\.csv"):
        extract(demo_csv(), stream=None)


def test_what_rows_are_can_be_said() -> None:
    csv = with_timestamps(demo_csv(), 30)
    assert extract(csv, import_by="frame").info["notes"] == []
    with pytest.raises(ClipError, match="64 rows; the clip's video has 51 pictures"):
        extract(csv, import_by="picture")
    with pytest.raises(ClipError, match="51 rows, the clip has 64 frames"):
        extract(video_csv(PICTURES), import_by="frame")


def test_a_truncated_video_csv_is_an_error(real_media: Path) -> None:
    data = real_csv("edge_truncated_video_33of72.csv.gz")
    with pytest.raises(ClipError, match=r"33 rows; the clip's video has 72 pictures .*was cut off"):
        extract(data, 72, real_media / "single_face.mp4")


def test_a_csv_of_another_face_is_refused_or_warned_of() -> None:
    wrong = changed(demo_csv(), "x", lambda value: value * 2)
    with pytest.raises(ClipError, match=r"0007\.csv is of a picture of unknown size"):
        extract(wrong)
    (note,) = extract(wrong, import_check="warn").info["notes"]
    assert "is of a picture of unknown size" in note


def test_rows_without_numbers_are_masked_and_counted() -> None:
    csv = demo_csv()
    for row in (4, 5, 6):
        csv = with_cell(csv, row, "success", " 0")
        csv = with_cell(csv, row, "x_3", " -nan(ind)")
    features = extract(csv)
    assert np.isnan(features.arrays["table"][4:7, COLUMNS.index("x_3")]).all()
    (note,) = features.info["notes"]
    assert "3 rows of success 0 hold no numbers and are masked" in note


def test_the_table_is_the_csvs_numbers() -> None:
    table = extract(demo_csv()).arrays["table"]
    expected = np.array(
        [line.split(",") for line in demo_csv().splitlines()[1:]], dtype=np.float64
    ).astype(np.float32)
    np.testing.assert_array_equal(table, expected)


def test_pictures_that_have_no_time_follow_at_the_rate(tmp_path: Path) -> None:
    clip = face_clip(tmp_path / "a.avi", "-an", "-c:v", "mpeg4", "-bf", "2", seconds=1.0)
    times = read_pictures(clip, 0).times
    assert len(times) == 25
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)


def test_a_file_that_is_no_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0007.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(ClipError, match=r"0007\.mp4 cannot be decoded"):
        read_pictures(path, 0)
