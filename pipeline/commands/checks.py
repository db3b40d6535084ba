"""The result of a check of the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of ``chsims-build doctor``.

    Parameters
    ----------
    name : str
        What was checked.
    ok : bool or None
        Whether the check passed; None if the build works but the user should know.
    found : str
        What was found.
    remedy : str
        What to do about it; empty if nothing needs to be done.
    tests_openface : bool
        The check is a part of ``doctor --openface``, which has an exit status of its own.
    """

    name: str
    ok: bool | None
    found: str
    remedy: str = ""
    tests_openface: bool = False
