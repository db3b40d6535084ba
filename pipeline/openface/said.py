"""What OpenFace says: the lines that tell why it failed, or that it is not the one asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import BuildError

_WORDS = 300
_TELLING = re.compile(
    r"error|warning|fail|could not|couldn't|cannot|can't|not exist|not found|no images|no such|"
    r"exception|terminate|fatal|killed|denied|no space|unable|invalid|defaulting",
    re.IGNORECASE,
)
_SIGNALS = {
    132: "crashed (SIGILL: it was built for another processor)",
    134: "aborted",
    136: "crashed (SIGFPE)",
    137: "was killed, most likely for lack of memory",
    139: "crashed",
}
_DOCS = "see docs/openface.md, 'When it does not work'"


@dataclass(frozen=True)
class _Broken:
    """A line that no clip can cause, and what it means."""

    line: re.Pattern[str]
    problem: str
    remedy: str

    @classmethod
    def of(cls, line: str, problem: str, remedy: str) -> _Broken:
        return cls(re.compile(line, re.IGNORECASE), problem, f"{remedy}; {_DOCS}")


_BROKEN = (
    _Broken.of(
        # a path may hold any word, so nothing is matched across a slash
        r"defaulting to [^/\n]*detector"
        r"|mtcnn[^/\n]*(not found|missing|could not|couldn't|cannot|fail)",
        "does not look for faces with MTCNN, the detector that was asked for",
        "put OpenFace's folder model/mtcnn_detector back next to its binary: with another "
        "detector the features differ",
    ),
    _Broken.of(
        r"no action unit models found",
        "has no action-unit models",
        "put OpenFace's folder AU_predictors, with its AU models, back next to its binary",
    ),
    _Broken.of(
        r"no eye model found",
        "has no eye model, so that it cannot tell the gaze",
        "put the eye models back into OpenFace's folder model",
    ),
    _Broken.of(
        r"could not load the landmark detector|could not find cen patch experts",
        "has no landmark models",
        "put OpenFace's model folder next to its binary (its download_models.sh fetches the "
        "large ones)",
    ),
)


def check_installation_lines(output: str, runtime: str) -> None:
    """Look for lines that say that OpenFace lacks a model.

    OpenFace goes on without some models, with other results and exit status 0.

    Parameters
    ----------
    output : str
        What OpenFace printed, without the paths of the build's own folders.
    runtime : str
        How it was started, for the message.

    Raises
    ------
    BuildError
        If there is such a line; names it.

    Examples
    --------
    >>> check_installation_lines("Reading the MTCNN face detector from: model/mtcnn", "native")
    >>> check_installation_lines("INFO: defaulting to HOG-SVM face detector", "native")
    Traceback (most recent call last):
    ...
    pipeline.errors.BuildError: OpenFace (native) does not look for faces with MTCNN, ...
    """
    for broken in _BROKEN:
        for line in output.splitlines():
            if broken.line.search(line):
                raise BuildError(
                    f"OpenFace ({runtime}) {broken.problem}: {_plain(line)[:_WORDS]}",
                    broken.remedy,
                )


def last_words(output: str) -> str:
    """Return the lines of OpenFace's output that tell what went wrong, or its last line."""
    lines = [_plain(line) for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)] or lines
    return "; ".join(dict.fromkeys(telling[-2:]))[-_WORDS:] or "(it said nothing)"


def ending(status: int, stopped_after: float | None, words: str) -> str:
    """Describe how OpenFace ended.

    Parameters
    ----------
    status : int
        Exit status.
    stopped_after : float or None
        Seconds after which it was stopped from here; None if it was not.
    words : str
        From `last_words`.
    """
    if stopped_after is not None:
        return (
            f"stopped after {stopped_after:.0f} s without finishing a clip; its last words: {words}"
        )
    if status == 143:
        return f"OpenFace was stopped from outside (exit 143): {words}"
    return f"OpenFace {_SIGNALS.get(status, 'ended')} (exit {status}): {words}"


def _plain(line: str) -> str:
    return "".join(filter(str.isprintable, " ".join(line.split())))
