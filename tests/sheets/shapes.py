"""Lines, separators, headers, quotation marks and columns."""

from __future__ import annotations

from tests.sheets.make import SIX, Case, H, sheet

SHAPES = [
    Case("Windows line ends", sheet("v,0001,你好,0", end="\r\n").encode(), texts=("你好",)),
    Case("old Mac line ends", sheet("v,0001,你好,0", end="\r").encode(), texts=("你好",)),
    Case("no end of the last line", sheet("v,0001,你好,0").rstrip().encode(), texts=("你好",)),
    *(
        Case(
            f"separated by {name}",
            sheet("v,0001,你好,0.2").replace(",", mark).encode(),
            texts=("你好",),
            labels=(0.2,),
        )
        for name, mark in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|"))
    ),
    Case(
        "sep= in the first line",
        ("sep=;\n" + sheet("v;0001;你好;0", header=H.replace(",", ";"))).encode(),
        texts=("你好",),
    ),
    Case(
        "spaces after the commas",
        sheet('v, 0001, "你好, 世界", 0', header="video_id, clip_id, text, label").encode(),
        texts=("你好, 世界",),
    ),
    Case(
        "a title above the header",
        ("我的数据\n" + sheet("v,0001,你好,0")).encode(),
        refused=("stand in line 2: take out",),
    ),
    Case(
        "blank lines",
        ("\n\n" + sheet("v,0001,你好,0", ",,,", "", "v,0002,再见,1")).encode(),
        texts=("你好", "再见"),
    ),
    Case(
        "empty columns at the end",
        sheet("v,0001,你好,0,,,").encode(),
        texts=("你好",),
        labels=(0.0,),
    ),
    Case(
        "NBSP and BOM in the header",
        sheet("v,0001,你好,0", header="\ufeffvideo_id ,\u00a0clip_id,Text\u200b, LABEL").encode(),
        texts=("你好",),
    ),
    Case(
        "a full-width header",
        sheet("v,0001,你好,0", header="ｖｉｄｅｏ＿ｉｄ,clip id,TEXT,Label").encode(),
        texts=("你好",),
    ),
    Case(
        "a Chinese header",
        sheet("v,0001,你好,0.4,训练", header="视频编号,片段编号,文本,标签,划分").encode(),
        texts=("你好",),
        labels=(0.4,),
    ),
    Case(
        "clip in one column",
        sheet("v/0001,你好,0", header="clip,text,label").encode(),
        clips=("v/0001",),
    ),
    Case(
        "clip as other projects write it",
        sheet("v$_$0001,你好,0", header="clip,text,label").encode(),
        clips=("v/0001",),
    ),
    Case(
        "clip without its video",
        sheet("v,0001,你好,0", header="video_id,clip,text,label").encode(),
        clips=("v/0001",),
    ),
    Case(
        "a line break within quotation marks",
        sheet('v,0001,"你好\n再见",0', "v,0002,是,0").encode(),
        texts=("你好 再见", "是"),
    ),
    Case(
        "quotation marks within a field",
        sheet('v,0001,"他说""好""",0', "v,0002,他说“好”,0").encode(),
        texts=('他说"好"', "他说“好”"),
    ),
    Case("control characters", sheet("v,0001,你\x00好\x1b,0").encode(), texts=("你 好",)),
    Case(
        "a comma that is not quoted",
        sheet("v,0001,你好,再见,0", "v,0002,是,0").encode(),
        faults={"v/0001": "1 field(s) more than the header"},
    ),
    Case(
        "a quotation mark never closed",
        sheet("v,0001,你好,0", 'v,0002,"再见,0', "v,0003,是,0").encode(),
        refused=("line 3, column text: a quotation mark",),
    ),
    Case(
        "a quotation mark closed lines later",
        sheet('v,0001,"你好,0', "v,0002,再见,0", 'v,0003,"是",0').encode(),
        refused=("line 2, column text",),
    ),
    Case(
        "quotation marks that swallow a line",
        sheet('v,0001,"你好,0', 'v,0002,再见",0', "v,0003,是,0").encode(),
        refused=("line 2, column text",),
    ),
    Case(
        "words after the closing mark",
        sheet('v,0001,"你好"吗,0').encode(),
        refused=("line 2, column text",),
    ),
    Case(
        "two open marks, both named",
        sheet('v,0001,"你好,0', "v,0002,是,0", 'v,"0003,是,0').encode(),
        refused=("line 2, column text", "line 4, column clip_id", "2 fault(s)"),
    ),
    Case(
        "two columns that disagree",
        sheet("v,0001,你好,0,0", "v,0002,你好,0,1", header=f"{H},label_M").encode(),
        refused=("line 3", "label ('0')", "label_M ('1')"),
    ),
    Case(
        "two columns that agree",
        sheet("v,0001,你好,0.2,.20", header=f"{H},label_M").encode(),
        labels=(0.2,),
    ),
    Case(
        "a name that stands twice",
        sheet("v,0001,你好,0,再见", header=f"{H},text").encode(),
        refused=("line 2", "disagree"),
    ),
    Case("an empty file", b"", refused=("the file is empty",)),
    Case("only a header", sheet().encode(), refused=("no clip",)),
    Case("only spaces", b" \n\t\n", refused=("the file is empty",)),
    Case(
        "no column text",
        sheet("v,0001,0", header="video_id,clip_id,label").encode(),
        refused=("lacks text", "found the columns video_id, clip_id, label"),
    ),
    Case(
        "a misspelt label",
        sheet("v,0001,你好,0", header="video_id,clip_id,text,lable").encode(),
        refused=("did you mean label by 'lable'",),
    ),
    Case(
        "columns lacking and a mark open",
        sheet('v,0001,"0', header="video_id,clip_id,label").encode(),
        refused=("2 fault(s)", "lacks text", "line 2"),
    ),
    Case(
        "no labels",
        sheet("v,0001,你好", header="video_id,clip_id,text").encode(),
        texts=("你好",),
        notes=("has no labels", "features can be built"),
    ),
    Case(
        "labels all empty",
        sheet("v,0001,你好,", "v,0002,是,").encode(),
        texts=("你好", "是"),
        notes=("has no labels",),
    ),
    Case(
        "a label left out",
        sheet("v,0001,你好,", "v,0002,是,0").encode(),
        texts=("你好", "是"),
        notes=("has no label for 1 of 2 clips, e.g. v/0001",),
    ),
    Case(
        "a part of another name",
        sheet("v,0001,你好,0,train", "v,0002,是,0,trian", header=f"{H},mode").encode(),
        notes=("line 3, column mode: 'trian' is no part",),
    ),
    Case(
        "parts for some clips only",
        sheet("v,0001,你好,0,train", "v,0002,是,0,", header=f"{H},mode").encode(),
        texts=("你好", "是"),
        notes=("the column mode is filled in for 1 of 2",),
    ),
]


NINE = "video_0001,{:04d},{},{},0.2,0.4,-0.2,{},{}"
HEADERLESS = [
    Case(
        "CH-SIMS without a header",
        "\n".join(
            [
                NINE.format(1, "你好", 0.4, "Positive", "train"),
                NINE.format(2, "再见", -1.0, "Negative", "test"),
            ]
        ).encode(),
        texts=("你好", "再见"),
        labels=(0.4, -1.0),
        notes=("no header line", "read by position"),
    ),
    Case(
        "CH-SIMS without a header in GBK",
        "\n".join(
            NINE.format(i, text, 0.4, "Positive", "train")
            for i, text in enumerate(SIX)
            if "，" not in text
        ).encode("gbk"),
        notes=("GB18030", "by position"),
    ),
    Case(
        "no header, signs that do not fit",
        "\n".join([NINE.format(1, "你好", 0.4, "Negative", "train")] * 3).encode(),
        refused=("already a clip", "video_id,clip_id,text,label,label_T"),
    ),
    Case(
        "no header, other columns",
        b"v,0001,\xe4\xbd\xa0\xe5\xa5\xbd,0.2\nv,0002,\xe6\x98\xaf,0\n",
        refused=("already a clip",),
    ),
]
