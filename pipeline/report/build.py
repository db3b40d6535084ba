"""The report: one HTML page made from a build's files alone."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.dataset.classes import CLASSES
from pipeline.report import charts, corpus
from pipeline.report.clips import DETAILS_A_BLOCK, ClipRow, clip_details, clip_rows
from pipeline.report.findings import KINDS
from pipeline.report.methods import methods
from pipeline.report.palette import DARK, LIGHT, MODALITIES, css_variables, heat_scale
from pipeline.report.paper import CORPUS, SPLIT
from pipeline.report.provenance import EDGES, costs, dag, differences, revision, versions
from pipeline.report.results import Results, read_results, result_tables
from pipeline.report.signals import ALPHABET, LEVELS
from pipeline.report.sources import Build, read_build
from pipeline.report.summary import build_warnings
from pipeline.store import written_whole
from pipeline.train.experiments import TITLES
from pipeline.train.metrics import TITLES as METRIC_TITLES

_TEMPLATES = Path(__file__).parent / "templates"
_REASONS_SHOWN = 3
_UNITS = {"text": ("tokens", "t"), "audio": ("frames", "a"), "vision": ("vectors", "v")}


def build_report(config: Config) -> Path:
    """Write ``processed/report.html`` from the files of a build, finished or not.

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
    page = render(read_build(config))
    path = config.processed / "report.html"
    with written_whole(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", "replace"))
    return path


def render(build: Build) -> str:
    """Return the page of a build."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["hours"] = _hours
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["trusted"] = _trusted
    return environment.get_template("page.html.j2").render(_context(build))


def _context(build: Build) -> dict[str, Any]:
    rows = clip_rows(build)
    detail, blocks = clip_details(build, rows)
    results = read_results(build.root)
    stored_versions, versions_from = versions(build)
    paragraph, bibtex = methods(build, stored_versions, results.trained)
    script = (_TEMPLATES / "report.js").read_text("utf-8")
    return {
        "title": build.config.report.title,
        "build": build,
        "config": build.config,
        "made_with": build.made_with,
        "revision": revision(build),
        "gaps": build.gaps,
        "warnings": build_warnings(build),
        "cards": _cards(build, rows),
        "corpus": _corpus(build, rows),
        "rows": rows,
        "kinds": KINDS,
        "detail": detail,
        "results": results,
        "tables": result_tables(results),
        "comparable": not _incomparable(build),
        "incomparable": _incomparable(build),
        "curves": _curves(results),
        "confusions": _confusions(results),
        "metric_titles": METRIC_TITLES,
        "figure4": _figure4(results),
        "reasons": _reasons(build),
        "classes": corpus.CLASS_NAMES,
        "modalities": MODALITIES,
        "costs": costs(build.runs),
        "versions": stored_versions,
        "versions_from": versions_from,
        "differences": differences(build.made_with),
        "dag": dag(build, len(results.trained)),
        "edges": EDGES,
        "methods": paragraph,
        "bibtex": bibtex,
        "style": _style(),
        "script": _trusted(script),
        "script_hash": _source_hash(script),
        "table_data": embed_json(_table_data(build, rows)),
        "blocks": [embed_json(block) for block in blocks],
    }


def _cards(build: Build, rows: list[ClipRow]) -> dict[str, Any]:
    seconds = float(build.usable["duration"].sum()) if build.manifest is not None else 0.0
    reasons = Counter(item.reason for item in build.quarantine)
    if len(reasons) > _REASONS_SHOWN or any(len(reason) > 60 for reason in reasons):
        reasons = Counter(f"at {item.stage}" for item in build.quarantine)
    return {
        "clips_in": build.clips_in,
        "used": len(rows),
        "seconds": seconds,
        "reasons": reasons.most_common(),
        "looked_at": sum(1 for row in rows if row.found),
    }


def _corpus(build: Build, rows: list[ClipRow]) -> dict[str, Any] | None:
    clips = build.usable
    if clips.empty:
        return None
    shown: dict[str, Any] = {
        "table1": corpus.table1(clips),
        "fig2": charts.label_histograms({m: clips[m].to_numpy(float) for m in corpus.LABELS}),
        "eq1": charts.distance_matrix(corpus.label_distance(clips), corpus.LABELS),
        "labelled": {m: int(clips[m].notna().sum()) for m in corpus.LABELS},
        "lengths": [],
        "table3": None,
        "agreement": corpus.agreement(build.votes) if build.votes is not None else None,
    }
    shown["lengths"] = [
        (length, charts.length_histogram(length.name, length.steps, length.limit, length.unit, hue))
        for length, hue in _lengths(build, rows)
    ]
    if build.dataset is not None:
        counts = build.dataset.table3()
        rows_of = [(str(part), [int(n) for n in row]) for part, row in counts.iterrows()]
        rows_of.append(("all", [int(n) for n in counts.sum()]))
        shown["table3"] = [(part, row, SPLIT.get(part)) for part, row in rows_of]
        shown["table3_chart"] = charts.part_bars(rows_of, CLASSES)
    return shown


def _lengths(build: Build, rows: list[ClipRow]) -> list[tuple[corpus.Lengths, str]]:
    found = []
    for name, (unit, hue) in _UNITS.items():
        steps = [row.steps[name] for row in rows if name in row.steps]
        if steps:
            limit = build.padded.get(name)
            found.append(
                (corpus.lengths(name, unit, steps, build.made_with.dataset.sigmas, limit), hue)
            )
    return found


def _incomparable(build: Build) -> str:
    """Say why scores cannot be held against the paper's; nothing when they can."""
    if build.clips_in != CORPUS["clips"]:
        return f"This corpus has {build.clips_in:,}."
    return "Here the text model is untrained." if build.made_with.text.model == "demo" else ""


def _curves(results: Results) -> dict[str, Any]:
    return {
        TITLES[name]: charts.learning_curves(name, curves)
        for name, curves in results.curves.items()
        if curves
    }


def _confusions(results: Results) -> dict[str, Any]:
    return {
        TITLES[name]: charts.confusion_matrix(name, counts, CLASSES)
        for name, counts in results.confusions.items()
    }


def _figure4(results: Results) -> list[tuple[str, bool, Any]]:
    return [
        (
            panel["title"],
            panel["multitask"],
            charts.representations(panel["model"], panel["points"]),
        )
        for panel in results.tables.get("figure4", {}).get("panels", [])
    ]


def _reasons(build: Build) -> list[tuple[str, str, int]]:
    """Count the quarantine by stage and reason, the most frequent first."""
    counts = Counter((item.stage, item.reason) for item in build.quarantine)
    return [(stage, reason, count) for (stage, reason), count in counts.most_common()]


def _table_data(build: Build, rows: list[ClipRow]) -> dict[str, Any]:
    return {
        "rows": [
            {
                "clip": row.clip,
                "text": row.text,
                **{name: value for name, value in row.figures.items() if value is not None},
                "weight": round(row.weight, 3),
                "found": [[item.kind, item.text] for item in row.found],
            }
            for row in rows
        ],
        "alphabet": ALPHABET,
        "heat": heat_scale(LEVELS),
        "f0": build.made_with.audio.f0,
        "block": DETAILS_A_BLOCK,
        "thumbnails": build.config.report.thumbnails,
    }


def embed_json(value: Any) -> Any:
    """Return JSON that can stand inside a ``<script>`` element, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _trusted(text)


def _trusted(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704  our script, style and drawings, or JSON that embed_json escaped


def _style() -> Any:
    css = (_TEMPLATES / "report.css").read_text("utf-8")
    return _trusted(
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
