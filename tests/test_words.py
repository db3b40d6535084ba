"""Phrases that a native writer would not use stay out of pages, help texts and messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

_UNITS = "clip|frame|core|job|stage|shard|token|vote|modality|machine|worker|line|process|seed"
_PREPOSITIONS = "as|at|by|for|from|in|into|like|of|on|than|to|with"
BANNED = {
    rf"\bone (\w+ )?(?!({_PREPOSITIONS})\b)\w+ an? ({_UNITS})\b": "per: one file per clip",
    r"\b(told|tells?) of\b": "reported, describes",
    r"\bbeside\b": "next to, compared with, in addition to",
    r"\bany more\b": "no longer",
    r"\bno clip's fault\b": "not caused by a clip",
    r"\bperson at the keyboard\b": "the user",
    r"\bto be had\b": "available",
}

PAGES = [
    path
    for pattern in (
        *("*.md", "docs/**/*.md", "raw/**/*.md", "processed/README.md", "config/*.yaml"),
        *("profiles/**/*.yaml", "rules/captions/*", "pipeline/report/templates/*.j2"),
    )
    for path in sorted(ROOT.glob(pattern))
]
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))


def awkward(text: str) -> Iterator[str]:
    """Yield each banned phrase of a text, with what to write instead."""
    plain = re.sub(r"<!--.*?-->", "", " ".join(text.split()))
    for pattern, better in BANNED.items():
        for match in re.finditer(pattern, plain, re.IGNORECASE):
            around = plain[max(0, match.start() - 40) : match.end() + 40]
            yield f"{match.group()!r} in '...{around}...': write {better}"


def messages(source: str) -> Iterator[ast.Constant]:
    """Yield the strings of a module that are not docstrings: messages, titles, help."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_has_no_awkward_phrase(path: Path) -> None:
    assert list(awkward(path.read_text("utf-8"))) == []


def test_no_message_has_an_awkward_phrase() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {phrase}"
        for path in MODULES
        for node in messages(path.read_text("utf-8"))
        for phrase in awkward(node.value)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("writes one file a clip", 1),
        ("one safetensors file a clip, beside the video", 2),
        ("one of a clip's files; the record of a job; one file per clip", 0),
        ("the build describes what ffmpeg told of", 1),
        ("besides; any moreover", 0),
    ],
)
def test_phrases_are_found_and_others_left_alone(text: str, count: int) -> None:
    assert len(list(awkward(text))) == count
