"""Writing a benchmark's figures into a page of docs/."""

from __future__ import annotations

import os
import platform
from datetime import date
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PERFORMANCE = DOCS / "performance.md"
MODELS = DOCS / "models.md"


def put_into_page(page: Path, mark: str, lines: list[str]) -> None:
    """Replace the text between two marks of a Markdown page."""
    text = page.read_text("utf-8")
    head, _, rest = text.partition(f"<!-- {mark} -->")
    _, _, tail = rest.partition(f"<!-- end {mark} -->")
    body = "\n".join(lines)
    page.write_text(f"{head}<!-- {mark} -->\n{body}\n<!-- end {mark} -->{tail}", "utf-8")


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def measured_on() -> str:
    """Return a line that says on what machine and when figures were measured."""
    return f"{len(os.sched_getaffinity(0))} cores ({processor()}), {date.today().isoformat()}."
