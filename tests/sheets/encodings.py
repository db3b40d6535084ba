"""Encodings: recognised beyond doubt, or refused."""

from __future__ import annotations

import codecs

from tests.sheets.make import JAPAN, KOREA, SIX, TAIWAN, Case, broken, spoken

_LONG = SIX * 5
ENCODINGS = [
    *(
        Case(f"simplified in {codec}", spoken(SIX).encode(codec), texts=SIX)
        for codec in ("utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312", "utf-16")
    ),
    *(
        Case(f"traditional in {codec}", spoken(TAIWAN).encode(codec), texts=TAIWAN)
        for codec in ("utf-8", "utf-8-sig", "big5", "cp950", "big5hkscs", "gb18030", "utf-16")
    ),
    *(
        Case(f"{codec} without a byte order mark", spoken(SIX).encode(codec), texts=SIX)
        for codec in ("utf-16-le", "utf-16-be")
    ),
    Case("long in GBK", spoken(_LONG).encode("gbk"), texts=_LONG, notes=("GB18030",)),
    Case("long in Big5", spoken(TAIWAN * 5).encode("big5"), texts=TAIWAN * 5, notes=("Big5",)),
    *(
        Case(f"{word} in {codec}", spoken((word,)).encode(codec), refused=("manifest.encoding",))
        for codec, word in (("gbk", "路"), ("gbk", "一"), ("big5", "嗎"), ("gbk", "联通"))
    ),
    *(
        Case(
            f"{word} in {codec}, named",
            spoken((word,)).encode(codec),
            texts=(word,),
            settings={"encoding": name},
        )
        for codec, name, word in (
            ("gbk", "gb18030", "路"),
            ("big5", "big5", "嗎"),
            ("utf-16-le", "utf-16", "路"),
            ("cp932", "shift_jis", "今日"),
        )
    ),
    *(
        Case(f"Japanese in {codec}", spoken(JAPAN).encode(codec), refused=("UTF-8",))
        for codec in ("cp932", "euc_jp", "iso2022_jp")
    ),
    Case(
        "Chinese in Shift-JIS", spoken(("今天天気好", "学校東方")).encode("cp932"), refused=("->",)
    ),
    Case("Korean in EUC-KR", spoken(KOREA).encode("cp949"), refused=("manifest.encoding",)),
    Case("Chinese in HZ", spoken(SIX).encode("hz"), refused=("HZ",)),
    Case("UTF-32", spoken(SIX).encode("utf-32"), refused=("UTF-32",)),
    Case(
        "French in Latin-1",
        spoken(("Ça va très bien, à bientôt",)).encode("latin-1"),
        refused=("->",),
    ),
    Case("Japanese in UTF-8", spoken(JAPAN).encode(), texts=JAPAN),
    Case("one broken byte", broken(spoken(SIX), "呢"), refused=("line(s) 4", "broken bytes")),
    Case("one broken byte at the end", spoken(SIX).encode()[:-7], refused=("line(s) 7",)),
    Case("a broken byte in a short sheet", broken(spoken(("你好",)), "好"), refused=("->",)),
    Case("UTF-16 cut within a character", spoken(SIX).encode("utf-16")[:-1], refused=("UTF-16",)),
    Case(
        "UTF-8 with a broken byte after a BOM",
        codecs.BOM_UTF8 + broken(spoken(SIX), "呢"),
        refused=("line 4",),
    ),
    Case(
        "GBK named UTF-8",
        spoken(SIX).encode("gbk"),
        refused=("line 2", "UTF-8"),
        settings={"encoding": "utf-8"},
    ),
    Case(
        "Big5 named GB18030",
        spoken(TAIWAN).encode("big5"),
        refused=("manifest.encoding", "Big5"),
        settings={"encoding": "gb18030"},
    ),
    *(
        Case(
            f"{right} that was opened as {wrong} and saved as UTF-8",
            spoken(texts).encode(right).decode(wrong, "replace").encode(),
            refused=("opened as",),
        )
        for right, wrong, texts in (
            ("utf-8", "latin-1", SIX),
            ("gbk", "latin-1", SIX),
            ("big5", "latin-1", TAIWAN),
        )
    ),
    Case(
        "characters lost to U+FFFD",
        spoken(("你\ufffd好", *SIX)).encode(),
        texts=("你\ufffd好", *SIX),
        faults={"v/0001": "U+FFFD"},
    ),
    Case(
        "a private-use character",
        spoken(("你\ue123好", *SIX)).encode(),
        faults={"v/0001": "column text: the character U+E123"},
    ),
    Case(
        "characters lost to question marks",
        spoken(("????", *SIX)).encode(),
        faults={"v/0001": "lost its characters"},
    ),
    Case(
        "one line in Big5, the rest in GBK",
        spoken(SIX).encode("gbk") + "v,0007,這是別人寫的一行,0\n".encode("big5"),
        refused=("line 8 is in Big5",),
    ),
    Case(
        "one line in GBK, the rest in UTF-8",
        spoken(SIX).encode() + "v,0007,这是别人写的一行,0\n".encode("gbk"),
        refused=("line(s) 8",),
    ),
    Case(
        "one line in UTF-8, the rest in GBK",
        spoken(SIX).encode("gbk") + "v,0007,这是别人写的一行,0\n".encode(),
        refused=("->",),
    ),
    Case(
        "one transcript that was opened as GBK",
        spoken(("你好吗我的".encode().decode("gbk", "ignore"), *SIX)).encode(),
        faults={"v/0001": "opened as gb18030"},
    ),
    Case(
        "UTF-8 that was opened as GBK, with losses",
        spoken(SIX).encode().decode("gbk", "replace").encode(),
        refused=("opened as gb18030",),
    ),
    *(
        Case(f"signs of Taiwan in {codec}", spoken(texts).encode(codec), texts=texts)
        for codec, texts in (
            ("cp950", ("謝謝你～我們常常去那裡", "人人都說好～", "他們說的話我都記得々")),
            ("big5hkscs", ("佢哋唔係嚟咗喺呢度", "你話我知點解", "我哋去食飯啦")),
        )
    ),
    Case(
        "no Chinese at all",
        spoken(("well", "no")).encode(),
        texts=("well", "no"),
        notes=("no transcript holds a Chinese",),
    ),
]
