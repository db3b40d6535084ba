"""The two kinds of failure: one clip cannot be used, or the build cannot continue."""

from __future__ import annotations


class BuildError(Exception):
    """A problem that stops the build: a wrong setting, a missing program, a full disk.

    Parameters
    ----------
    problem : str
        What was expected and what was found; names the file or the setting.
    remedy : str
        What the user should do next.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  -> {self.remedy}" if self.remedy else self.problem


class NotHereError(BuildError):
    """Something that a build fetches, a model for example, is not on this machine yet."""


class ClipError(Exception):
    """One clip cannot be used. It is quarantined and the others continue.

    Parameters
    ----------
    reason : str
        What is wrong with the clip.
    remedy : str
        What the user can do about it.
    passing : bool
        The failure may be transient (memory, a killed process): the next build retries the clip.
    """

    def __init__(self, reason: str, remedy: str = "", *, passing: bool = False) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy
        self.passing = passing

    def __str__(self) -> str:
        return self.reason
