"""Runtime import: how CSVs that exist already meet the clip's frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import BuildError, ClipError
from pipeline.openface.imported import ImportedOpenFace, ImportInputs, import_folder
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store.features import Features
from tests.openface.csvs import demo_csv, real_csv, with_timestamps

ROWS = 64


def extract(csv: str | bytes, frames: int, **settings: Any) -> Features:
    data = csv.encode() if isinstance(csv, str) else csv
    extractor = ImportedOpenFace(OpenFaceSettings(runtime="import", **settings))
    return extractor.extract(ImportInputs(data, "0007.csv", frames, 30.0))


def test_image_csvs_are_matched_by_frame_and_say_nothing_when_exact() -> None:
    features = extract(demo_csv(), ROWS)
    assert features.arrays["table"].shape == (ROWS, 714)
    assert features.info == {"runtime": "import", "rows": ROWS, "grid": "frame", "notes": []}


@pytest.mark.parametrize("frames", [ROWS - 1, ROWS + 1])
def test_one_row_more_or_less_is_tolerated_and_said(frames: int) -> None:
    (note,) = extract(demo_csv(), frames).info["notes"]
    assert f"64 rows for {frames} frames" in note


@pytest.mark.parametrize("frames", [ROWS - 2, ROWS + 2, 10 * ROWS])
def test_a_larger_difference_is_an_error(frames: int) -> None:
    with pytest.raises(ClipError, match=f"64 rows, the clip has {frames} frames"):
        extract(demo_csv(), frames)


@pytest.mark.parametrize(("rate", "frames"), [(25, 77), (23.976, 80), (30, 64), (60, 32)])
def test_video_csvs_are_matched_by_time(rate: float, frames: int) -> None:
    info = extract(with_timestamps(demo_csv(), rate), frames).info
    assert info["grid"] == "timestamp"
    assert "matched by time" in info["notes"][0]


def test_a_truncated_video_csv_is_an_error() -> None:
    data = real_csv("edge_truncated_video_33of72.csv.gz")
    with pytest.raises(ClipError, match=r"ends at 1.07 s, the clip's last frame is at 2.37 s"):
        extract(data, 72)


def test_a_csv_of_a_longer_video_is_an_error() -> None:
    with pytest.raises(ClipError, match=r"ends at 2\.52 s"):
        extract(with_timestamps(demo_csv(), 25), 40)


def test_a_real_video_with_its_own_rate_fits_its_clip() -> None:
    data = real_csv("full_noface_face_mov.csv.gz")
    assert extract(data, 191).info["grid"] == "timestamp"


def test_matching_can_be_forced() -> None:
    assert extract(with_timestamps(demo_csv(), 25), ROWS, import_by="frame").info["grid"] == "frame"
    with pytest.raises(ClipError, match="every timestamp is 0"):
        extract(demo_csv(), ROWS, import_by="timestamp")


def test_timestamps_that_go_back_are_an_error() -> None:
    lines = with_timestamps(demo_csv(), 30).splitlines()
    cells = lines[10].split(", ")
    cells[2] = "0.010"
    lines[10] = ", ".join(cells)
    with pytest.raises(ClipError, match=r"line 11: the timestamp 0.010 does not come after 0.267"):
        extract("\n".join(lines), ROWS)


def test_a_missing_folder_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="import_folder is not set"):
        import_folder(OpenFaceSettings(runtime="import"))
    with pytest.raises(BuildError, match="not a folder"):
        import_folder(OpenFaceSettings(import_folder=tmp_path / "none"))
    assert import_folder(OpenFaceSettings(import_folder=tmp_path)) == tmp_path


def test_the_table_is_the_csvs_numbers() -> None:
    table = extract(demo_csv(), ROWS).arrays["table"]
    expected = np.array(
        [line.split(",") for line in demo_csv().splitlines()[1:]], dtype=np.float64
    ).astype(np.float32)
    np.testing.assert_array_equal(table, expected)
