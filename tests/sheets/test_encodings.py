"""Whatever its encoding, a sheet is read right or refused; it never becomes other text."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.manifest.encoding import decode
from pipeline.manifest.grid import csv_grid
from pipeline.manifest.sheet import read_sheet
from pipeline.manifest.workbook import is_workbook
from tests.conftest import SHARED
from tests.sheets.make import JAPAN, KOREA, SIX, TAIWAN, spoken

PATH = Path("label.csv")
SIMPLIFIED = (
    *SIX,
    *("我真的受够了，你走吧。", "他已经三天没回家了", "别哭了，都会过去的", "谁让你动我东西的！"),
    *(
        "哎呀，这么贵",
        "老师说明天考试",
        "我们结婚吧",
        "你敢再说一遍？",
        "行，那就这样",
        "医生怎么讲的",
    ),
    *("这个月工资还没发", "快看，下雪了", "我宁愿一个人过", "爸，您少喝点酒"),
)
TRADITIONAL = (
    *TAIWAN,
    *("我真的受夠了，你走吧。", "他已經三天沒回家了", "別哭了，都會過去的", "誰讓你動我東西的！"),
    *(
        "哎呀，這麼貴",
        "老師說明天考試",
        "我們結婚吧",
        "你敢再說一遍？",
        "行，那就這樣",
        "醫生怎麼講的",
    ),
    *("這個月薪水還沒發", "快看，下雪了", "我寧願一個人過", "爸，您少喝點酒"),
)
CODECS = [
    *((codec, SIMPLIFIED) for codec in ("utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312")),
    *((codec, TRADITIONAL) for codec in ("utf-8", "big5", "cp950", "big5hkscs", "gb18030")),
    *((codec, SIMPLIFIED) for codec in ("utf-16", "utf-16-le", "utf-16-be")),
    *((codec, JAPAN) for codec in ("cp932", "euc_jp", "iso2022_jp")),
    ("cp949", KOREA),
]
SIZES = ((1, 1), (1, 2), (1, 3), (1, 5), (2, 4), (3, 99), (8, 99), (40, 99))
"""Clips in a sheet, and characters of each transcript at most."""


def read_as(text: str, data: bytes) -> str:
    try:
        found = decode(data, PATH).text
    except BuildError:
        return "refused"
    return "right" if found.removeprefix("\ufeff") == text else f"wrong: {found[28:60]}"


def some(texts: tuple[str, ...], clips: int, longest: int, chance: random.Random) -> str:
    pieces = []
    for text in chance.choices(texts, k=clips):
        start = chance.randrange(max(1, len(text) - longest + 1))
        pieces.append(text[start : start + longest])
    return spoken(tuple(pieces))


@pytest.mark.parametrize(("codec", "texts"), CODECS)
def test_of_forty_sheets_of_each_size_none_is_read_wrong(
    codec: str, texts: tuple[str, ...]
) -> None:
    chance = random.Random(codec)
    for clips, longest in SIZES:
        sheets = [some(texts, clips, longest, chance) for _ in range(40)]
        fates = Counter(read_as(text, text.encode(codec)) for text in sheets)
        assert not [fate for fate in fates if fate.startswith("wrong")], (clips, longest, fates)
        unicode = codec.startswith("utf")
        if texts in (SIMPLIFIED, TRADITIONAL) and (unicode or clips >= 3):
            assert fates["right"] >= (40 if unicode else 38), (clips, longest, fates)
        if texts in (JAPAN, KOREA) and clips >= 3:
            assert fates == {"refused": 40}


@pytest.mark.parametrize("texts", [SIMPLIFIED, TRADITIONAL])
def test_a_byte_lost_from_utf_8_is_named_with_its_line(texts: tuple[str, ...]) -> None:
    chance = random.Random(7)
    for _ in range(60):
        data = some(texts, 8, 99, chance).encode()
        places = [i for i, byte in enumerate(data) if byte > 0x7F]
        place = chance.choice(places)
        damaged = data[:place] + data[place + 1 :]
        line = damaged.count(b"\n", 0, place) + 1
        with pytest.raises(BuildError, match=rf"line\(s\) {line}, which hold broken bytes"):
            decode(damaged, PATH)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["utf-8", "gbk", "big5", "utf-16"]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
)
def test_damaged_bytes_raise_nothing_but_an_error_with_words(
    codec: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(spoken(TAIWAN[:4]).encode(codec))
    for place, byte in changes:
        data[place % len(data)] = byte
    if is_workbook(bytes(data)):
        return
    try:
        grid = csv_grid(decode(bytes(data), PATH).text, PATH)
    except BuildError as error:
        assert error.remedy
        return
    assert all(isinstance(fault, str) for fault in grid.faults)


@pytest.mark.parametrize("name", ["ch-sims", "ch-sims-v2"])
@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16", "xlsx"])
def test_the_real_sheets_are_read_to_the_letter(name: str, codec: str, tmp_path: Path) -> None:
    source = SHARED / "corpus" / f"{name}.csv"
    if not source.is_file():
        pytest.skip(f"{source} is not here: it is no part of the project")
    with source.open(encoding="utf-8-sig", newline="") as stream:
        wanted = list(csv.DictReader(stream))
    if codec == "xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        page = book.create_sheet("label")
        page.append(list(wanted[0]))
        for row in wanted:
            page.append([float(v) if k == "label" else v for k, v in row.items()])
        book.save(tmp_path / "label.xlsx")
    else:
        (tmp_path / "label.csv").write_bytes(source.read_text("utf-8-sig").encode(codec))
    sheet = read_sheet(make_config({"raw": str(tmp_path)}))
    assert [row.clip for row in sheet.rows] == [f"{r['video_id']}/{r['clip_id']}" for r in wanted]
    assert [row.text for row in sheet.rows] == [r["text"].strip() for r in wanted]
    assert [row.M for row in sheet.rows] == [float(r["label"]) for r in wanted]
    assert [row.mode for row in sheet.rows] == [r["mode"] for r in wanted]
    assert [row.problems for row in sheet.rows if row.problems] == []
