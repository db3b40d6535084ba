"""Label sheets as people really have them, and what must come of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

H = "video_id,clip_id,text,label"
SIX = (
    "今天天气很好",
    "我不想去上学",
    "你说什么呢，我听不懂",
    "太好了！",
    "没关系的",
    "这是怎么回事？",
)
TAIWAN = (
    "今天天氣很好",
    "我們去吃飯吧",
    "你說過的話還算數嗎",
    "太好了！",
    "沒關係的",
    "這是怎麼回事？",
)
JAPAN = ("今日は天気がいいですね", "学校に行きたくない", "ありがとうございます")
KOREA = ("오늘 날씨가 좋아요", "학교에 가고 싶지 않아요", "감사합니다")


@dataclass(frozen=True)
class Case:
    """One sheet and its right outcome.

    Parameters
    ----------
    name : str
        What is special about it.
    data : bytes
        The file.
    texts : tuple of str or None
        Transcripts in order, where the sheet is read.
    labels : tuple of float or None
        Labels M in order.
    clips : tuple of str or None
        Clip ids in order.
    faults : dict of str to str
        Words that the reason of a clip must hold; clips not named here have none.
    notes : tuple of str
        Words that the sheet's notes must hold.
    refused : tuple of str
        Words of the error, where the whole sheet is refused.
    file : str
        The sheet's name.
    settings : dict
        Settings of the manifest.
    media : tuple of str
        Media files that lie there.
    """

    name: str
    data: bytes
    texts: tuple[str, ...] | None = None
    labels: tuple[float, ...] | None = None
    clips: tuple[str, ...] | None = None
    faults: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    file: str = "label.csv"
    settings: dict[str, Any] = field(default_factory=dict)
    media: tuple[str, ...] = ()


def sheet(*lines: str, header: str = H, end: str = "\n") -> str:
    """Return a sheet's text."""
    return "".join(f"{line}{end}" for line in (header, *lines))


def spoken(texts: tuple[str, ...]) -> str:
    """Return a sheet with these transcripts."""
    return sheet(*(f'v,{i:04d},"{text}",0.2' for i, text in enumerate(texts, 1)))


def one(label: str) -> bytes:
    """Return a sheet whose second clip has this label."""
    return sheet("v,0001,你好,0.2", f'v,0002,再见,"{label}"', "v,0003,是的,-1").encode()


def broken(text: str, word: str) -> bytes:
    """Return a UTF-8 sheet with the last byte of a word lost."""
    data, bad = text.encode(), word.encode()
    return data.replace(bad, bad[:-1], 1)
