"""The columns of a sheet: which header means what, and where two columns mean the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from pipeline.manifest.numbers import is_missing, number
from pipeline.manifest.plausible import is_han

SPELLINGS: dict[str, tuple[str, ...]] = {
    "video_id": ("video_id", "video", "videoid", "视频", "视频id", "视频编号", "影片", "視頻"),
    "clip_id": ("clip_id", "clipid", "片段", "片段id", "片段编号", "片段編號"),
    "clip": ("clip",),
    "text": (
        *("text", "transcript", "transcription", "text_cn", "chinese"),
        *("文本", "台词", "字幕", "转写", "台詞", "轉寫"),
    ),
    "M": ("label", "label_m", "m", "标签", "標籤", "情感标签", "多模态标签"),
    "T": ("label_t", "t", "文本标签"),
    "A": ("label_a", "a", "音频标签", "语音标签"),
    "V": ("label_v", "v", "视频标签", "视觉标签"),
    "mode": ("mode", "split", "part", "subset", "划分", "劃分", "数据集划分"),
    "speaker": ("speaker", "speaker_id", "speakerid", "说话人", "說話人"),
    "gender": ("gender", "sex", "性别", "性別"),
    "age": ("age", "年龄", "年齡"),
    "english": ("english", "text_en", "english_text", "text_english", "translation"),
    "annotation": ("annotation",),
    "modality": ("modality", "task"),
    "annotator": ("annotator", "annotator_id", "rater"),
    "vote": ("vote", "votes", "rating", "score"),
}
"""Column names that are understood, in any case and order, best first."""

CH_SIMS = (
    *("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V"),
    *("annotation", "mode"),
)
"""The columns of CH-SIMS' label.csv by position; some copies of it have no header line. The sheet
of the unlabelled half of CH-SIMS v2 lacks the last one."""

MODES = {
    spelling: part
    for part, spellings in {
        "train": ("train", "training", "训练", "训练集", "訓練", "訓練集"),
        "valid": ("valid", "val", "validation", "dev", "验证", "验证集", "驗證", "驗證集"),
        "test": ("test", "testing", "测试", "测试集", "測試", "測試集"),
        "unlabelled": ("unlabelled", "unlabeled", "unsupervised", "未标注", "無標註"),
    }.items()
    for spelling in spellings
}
"""How sheets spell the parts, lower case."""

_KEPT = "kept:"

_SIGNS = {"negative": -1, "neutral": 0, "positive": 1}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EDGES = re.compile(r"^[\s\u00ad\u200b-\u200f\u2060\ufeff]+|[\s\u00ad\u200b-\u200f\u2060\ufeff]+$")

Fields = Sequence[tuple[int, list[str]]]


def clean(text: str) -> str:
    """Strip a value, invisible characters included, and turn its control characters to spaces."""
    return _EDGES.sub("", text if text.isprintable() else _CONTROL.sub(" ", text))


def locate(header: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of each column that is understood; more than one where names repeat."""
    names = [_folded(name) for name in header]
    return {
        column: places
        for column, accepted in SPELLINGS.items()
        if (places := [i for name in accepted for i, found in enumerate(names) if found == name])
    }


def kept_places(header: Sequence[str], keep: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of the columns that the user wants to keep, by ``kept:NAME``."""
    names = [_folded(name) for name in header]
    return {
        f"{_KEPT}{name}": [names.index(_folded(name))] for name in keep if _folded(name) in names
    }


def kept_keys(columns: Iterable[str]) -> dict[str, str]:
    """Return the kept columns' names, each with its key among a table's columns."""
    return {key.removeprefix(_KEPT): key for key in columns if key.startswith(_KEPT)}


def disagreements(header: Sequence[str], where: dict[str, list[int]], lines: Fields) -> list[str]:
    """Name the lines on which two columns of one meaning do not say the same."""
    found = []
    for first, *others in where.values():
        for other in others:
            for line, fields in lines:
                one, two = _field(fields, first), _field(fields, other)
                if one != two and (number(one) is None or number(one) != number(two)):
                    found.append(
                        f"line {line}: the columns {header[first]} ({one[:20]!r}) and "
                        f"{header[other]} ({two[:20]!r}) mean the same and disagree"
                    )
    return found


def headerless(lines: Fields) -> tuple[str, ...]:
    """Return the columns of a sheet whose first line is a clip in CH-SIMS' order; else nothing.

    The annotation of a clip names the sign of its label; that shows that the columns stand
    where they are expected. Clips without labels have neither, but a Chinese transcript.
    """
    columns = CH_SIMS[: len(lines[0][1])] if lines else ()
    if len(columns) < len(CH_SIMS) - 1:
        return ()
    fits = [_is_ch_sims(fields, len(columns)) for _, fields in lines]
    return columns if fits[0] and sum(fits) >= 0.9 * len(fits) else ()


def looks_like_a_clip(fields: Sequence[str]) -> bool:
    """Tell whether a first line that names no column has a clip's values."""
    return len(fields) >= 3 and any(number(field) is not None for field in fields[1:])


def value(fields: Sequence[str], where: Mapping[str, list[int]], column: str) -> str:
    """Return a line's value in a column; empty where the line ends before it."""
    return _field(fields, where[column][0])


def _field(fields: Sequence[str], place: int) -> str:
    return fields[place] if place < len(fields) else ""


def _is_ch_sims(fields: Sequence[str], count: int) -> bool:
    padded = [*fields, *[""] * (count - len(fields))]  # a workbook's line ends with its last value
    if len(padded) != count or not (padded[0] and padded[1]):
        return False
    written = [field for field in padded[3:7] if not is_missing(field)]
    mode = padded[8].casefold() if count == len(CH_SIMS) else "train"
    if not written:
        return mode in ("", *MODES) and not padded[7] and any(map(is_han, padded[2]))
    labels = [number(field) for field in padded[3:7]]
    sign = _SIGNS.get(padded[7].casefold())
    if mode not in MODES or labels[0] is None or any(x is None or abs(x) > 1 for x in labels):
        return False
    return bool((labels[0] > 0) - (labels[0] < 0) == sign)


def _folded(name: str) -> str:
    """Return a header's name without case, width, quotes and spaces between its words."""
    plain = unicodedata.normalize("NFKC", clean(name)).casefold()
    plain = "".join(c for c in plain if unicodedata.category(c) != "Cf").strip(" '\"")
    return re.sub(r"[\s\-]+", "_", plain)
