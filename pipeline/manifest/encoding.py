"""The text encoding of a sheet: recognised beyond doubt, or refused.

Every reading of the bytes that is possible competes; one is taken only where it is plausible
Chinese and thousands of times as probable as any other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BuildError
from pipeline.manifest.misread import misread
from pipeline.manifest.plausible import MARGIN, Score, score

NAMES = {
    "utf-8": "UTF-8",
    "gb18030": "GB18030",
    "big5": "Big5",
    "utf-16": "UTF-16",
    "shift_jis": "Shift-JIS",
}
"""The encodings that `manifest.encoding` can name."""

_CODECS = {"utf-8": "utf-8-sig", "shift_jis": "cp932"}
_RIVALS = {
    "shift_jis": ("cp932", "kana"),
    "EUC-JP": ("euc_jp", "kana"),
    "EUC-KR": ("cp949", "hangul"),
    "Windows-1252": ("cp1252", "latin"),
}
"""Encodings that are never taken by themselves, but that keep others from being taken."""

_TRUST_UTF8 = 6.0
"""Nats in favour of UTF-8, whose rules few other texts satisfy by chance."""

_SAVE = "save the sheet again as CSV in UTF-8"
_SETTING = f"set manifest.encoding ({', '.join(NAMES)})"
_ESCAPES = re.compile(rb"\x1b\$[@B)A]|\x1b\([BJ]|~\{[!-~]{2,}~\}")


@dataclass(frozen=True)
class Decoded:
    """A sheet's text, the encoding it was read in, and what a person should know of it."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


def decode(data: bytes, path: Path, encoding: str = "auto") -> Decoded:
    """Decode a sheet.

    Parameters
    ----------
    data : bytes
        The whole file.
    path : Path
        For messages.
    encoding : str
        A key of `NAMES`, or auto.

    Raises
    ------
    BuildError
        If the encoding cannot be told with certainty, or the bytes are not in it.
    """
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        raise BuildError(f"{path} is in UTF-32", _SAVE)
    if encoding == "auto":
        found = _recognised(data, path)
    else:
        found = Decoded(_strict(data, encoding, path), encoding)
        _check_choice(found, data, path)
    return _checked(found, path)


def _recognised(data: bytes, path: Path) -> Decoded:
    if data.startswith(b"\xef\xbb\xbf"):
        return Decoded(_strict(data, "utf-8", path), "utf-8")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or _utf16_order(data):
        return _noted(Decoded(_strict(data, "utf-16", path), "utf-16"), path)
    if escape := _ESCAPES.search(data):
        line = data.count(b"\n", 0, escape.start()) + 1
        raise BuildError(
            f"{path}, line {line}: escape sequences of an ISO-2022 or HZ encoding", _SAVE
        )
    if data.isascii():
        return Decoded(data.decode("ascii"), "utf-8")
    readings = _readings(data)
    if "utf-8" in readings and readings["utf-8"][1].plausible and readings["utf-8"][1].han >= 6:
        return Decoded(readings["utf-8"][0], "utf-8")
    ranked = sorted(readings, key=lambda name: -readings[name][1].total)
    if ranked:
        best, (text, judged) = ranked[0], readings[ranked[0]]
        behind = [judged.total - readings[name][1].total for name in ranked[1:]]
        if best in ("utf-8", "gb18030", "big5") and min(behind, default=MARGIN) >= MARGIN:
            if judged.plausible:
                _check_lines(data, best, path)
                return _noted(Decoded(text, best), path)
            if best == "utf-8" and not _by_chance(text, readings):
                return Decoded(text, best)
    if "utf-8" in readings:
        _checked(Decoded(readings["utf-8"][0], "utf-8"), path)
    raise _doubt(data, path, ranked, readings)


def _codec(name: str, data: bytes) -> str:
    """Return Python's codec: of Big5, Windows' own (～ and 々), or Hong Kong's if that fails."""
    if name != "big5":
        return _CODECS.get(name, name)
    try:
        data.decode("cp950")
    except UnicodeDecodeError:
        return "big5hkscs"
    return "cp950"


def _readings(data: bytes) -> dict[str, tuple[str, Score]]:
    """Return every possible reading of the lines that are not ASCII, with its score."""
    found = {}
    codecs = {name: (_codec(name, data), "") for name in ("utf-8", "gb18030", "big5")}
    for name, (codec, native) in {**codecs, **_RIVALS}.items():
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        judged = score("".join(x for x in _lines(text) if not x.isascii()), native)
        if name == "utf-8":
            judged = Score(judged.total + _TRUST_UTF8, judged.mean, judged.han)
        found[name] = text, judged
    return found


def _check_lines(data: bytes, encoding: str, path: Path) -> None:
    """Refuse a sheet of which some lines are in another encoding than the rest."""
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.isascii():
            continue
        if (own := score(line.decode(_codec(encoding, data)))).plausible:
            continue
        others = {name: judged for name, (_, judged) in _readings(line).items() if name in NAMES}
        for name, judged in others.items():
            if judged.plausible and judged.total > own.total + MARGIN:
                raise BuildError(
                    f"{path}, line {number} is in {NAMES[name]}, but most other lines are in "
                    f"{NAMES[encoding]}",
                    f"type the text of this line again and {_SAVE}",
                )


def _by_chance(text: str, readings: dict[str, tuple[str, Score]]) -> bool:
    """Tell whether pairs of bytes may be UTF-8 by accident: 路 of GB18030 is its middle dot."""
    return max(text) < "\u0800" and any(judged.plausible for _, judged in readings.values())


def _noted(found: Decoded, path: Path) -> Decoded:
    if found.encoding == "utf-8":
        return found
    words = f"{path.name} was recognised as {NAMES[found.encoding]}"
    return Decoded(found.text, found.encoding, (words,))


def _doubt(
    data: bytes, path: Path, ranked: list[str], readings: dict[str, tuple[str, Score]]
) -> BuildError:
    """Say why no encoding was taken: broken UTF-8, another encoding, or too little text."""
    name, broken = _mostly(data)
    if broken:
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        return BuildError(
            f"{path} is {NAMES[name]} but for line(s) {', '.join(map(str, broken[:5]))}{more}, "
            "which hold broken bytes (expected whole characters)",
            f"type the text of these lines again and {_SAVE}",
        )
    plausible = [NAMES.get(n, n) for n in ranked if readings[n][1].mean >= -12]
    guess = _detected(data)
    what = " or ".join(plausible[:3]) if plausible else f"{guess or 'no encoding that is known'}"
    shown = _lines(data.decode("latin-1"))
    line = next(i for i, text in enumerate(shown, 1) if not text.isascii())
    return BuildError(
        f"{path}: its encoding cannot be recognised with certainty (it may be {what}); expected "
        f"Chinese text in {', '.join(NAMES.values())}; the first characters in question stand in "
        f"line {line}",
        f"{_SAVE}, or {_SETTING} if you know what it is in",
    )


def _lines(text: str) -> list[str]:
    """Split at line ends alone: ``splitlines`` also takes U+0085 and others for one."""
    return re.split(r"\r\n|\r|\n", text)


def _detected(data: bytes) -> str | None:
    """Return what charset-normalizer takes the bytes for; a name for the message, no more."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:20000]).best()
    return best.encoding if best else None


def _mostly(data: bytes) -> tuple[str, list[int]]:
    """Return the encoding that all but a few bytes are in, and the lines of those bytes."""
    best, found = -20.0, ("", list[int]())
    for name in ("utf-8", "gb18030", "big5"):
        lines = _lines(data.decode(_codec(name, data), "replace"))
        broken = [i for i, line in enumerate(lines, 1) if "\ufffd" in line]
        judged = score("".join(lines).replace("\ufffd", ""))
        few = judged.han > "".join(lines).count("\ufffd")
        if broken and few and judged.plausible and judged.mean > best:
            best, found = judged.mean, (name, broken)
    return found


def _utf16_order(data: bytes) -> str | None:
    """Tell UTF-16 without a byte order mark by the zeros in its ASCII letters."""
    head = data[:4000]
    if len(head) < 8 or head.count(0) < len(head) // 8:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if min(even, odd) > max(even, odd) // 4:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _strict(data: bytes, encoding: str, path: Path) -> str:
    codec = _codec(encoding, data)
    if encoding == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        codec = _utf16_order(data) or "utf-16-le"
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(codec, "replace")
        raise BuildError(
            f"{path}, line {len(_lines(before))}: not {NAMES[encoding]} text (the byte "
            f"0x{data[error.start]:02x} after {_lines(before)[-1][-10:]!r})"
            if before
            else f"{path}, line 1: not {NAMES[encoding]} text",
            f"{_SAVE}, or {_SETTING}",
        ) from error


def _check_choice(found: Decoded, data: bytes, path: Path) -> None:
    """Refuse an encoding that was asked for where another one is beyond doubt."""
    own = score(found.text)
    if found.encoding == "utf-16" or own.plausible or own.mean == 0:
        return
    for name, (_, judged) in _readings(data).items():
        if name != found.encoding and judged.plausible and judged.total > own.total + MARGIN:
            raise BuildError(
                f"{path} is not {NAMES[found.encoding]} (manifest.encoding) but "
                f"{NAMES.get(name, name)}",
                "set manifest.encoding to auto",
            )


def _checked(found: Decoded, path: Path) -> Decoded:
    """Refuse text that was read in a wrong encoding and saved so before it came here."""
    strange = "".join(line for line in _lines(found.text) if not line.isascii())
    if strange and (how := misread(strange)):
        wrong, right = how
        raise BuildError(
            f"{path}: its text was {right} once, was opened as {wrong} and saved so: it "
            f"begins {strange[:20]!r}, expected Chinese",
            f"go back to the sheet before that, open it as {right} and {_SAVE}",
        )
    return found
