"""Where a clip's CSV may lie, and files that only look like it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import BuildError, ClipError
from pipeline.openface.csvs import all_csvs, clip_csvs, import_folder, one_csv
from pipeline.openface.settings import OpenFaceSettings

CLIP = "video_0001/0001"


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize(
    "stem", ["video_0001/0001", "video_0001/0001/0001", "video_0001_0001"], ids=str
)
def test_three_layouts_are_found(tmp_path: Path, stem: str, suffix: str) -> None:
    folder = put(tmp_path, stem + suffix, "video_0001/0002.csv", "video_0001_0002.csv")
    assert one_csv(folder, CLIP, tmp_path / "raw") == folder / (stem + suffix)
    assert folder / (stem + suffix) in all_csvs(folder)


def test_two_files_of_a_clip_are_both_named(tmp_path: Path) -> None:
    folder = put(tmp_path, "video_0001/0001.csv", "video_0001_0001.csv.gz")
    with pytest.raises(ClipError, match=r"found video_0001/0001.csv and video_0001_0001.csv.gz"):
        one_csv(folder, CLIP, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "video_0001/1.csv",
        "video_0001/0001.CSV",
        "video_0001/0001_of.csv",
        "video_0001/0001.txt",
        "video_0001-0001.csv",
        "Video_1_1.csv",
        "video_0001/0001/landmarks.0001.csv",
        "video_0001/0001/0001.tsv",
    ],
)
def test_a_file_with_nearly_the_name_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClipError) as caught:
        one_csv(put(tmp_path, name), CLIP, tmp_path / "raw")
    reason = caught.value.reason
    if "landmarks" not in name:
        assert f"found none, but {name}" in reason
    assert "video_0001/0001.csv, video_0001/0001/0001.csv or video_0001_0001.csv" in reason


def test_nothing_alike_is_named_where_nothing_is(tmp_path: Path) -> None:
    folder = put(tmp_path, "video_0001/0011.csv", "video_0002_0001.csv")
    with pytest.raises(ClipError, match=r"found none$"):
        one_csv(folder, CLIP, tmp_path / "raw")


@pytest.mark.parametrize("place", ["raw", "raw/Raw"])
def test_a_flat_name_of_two_clips_is_refused(tmp_path: Path, place: str) -> None:
    folder = put(tmp_path / "of", "a_b_c.csv")
    raw = tmp_path / "raw"
    put(tmp_path, f"{place}/a_b/c.mp4")
    assert one_csv(folder, "a_b/c", raw) == folder / "a_b_c.csv"
    put(tmp_path, f"{place}/a/b_c.mp4")
    for clip in ("a_b/c", "a/b_c"):
        with pytest.raises(ClipError, match="may belong to clip"):
            one_csv(folder, clip, raw)
    put(folder, "a_b/c.csv")
    (folder / "a_b_c.csv").unlink()
    assert one_csv(folder, "a_b/c", raw) == folder / "a_b/c.csv"


def test_links_are_followed_within_the_folder_alone(tmp_path: Path) -> None:
    folder = put(tmp_path / "of", "store/0001.csv")
    outside = put(tmp_path / "else", "secret.csv") / "secret.csv"
    (folder / "video_0001").mkdir()
    (folder / "video_0001/0001.csv").symlink_to(outside)
    assert clip_csvs(folder, CLIP) == []
    (folder / "video_0001/0001.csv").unlink()
    (folder / "video_0001/0001.csv").symlink_to("../store/0001.csv")
    assert len(clip_csvs(folder, CLIP)) == 1
    (folder / "video_0001_0001.csv").symlink_to(folder / "video_0001_0001.csv")  # a loop
    os.mkfifo(folder / "video_0001_0001.csv.gz")
    assert len(clip_csvs(folder, CLIP)) == 1


def test_a_missing_folder_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="import_folder is not set"):
        import_folder(OpenFaceSettings(runtime="import"))
    with pytest.raises(BuildError, match="not a folder"):
        import_folder(OpenFaceSettings(import_folder=tmp_path / "none"))
    assert import_folder(OpenFaceSettings(import_folder=tmp_path)) == tmp_path
