"""The two kinds of failure: one clip is bad, or the build cannot go on."""

from __future__ import annotations


class BuildError(Exception):
    """Something that stops the build: a config, a missing program, a full disk.

    Parameters
    ----------
    problem : str
        What was expected and what was found, naming the file or setting.
    remedy : str
        The next step for the person at the keyboard.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  -> {self.remedy}" if self.remedy else self.problem


class ClipError(Exception):
    """One clip cannot be used; it goes to quarantine and the others go on.

    Parameters
    ----------
    reason : str
        What is wrong with the clip, in plain words.
    remedy : str
        What a person can do about it.
    passing : bool
        The machine may be to blame (memory, a killed process): the next build tries again.
    """

    def __init__(self, reason: str, remedy: str = "", *, passing: bool = False) -> None:
        super().__init__(reason, remedy)
        self.reason = reason
        self.remedy = remedy
        self.passing = passing

    def __str__(self) -> str:
        return self.reason
