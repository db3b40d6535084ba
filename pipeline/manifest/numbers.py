"""Numbers as people type them into sheets: read right, or refused with words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PADDED = re.compile(r"[+-]?0[0-9]")
_FORMS = str.maketrans(
    "０１２３４５６７８９．，＋－−–—‒﹣⁻",
    "0123456789.,+-------",
)
"""Full-width digits and signs, and what word processors make of a minus."""


@lru_cache(4096)
def number(text: str) -> float | None:
    """Return the number that a field holds, or None.

    A decimal comma, a leading plus, full-width digits and a typographic minus are
    understood. Python's own ``float`` would also take ``1_0`` and ``infinity``.
    """
    plain = text.translate(_FORMS).strip()
    if _NUMBER.fullmatch(plain) is None:
        return None
    return float(plain.replace(",", ".")) + 0.0  # no negative zero


_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+")


def not_a_number(text: str) -> str:
    """Say what a field holds instead of a number."""
    if text.rstrip().endswith(("%", "％", "‰")):
        return f"{text!r} is a percentage; expected a number from -1 to 1"
    return f"{text!r} is not a number"


def is_missing(text: str) -> bool:
    """Tell whether a label was left out."""
    return text.casefold() in ("", "nan", "na", "n/a", "none", "null")


def all_numbers(texts: Iterable[str]) -> bool:
    """Tell whether a column holds numbers and gaps, and a float holds each of them.

    007 is a name, a number of 17 digits an id, and what 1,234 means depends on the country.

    Examples
    --------
    >>> all_numbers(["1", "", "0.5"]), all_numbers(["007"]), all_numbers(["", "NA"])
    (True, False, False)
    >>> all_numbers(["7213456789012345678"]), all_numbers(["1,234"])
    (False, False)
    """
    written = [text for text in texts if not is_missing(text)]
    return bool(written) and all(map(_is_plain_number, written))


def _is_plain_number(text: str) -> bool:
    value = number(text)
    if value is None or _PADDED.match(text) or _THOUSANDS.fullmatch(text.strip()):
        return False
    return abs(value) < 2**53  # a float has all whole numbers up to here
