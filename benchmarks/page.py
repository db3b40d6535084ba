"""Writing a benchmark's figures into a page of docs/."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PERFORMANCE = DOCS / "performance.md"
MODELS = DOCS / "models.md"


def put_into_page(page: Path, mark: str, lines: list[str]) -> None:
    """Replace what stands between two marks of a Markdown page."""
    text = page.read_text("utf-8")
    head, _, rest = text.partition(f"<!-- {mark} -->")
    _, _, tail = rest.partition(f"<!-- end {mark} -->")
    body = "\n".join(lines)
    page.write_text(f"{head}<!-- {mark} -->\n{body}\n<!-- end {mark} -->{tail}", "utf-8")
