"""How plausible a text is as Chinese: the sum of its characters' log probabilities.

Bytes in one encoding often decode in another without an error, into other characters. Real
Chinese consists mostly of a few hundred common characters; such accidents do not. The same
bytes under two encodings are compared by the probability of what each reading says.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_COMMON = Path(__file__).parent / "data" / "common_han.txt"
"""About 1,950 common characters, simplified and traditional, by falling frequency: the order
follows the word counts of jieba's dictionary, after words of conversation; Cantonese included."""

_PUNCTUATION = frozenset("，。？！、…“”‘’：；《》（）—～·　")

_ASCII, _PUNCT, _WIDE, _NEAR, _FOREIGN, _RARE, _NEVER = -4.5, -4.2, -9.0, -12.0, -14.0, -16.0, -25.0
_NATIVE = {"kana": -5.5, "hangul": -10.0, "latin": -6.0}
"""Log probabilities of letters in a text of their own language."""
_HANGUL = frozenset(
    "이다는에가을를의은고하지도로사서기나자리어대한인그아시수일해전정상여과부제보국있동라습니까요안녕감"
    "합오늘날씨좋랑네저우것면거들만원주으장중화공신적생구했던었않없때게와된될너내마미모무바스소"
)
_SYLLABLE = -6.0
"""Log probability of one of the syllables that make up most of a Korean text."""

PLAUSIBLE = -9.5
"""Mean log probability per character beyond ASCII that Chinese text does not fall below."""


MARGIN = 9.0
"""Nats by which one reading must beat another to be taken instead: 8,000 to one."""


@dataclass(frozen=True)
class Score:
    """The plausibility of one reading.

    Parameters
    ----------
    total : float
        Log probability of the whole text, in nats.
    mean : float
        The same per character beyond ASCII; 0 without any.
    han : int
        Number of Han characters.
    """

    total: float
    mean: float
    han: int

    @property
    def plausible(self) -> bool:
        """Whether Chinese text can look like this."""
        return self.han > 0 and self.mean >= PLAUSIBLE


def score(text: str, native: str = "") -> Score:
    """Score a text.

    Parameters
    ----------
    text : str
        A sheet, or a part of it.
    native : {"", "kana", "hangul", "latin"}
        Letters that the encoding was made for, besides Han characters.
    """
    counts = Counter(text)
    known = {c: _log_probability(c, native) for c in counts}
    total = sum(known[c] * n for c, n in counts.items())
    beyond = {c: n for c, n in counts.items() if c > "\x7f"}
    share = sum(known[c] * n for c, n in beyond.items()) / max(1, sum(beyond.values()))
    return Score(total, share, sum(n for c, n in beyond.items() if is_han(c)))


def is_han(character: str) -> bool:
    """Tell whether a character is a Han character (CJK unified ideographs and extension A)."""
    return "\u3400" <= character <= "\u4dbf" or "\u4e00" <= character <= "\u9fff"


def is_lost(character: str) -> bool:
    """Tell whether a character stands for one that a conversion lost: U+FFFD, private use."""
    return character == "\ufffd" or unicodedata.category(character) in ("Co", "Cn", "Cs")


@cache
def _ranks() -> dict[str, float]:
    characters = _COMMON.read_text("utf-8").strip()
    weights = [1 / (rank + 20) for rank in range(len(characters))]
    scale = 0.75 / sum(weights)
    return {c: math.log(scale * w) for c, w in zip(characters, weights, strict=True)}


@cache
def _log_probability(c: str, native: str) -> float:
    if c <= "\x7f":
        return _ASCII if c.isprintable() or c in "\t\r\n" else _FOREIGN
    if c in _PUNCTUATION:
        return _PUNCT
    if is_han(c):
        return _ranks().get(c) or (_NEAR if _in_first_level(c) else _RARE)
    if is_lost(c) or unicodedata.category(c) == "Cc":
        return _NEVER
    if native and _script(c) == native:
        return _SYLLABLE if c in _HANGUL else _NATIVE[native]
    return _WIDE if "\uff01" <= c <= "\uff5e" else _FOREIGN


def _in_first_level(c: str) -> bool:
    """Tell whether one of the national standards counts a character among the frequent ones."""
    for codec, last in (("gb2312", 0xD7), ("big5", 0xC6)):
        try:
            return c.encode(codec)[0] <= last
        except UnicodeEncodeError:
            continue
    return False


def _script(c: str) -> str:
    if "\u3041" <= c <= "\u30ff":
        return "kana"
    if "\uac00" <= c <= "\ud7a3":
        return "hangul"
    return "latin" if "\xc0" <= c <= "\u024f" else ""
