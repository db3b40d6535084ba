"""Text that was read in a wrong encoding and saved so, before it came here."""

from __future__ import annotations

from pipeline.manifest.plausible import MARGIN, Score, score

_TWICE = (
    *(("gb18030", "utf-8"), ("cp1252", "utf-8"), ("latin-1", "utf-8"), ("big5hkscs", "utf-8")),
    *(("gb18030", "big5hkscs"), ("big5hkscs", "gb18030"), ("latin-1", "gb18030")),
    *(("cp1252", "gb18030"), ("latin-1", "big5hkscs"), ("cp932", "gb18030"), ("cp932", "utf-8")),
)
"""Encodings that a text may have been read in, and those that it was in."""


def misread(text: str) -> tuple[str, str] | None:
    """Tell whether a text was read in a wrong encoding, as 浣犲ソ for 你好.

    Parameters
    ----------
    text : str
        A transcript, or all of them.

    Returns
    -------
    (str, str) or None
        The encoding it was read in, and the one that makes plausible Chinese of it.
    """
    own = score(text)
    if own.plausible or own.mean == 0:
        return None
    for wrong, right in _TWICE:
        try:
            again = text.encode(wrong).decode(right)
        except UnicodeError:
            continue
        judged = score(again)
        if judged.plausible and judged.total > own.total + MARGIN:
            return wrong, right
    return _lossily_misread(text, own)


def _lossily_misread(text: str, own: Score) -> tuple[str, str] | None:
    """Tell the same of a text in which characters were lost on the way."""
    if own.mean > -12:
        return None
    for wrong, right in _TWICE[:4]:
        rest = text.replace("\ufffd", "").replace("?", "")
        judged = score(rest.encode(wrong, "ignore").decode(right, "ignore"))
        if judged.han >= 4 and judged.mean > -9:
            return wrong, right
    return None
