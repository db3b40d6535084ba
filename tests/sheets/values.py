"""Labels, ids and transcripts as people type them."""

from __future__ import annotations

from tests.sheets.make import SIX, Case, H, one, sheet, spoken

LABELS = [
    *(
        Case(f"label {text}", one(text), labels=(0.2, value, -1.0))
        for text, value in (
            *(
                ("0", 0.0),
                ("+0", 0.0),
                ("-0", 0.0),
                ("-0.0", 0.0),
                ("+1", 1.0),
                ("1.", 1.0),
                (".5", 0.5),
            ),
            *(("0,6", 0.6), ("-0,6", -0.6), ("−1.0", -1.0), ("–0.4", -0.4), ("－0.8", -0.8)),
            *(("０．６", 0.6), ("2e-1", 0.2), (" 0.2\u00a0", 0.2), ("\u200b-0.2", -0.2)),
        )
    ),
    *(
        Case(f"label {text}", one(text), faults={"v/0002": f"column label: {words}"})
        for text, words in (
            *(("1_0", "'1_0' is not a number"), ("inf", "'inf'"), ("0x1", "'0x1'"), ("±0", "'±0'")),
            *(("60%", "'60%' is a percentage"), ("1/5", "'1/5'"), ("positive", "'positive'")),
            *(("1.0.0", "'1.0.0'"), ("--1", "'--1'"), ("1 0", "'1 0'"), ("٠", "'٠'"), ("²", "'²'")),
            *(("3", "3 is outside"), ("-1.2", "-1.2 is outside"), ("10", "10 is outside")),
        )
    ),
    *(
        Case(
            f"labels from {low} to {high}",
            spoken(SIX).replace(",0.2", ",{}").format(*values).encode(),
            refused=("column label", f"from {low} to {high}", "scale them"),
        )
        for low, high, values in (
            (0, 10, (0, 1, 4, 7, 9, 10)),
            (-3, 3, (-3, -1, 0, 1, 2, 3)),
            (1, 5, (1, 2, 3, 4, 5, 3)),
            (0, 100, (0, 20, 100, 60, 40, 1)),
        )
    ),
    Case(
        "labels as percentages",
        spoken(SIX).replace(",0.2", ",20%").encode(),
        refused=("column label", "is a percentage"),
    ),
    Case(
        "labels as words",
        spoken(SIX).replace(",0.2", ",Positive").encode(),
        refused=("column label: none of its 6 values",),
    ),
    Case(
        "label_T of another scale",
        sheet(*(f"v,{i},好,0,{i}" for i in range(5)), header=f"{H},label_T").encode(),
        refused=("column label_T", "from 0 to 4"),
    ),
]


CLIPS = [
    Case(
        "ids with an extension",
        sheet("v,0001.mp4,你好,0", "v,2.MP4,是,0").encode(),
        clips=("v/0001", "v/0002"),
        media=("v/0001.mp4", "v/0002.mp4"),
    ),
    Case("an extension without a file", sheet("v,0001.mp4,你好,0").encode(), clips=("v/0001",)),
    Case(
        "ids that lost their zeros",
        sheet("7,1,你好,0", "7,2.0,是,0").encode(),
        clips=("0007/0001", "0007/0002"),
        media=("0007/0001.mp4", "0007/0002.mp4"),
    ),
    Case(
        "an id that fits two files",
        sheet("v,1,你好,0").encode(),
        faults={"v/1": "may mean any of 001, 01"},
        media=("v/01.mp4", "v/001.mp4"),
    ),
    *(
        Case(
            f"a transcript of {name} only",
            sheet(f'v,0001,"{text}",0', "v,0002,是,0").encode(),
            faults={"v/0001": "column text"},
        )
        for name, text in (
            ("spaces", "  "),
            ("zero-width spaces", "\u200b\u200b"),
            ("byte order marks", "\ufeff"),
            ("fillers", "\u3164\u3164"),
            ("full-width spaces", "\u3000"),
            ("joiners", "\u2061\u2062"),
        )
    ),
    Case(
        "an absurd transcript",
        sheet(f"v,0001,{'好' * 200_000},0", "v,0002,是,0").encode(),
        faults={"v/0001": "200,000 characters"},
    ),
    Case(
        "two faults of one clip",
        sheet("v,0001,\u200b,1_0", "v,0002,是,0").encode(),
        faults={"v/0001": "column label: '1_0'"},
    ),
]
