"""The text of an OpenFace CSV, in whatever form it comes: packed, with commas in numbers."""

from __future__ import annotations

import re
import zlib

from pipeline.errors import ClipError
from pipeline.openface.columns import COLUMNS

MAX_BYTES = 128 * 1024 * 1024
"""Longest CSV that is read, after decompression: some 27,000 rows, 15 minutes of video."""

AGAIN = (
    "run FeatureExtraction on this clip again: -2Dfp -3Dfp -pdmparams -pose -aus -gaze after the "
    "inputs, enough free disk space, and let it end by itself"
)
"""What to do about a CSV that is damaged."""

_GZIP_MAGIC = b"\x1f\x8b"
_NOT_A_NUMBER = re.compile(r"-?(?:nan\(\w*\)|1\.#(?!INF)\w+)", re.IGNORECASE)
_INFINITE = re.compile(r"(-?)1\.#INF\w*", re.IGNORECASE)
_WIDE_COMMA = re.compile(r",[ \t]+")


def read_lines(data: bytes, name: str) -> list[str]:
    """Return a CSV's lines, cells separated by commas, numbers as Python writes them.

    Three other forms are read as well, because they are unambiguous:
    semicolons or tabs between the cells (a spreadsheet's), decimal commas with ``, `` between the
    cells (OpenFace in a German or French locale), and Windows' ``-nan(ind)`` and ``1.#IND``.

    Raises
    ------
    ClipError
        If the file is damaged, too large, empty, no text, or written with decimal commas and
        commas alike.
    """
    text = _text(data, name)
    if "(" in text or "#" in text:
        text = _INFINITE.sub(r"\1inf", _NOT_A_NUMBER.sub("nan", text))
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ClipError(f"{name} is empty", AGAIN)
    between = next((mark for mark in ";\t" if mark in lines[0]), ",")
    if between != ",":
        lines[0] = lines[0].replace(between, ",")
        lines[1:] = [line.replace(",", ".").replace(between, ",") for line in lines[1:]]
    elif len(lines) > 1 and lines[1].count(",") + 1 >= 1.5 * len(COLUMNS):
        lines[1:] = _without_decimal_commas(lines[1:], name)
    return lines


def _without_decimal_commas(lines: list[str], name: str) -> list[str]:
    first = lines[0].strip()
    if len(_WIDE_COMMA.split(first)) != len(COLUMNS):
        raise ClipError(
            f"{name} has decimal commas, and commas between its columns too: {first[:40]}",
            "run OpenFace with LC_ALL=C, or use a CSV with semicolons between its columns",
        )
    return [
        ",".join(cell.replace(",", ".") for cell in _WIDE_COMMA.split(line.strip()))
        for line in lines
    ]


def _text(data: bytes, name: str) -> str:
    if data.startswith(_GZIP_MAGIC):
        data = _decompress(data, name)
    if len(data) > MAX_BYTES:
        raise ClipError(f"{name} is larger than {MAX_BYTES >> 20} MiB: not the CSV of one clip")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ClipError(f"{name} is not a text file in UTF-8", AGAIN) from None


def _decompress(data: bytes, name: str) -> bytes:
    # one step at a time, so that a small file cannot unpack to more than the limit
    unpacked = bytearray()
    rest = data
    try:
        while rest:
            stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            unpacked += stream.decompress(rest, MAX_BYTES + 1 - len(unpacked))
            if len(unpacked) > MAX_BYTES:
                raise ClipError(f"{name} unpacks to more than {MAX_BYTES >> 20} MiB")
            if not stream.eof:
                raise ClipError(f"{name} is cut off: its gzip data ends early", AGAIN)
            rest = stream.unused_data
    except zlib.error as error:
        raise ClipError(f"{name} is damaged: {error}", AGAIN) from None
    return bytes(unpacked)
