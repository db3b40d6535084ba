"""What a check of the machine found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of ``chsims-build doctor``.

    Parameters
    ----------
    name : str
        What was looked at.
    ok : bool or None
        Whether it is as it should be; None where the build works but a person should know.
    found : str
        What was found.
    remedy : str
        What to do about it; empty where there is nothing to do.
    """

    name: str
    ok: bool | None
    found: str
    remedy: str = ""
