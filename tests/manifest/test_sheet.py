"""The label sheet is understood as people write it, and its faults are named."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.manifest.sheet import read_sheet, sheet_rows

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"
ROW = "video_0001,0001,你好，世界,-0.4,0.2,0.0,1.0,Negative,train\n"

Corpus = Callable[..., Config]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030"])
def test_each_encoding_gives_the_same_row(corpus: Corpus, codec: str) -> None:
    (row,) = sheet_rows(corpus({}, (HEADER + ROW).encode(codec)))
    assert (row.clip, row.text, row.mode) == ("video_0001/0001", "你好，世界", "train")
    assert (row.M, row.T, row.A, row.V) == (-0.4, 0.2, 0.0, 1.0)


def test_columns_come_in_any_order_case_and_delimiter(corpus: Corpus) -> None:
    sheet = "Label;TEXT;Clip_ID;Video_ID;Sex;Age;Speaker\r\n0.2;你好;0001;v1;女;31;anna\r\n"
    (row,) = sheet_rows(corpus({}, sheet))
    assert (row.clip, row.M, row.gender, row.age, row.speaker) == (
        "v1/0001",
        0.2,
        "female",
        "31",
        "anna",
    )
    assert math.isnan(row.T)
    assert row.mode is None


@pytest.mark.parametrize("written", ["1", "1.0", "0001", "01"])
def test_numbers_become_the_names_of_the_files(corpus: Corpus, written: str) -> None:
    config = corpus(
        {"0007/0001.mp4": "plain.mp4"}, f"video_id,clip_id,text,label\n7,{written},x,0\n"
    )
    assert [row.clip for row in sheet_rows(config)] == ["0007/0001"]


def test_an_id_that_is_a_file_is_left_alone(corpus: Corpus) -> None:
    files = {"v/1.mp4": "plain.mp4", "v/0001.mp4": "plain.mp4"}
    config = corpus(files, "video_id,clip_id,text,label\nv,1,x,0\nv,0001,x,0\n")
    assert [row.clip for row in sheet_rows(config)] == ["v/1", "v/0001"]


def test_a_number_that_fits_two_files_is_a_problem_of_that_clip(corpus: Corpus) -> None:
    files = {"v/01.mp4": "plain.mp4", "v/001.mp4": "plain.mp4"}
    (row,) = sheet_rows(corpus(files, "video_id,clip_id,text,label\nv,1,x,0\n"))
    assert "001, 01" in row.problems[0]


def test_an_unquoted_comma_is_named_with_its_line(corpus: Corpus) -> None:
    config = corpus({}, HEADER + ROW + "video_0001,0002,well, hello,0,0,0,0,Neutral,train\n")
    good, bad = sheet_rows(config)
    assert good.problems == ()
    assert bad.line == 3
    assert "quotation marks" in bad.problems[0]


def test_control_characters_in_a_transcript_become_spaces(corpus: Corpus) -> None:
    config = corpus({}, 'video_id,clip_id,text,label\nv,1,"one\ntwo\x00three\x1b[31m",0\n')
    assert sheet_rows(config)[0].text == "one two three [31m"


def test_a_label_that_is_no_number_is_a_problem(corpus: Corpus) -> None:
    (row,) = sheet_rows(corpus({}, "video_id,clip_id,text,label\nv,1,x,inf\n"))
    assert row.problems == ("column label: 'inf' is not a number",)


@pytest.mark.parametrize(
    ("sheet", "told"),
    [
        ("video_id,clip_id,words\nv,1,x\n", ("lacks text;", "video_id, clip_id, words")),
        ("video_id,clip_id,text,label\n", ("one line per clip below",)),
        ("", ("the file is empty",)),
        (b"video_id,clip_id,text,label\nv,1,\xff\xff,0\n", ("line 2", "gb18030")),
    ],
)
def test_a_sheet_that_cannot_be_used_says_why(
    corpus: Corpus, sheet: str | bytes, told: tuple[str, ...]
) -> None:
    with pytest.raises(BuildError) as caught:
        sheet_rows(corpus({}, sheet))
    for words in told:
        assert words in str(caught.value)


def test_a_missing_sheet_names_the_tables_that_are_there(corpus: Corpus) -> None:
    with pytest.raises(BuildError, match=r"clips\.csv: name the sheet"):
        sheet_rows(corpus({}, HEADER + ROW, name="clips.csv"))


def test_a_sheet_one_folder_up_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "Raw").mkdir()
    (tmp_path / "label.csv").write_text(HEADER + ROW, "utf-8")
    with pytest.raises(BuildError, match="one folder up"):
        sheet_rows(make_config({"raw": str(tmp_path / "Raw")}))


def test_reading_the_sheet_loads_no_heavy_library() -> None:
    code = (
        "import sys, pipeline.manifest.sheet;"
        "print([m for m in ('numpy', 'pandas', 'av', 'pyarrow', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_labels_of_another_scale_are_scaled_and_said_so(corpus: Corpus) -> None:
    lines = "v,1,x,-3,3\nv,2,x,-1.8,\nv,3,x,0.6,1\n"
    config = corpus(
        {},
        "video_id,clip_id,text,label,label_T\n" + lines,
        manifest={"label_range": [-3, 3]},
    )
    sheet = read_sheet(config)
    assert [row.M for row in sheet.rows] == [-1.0, -0.6, 0.2]
    assert sheet.rows[0].T == 1.0
    assert math.isnan(sheet.rows[1].T)
    assert "label.csv: the labels were scaled linearly from [-3, 3] to [-1, 1]" in sheet.notes


def test_a_label_outside_its_range_is_named_with_its_line_and_column(corpus: Corpus) -> None:
    lines = "".join(f"v,{i},x,{i % 3}\n" for i in range(20))
    config = corpus(
        {},
        "video_id,clip_id,text,label\n" + lines + "v,99,x,3.5\n",
        manifest={"label_range": [0, 3]},
    )
    bad = sheet_rows(config)[-1]
    assert bad.line == 22
    assert bad.problems == ("column label: 3.5 is outside [0, 3] (manifest.label_range)",)
    assert not bad.is_labelled


@pytest.mark.parametrize(("values", "suggested"), [((-2.4, 1.5), "[-3, 3]"), ((0, 4), "[0, 4]")])
def test_a_sheet_of_another_scale_names_the_setting(
    values: tuple[float, float], suggested: str, corpus: Corpus
) -> None:
    lines = "".join(f"v,{i},x,{value}\n" for i, value in enumerate(values * 2))
    with pytest.raises(BuildError, match=r"manifest\.label_range") as caught:
        sheet_rows(corpus({}, "video_id,clip_id,text,label\n" + lines))
    assert f"label_range={suggested}" in str(caught.value)


def test_columns_to_keep_are_found_and_missing_ones_are_named(corpus: Corpus) -> None:
    sheet = "video_id,clip_id,text,label,Emotion\nv,1,x,0,joy\n"
    (row,) = sheet_rows(corpus({}, sheet, manifest={"keep_columns": ["emotion"]}))
    assert row.kept == {"emotion": "joy"}
    with pytest.raises(BuildError, match=r"it has no column arousal; found .*Emotion"):
        sheet_rows(corpus({}, sheet, manifest={"keep_columns": ["arousal"]}))
    with pytest.raises(BuildError, match="duration is the name of a column of the manifest"):
        sheet_rows(corpus({}, sheet, manifest={"keep_columns": ["duration"]}))
