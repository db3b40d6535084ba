"""Sheets from the field, through the manifest: what is stored, and what stops a build."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.config import Config, make_config
from pipeline.manifest.build import build_manifest, read_manifest, sheet_notes
from pipeline.store.files import read_json
from tests.conftest import DEMO, SHARED

NINE = "video_0001,{},{},{},0.4,0.2,0.0,{},{}\n"


def with_demo_clips(folder: Path, sheet: bytes) -> Config:
    """Lay out two demo clips with a sheet."""
    (folder / "raw" / "video_0001").mkdir(parents=True)
    for name in ("0001.mp4", "0002.mp4"):
        shutil.copyfile(DEMO / "video_0001" / name, folder / "raw" / "video_0001" / name)
    (folder / "raw" / "label.csv").write_bytes(sheet)
    return make_config({"raw": str(folder / "raw"), "processed": str(folder / "processed")})


@pytest.mark.parametrize(
    ("case", "texts", "note"),
    [
        ("sheet_big5", ["今天天氣很好，我們去吃飯吧", "你說過的話還算數嗎"], "Big5"),
        ("sheet_headerless", ["我不想嫁给李茶", "没关系，会好的"], "read by position"),
        ("sheet_unlabelled", ["今天天气很好", "没有问题"], "features can be built"),
        ("sheet_ext_in_id", ["我不想嫁给李茶", "没关系，会好的"], ""),
    ],
)
def test_the_field_sheets_are_read(case: str, texts: list[str], note: str, tmp_path: Path) -> None:
    source = SHARED / "field" / case / "raw" / "label.csv"
    if not source.is_file():
        pytest.skip(f"{source} is not here: it is no part of the project")
    config = with_demo_clips(tmp_path, source.read_bytes())
    notes = build_manifest(config, progress=False)
    table = read_manifest(config.processed)
    assert table["clip"].tolist() == ["video_0001/0001", "video_0001/0002"]
    assert table["text"].tolist() == texts
    assert note in "".join(notes)
    assert sheet_notes(config.processed) == notes


def test_a_sheet_without_a_header_is_read_by_position_and_says_so(tmp_path: Path) -> None:
    sheet = NINE.format(1, "你好", 0.4, "Positive", "train") + NINE.format(
        2, "再见", -0.8, "Negative", "test"
    )
    config = with_demo_clips(tmp_path, sheet.encode())
    (note,) = build_manifest(config, progress=False)
    assert "has no header line" in note
    table = read_manifest(config.processed)
    assert table["clip"].tolist() == ["video_0001/0001", "video_0001/0002"]
    assert table[["M", "T", "A", "V"]].values.tolist() == [[0.4, 0.4, 0.2, 0], [-0.8, 0.4, 0.2, 0]]
    assert table["mode"].tolist() == ["train", "test"]
    assert sheet_notes(config.processed) == (note,)


def test_everything_that_is_wrong_with_a_clip_is_told_at_once(tmp_path: Path) -> None:
    sheet = "video_id,clip_id,text,label\nvideo_0001,0001,\u200b,2\nvideo_0001,9,你\ufffd好,1_0\n"
    config = with_demo_clips(tmp_path, sheet.encode())
    build_manifest(config, progress=False)
    reasons = {
        entry["clip"]: entry["reason"]
        for entry in read_json(config.processed / "manifest_quarantine.json")
    }
    first = "line 2: column label: 2 is outside [-1, 1]; column text: its transcript is empty"
    assert reasons["video_0001/0001"] == first
    second = reasons["video_0001/9"]
    assert second.startswith("line 3: column text: the character U+FFFD")
    assert "column label: '1_0' is not a number" in second
    assert "no media file" in second
