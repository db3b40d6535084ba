"""The report: one HTML page made from a build's files alone."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.report.clips import ClipRows, clip_details
from pipeline.report.content import page_content, table_data
from pipeline.report.exhibits import write_exhibits
from pipeline.report.pages import embed_json, page_templates, trusted
from pipeline.report.palette import DARK, LIGHT, css_variables
from pipeline.report.read import read_build
from pipeline.report.signals import fitting_rows
from pipeline.report.sources import Build
from pipeline.store.files import written_whole
from pipeline.store.freshness import note_inputs
from pipeline.store.made import note_made

_TEMPLATES = Path(__file__).parent / "templates"


def build_report(config: Config) -> Path:
    """Write ``processed/report.html`` from the files of a build, finished or not.

    Its tables (CSV) and figures (SVG) are also left one by one in ``processed/report/``.

    Parameters
    ----------
    config : Config
        Names the build's folder, and sets the limits of what is pointed out.

    Returns
    -------
    Path
        The page. The same files give the same bytes.

    Raises
    ------
    BuildError
        If the page cannot be written; an older page is then left as it was.
    """
    build = read_build(config)
    rows = ClipRows(build)
    content = page_content(build, rows)
    page = render({**content, **_embedded(build, rows)})
    exhibits = write_exhibits(config.layout.exhibits, content)
    path = config.layout.report
    with written_whole(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", "replace"))
    note_made(config.layout, "report", [path, *exhibits])
    note_inputs(config.layout, [str(path)], map(str, build.files))
    return path


def render(content: dict[str, Any]) -> str:
    """Return the page with this content."""
    environment = page_templates(_TEMPLATES)
    environment.filters["hours"] = _hours
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["trusted"] = trusted
    return environment.get_template("page.html.j2").render(content)


def _embedded(build: Build, rows: ClipRows) -> dict[str, Any]:
    """Return what the page carries inside itself: style, script and data."""
    shown = fitting_rows(rows.sizes, build.config.report.megabytes)
    table = embed_json(table_data(build, rows, shown))
    detail, blocks = clip_details(build, rows, shown, len(table.encode()))
    script = (_TEMPLATES / "report.js").read_text("utf-8")
    return {
        "detail": detail,
        "shown": shown,
        "style": _style(),
        "script": trusted(script),
        "script_hash": _source_hash(script),
        "table_data": table,
        "blocks": [embed_json(block) for block in blocks],
    }


def _style() -> Any:
    css = (_TEMPLATES / "report.css").read_text("utf-8")
    return trusted(
        css.replace("/*light*/", css_variables(LIGHT)).replace("/*dark*/", css_variables(DARK))
    )


def _source_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _hours(seconds: float) -> str:
    """Write a span of time as a person would: 95 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
