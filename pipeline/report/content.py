"""What stands on the page, section by section, before it is laid out."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from pipeline.corpus import (
    CLASS_TITLES,
    CLASSES,
    LABEL_OF,
    LABELS,
    MODALITIES,
    PAPER_TABLE1,
    PAPER_TABLE3,
    TITLES,
    label_distances,
    label_histogram,
    table1,
)
from pipeline.report import charts, corpus
from pipeline.report.clips import DETAILS_A_BLOCK, ClipRow, ClipRows, figure_columns, in_table
from pipeline.report.findings import kinds, limits
from pipeline.report.methods import methods
from pipeline.report.palette import heat_scale
from pipeline.report.provenance import costs, dag, differences, edges, revision, versions
from pipeline.report.results import Results, read_results, result_tables
from pipeline.report.signals import ALPHABET, LEVELS
from pipeline.report.sources import Build
from pipeline.report.summary import build_warnings
from pipeline.report.tracks import tracks_of
from pipeline.text.demo_model import LABEL
from pipeline.train.metrics import TITLES as METRIC_TITLES
from pipeline.train.registry import MODELS

_REASONS_SHOWN = 3


def page_content(build: Build, rows: ClipRows) -> dict[str, Any]:
    """Return the values that the templates name, and the drawn charts.

    Parameters
    ----------
    build : Build
        What the build's folder holds.
    rows : ClipRows
        The used clips, worst first.
    """
    results = read_results(build.config.layout)
    stored_versions, versions_from = versions(build)
    paragraph, bibtex = methods(build, stored_versions, results.trained)
    incomparable = _incomparable(build)
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
        "kinds": kinds(build.stages),
        "limits": limits(build.config, build.stages),
        "split": _split(build),
        "results": results,
        "tables": result_tables(results, build.modalities),
        "comparable": not incomparable,
        "incomparable": incomparable,
        "curves": _curves(results),
        "confusions": _confusions(results),
        "metric_titles": METRIC_TITLES,
        "figure4": _figure4(results),
        "reasons": _reasons(build),
        "classes": CLASS_TITLES,
        "label_titles": TITLES,
        "costs": costs(build.runs),
        "versions": stored_versions,
        "versions_from": versions_from,
        "differences": differences(build.made_with),
        "dag": dag(build, len(results.trained)),
        "edges": edges(build.slots, adopted=build.adopted is not None),
        "methods": paragraph,
        "bibtex": bibtex,
    }


def _cards(build: Build, rows: ClipRows) -> dict[str, Any]:
    durations: list[float] = list(build.usable["duration"].dropna()) if len(build.usable) else []
    seconds = float(sum(durations)) if durations or not rows else None
    reasons = Counter(item.reason for item in build.quarantine)
    if len(reasons) > _REASONS_SHOWN or any(len(reason) > 60 for reason in reasons):
        reasons = Counter(f"at {item.stage}" for item in build.quarantine)
    return {
        "clips_in": build.clips_in,
        "used": len(rows),
        "seconds": seconds,
        "reasons": reasons.most_common(),
        "looked_at": rows.pointed_out,
    }


def _corpus(build: Build, rows: ClipRows) -> dict[str, Any] | None:
    clips = build.labelled
    if build.usable.empty:
        return None
    shown: dict[str, Any] = {
        "table1": corpus.compared(table1(build.usable if clips.empty else clips)),
        "parts": list(Counter(build.parts.values()).items()),
        "unlabelled": len(build.usable) - len(clips),
        **_labels(clips),
        "lengths": [],
        "unknown": [int(n) for row in rows if (n := row.figures.get("unknown_tokens"))],
        "table3": None,
        "without_m": 0,
        "kept": corpus.kept_columns(
            build.usable,
            [c for c in build.made_with.manifest.keep_columns if c in build.usable],
        ),
        "votes": corpus.vote_counts(build.votes) if build.votes is not None else None,
    }
    shown["lengths"] = [
        (length, charts.length_histogram(length.name, length.steps, length.limit, length.unit, hue))
        for length, hue in _lengths(build, rows)
    ]
    if build.dataset is not None and len(build.dataset.labelled):
        counts = build.dataset.table3()
        shown["without_m"] = int(build.dataset.clips["class"].isna().sum())
        rows_of = [(str(part), [int(n) for n in row]) for part, row in counts.iterrows()]
        rows_of.append(("all", [int(n) for n in counts.sum()]))
        shown["table3"] = [(part, row, PAPER_TABLE3.get(part)) for part, row in rows_of]
        shown["table3_chart"] = charts.part_bars(rows_of, CLASSES)
    return shown


def _labels(clips: pd.DataFrame) -> dict[str, Any]:
    """Return the two halves of Fig. 2; nothing to draw if no clip has a label."""
    if clips.empty:
        return {"histogram": None, "fig2": None, "eq1": None, "labelled": {}}
    histogram: dict[str, list[int]] = {label: label_histogram(clips[label]) for label in LABELS}
    return {
        "histogram": histogram,
        "fig2": charts.label_histograms(histogram),
        "eq1": charts.distance_matrix(label_distances(clips[list(LABELS)].to_numpy(float)), LABELS),
        "labelled": {m: int(clips[m].notna().sum()) for m in LABELS},
    }


def _lengths(build: Build, rows: Iterable[ClipRow]) -> list[tuple[corpus.Lengths, str]]:
    found = []
    labelled = set(build.labelled["clip"])
    counted = {slot: array("q") for slot in build.modalities}
    for row in rows:
        for slot in row.steps.keys() & counted if row.clip in labelled or not labelled else ():
            counted[slot].append(row.steps[slot])
    for slot, steps in counted.items():
        if steps:
            step, limit = build.step_of(slot), build.padded.get(slot)
            unit = "whole clip" if step == "clip" else f"{step}s"
            lengths = corpus.lengths(slot, unit, steps, build.made_with.dataset.sigmas, limit)
            found.append((lengths, LABEL_OF[slot].lower()))
    return found


def _split(build: Build) -> str:
    """Say which split was made, and why."""
    if build.dataset is None:
        return ""
    if build.adopted is not None:
        return "Split: the parts of the adopted file."
    kind = build.dataset.attributes.get("split", build.made_with.dataset.split)
    words = {
        "stratified": "6:2:2 within each class",
        "given": "the parts that the label sheet gives",
        "by_speaker": "6:2:2 with each speaker in one part",
        "by_video": "6:2:2 with each video in one part",
    }.get(str(kind), str(kind))
    reason = build.dataset.attributes.get("split_reason")
    return f"Split: {words} ({reason})." if reason else f"Split: {words}."


def _incomparable(build: Build) -> str:
    """Say why scores cannot be compared with the paper's; nothing when they can."""
    if build.clips_in != PAPER_TABLE1.clips:
        return f"This corpus has {len(build.usable):,} usable clips."
    if absent := [slot for slot in MODALITIES if slot not in build.modalities]:
        return f"This dataset has no {' and no '.join(absent)} feature."
    return "Here the text model is untrained." if LABEL in build.text_models else ""


def _curves(results: Results) -> dict[str, Any]:
    return {
        MODELS[name].title: charts.learning_curves(name, curves)
        for name, curves in results.curves.items()
        if curves
    }


def _confusions(results: Results) -> dict[str, Any]:
    return {
        MODELS[name].title: charts.confusion_matrix(name, counts, CLASSES)
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


def table_data(build: Build, rows: ClipRows, shown: int) -> dict[str, Any]:
    """Return what the page's script needs to draw the clips' table and tracks."""
    columns: dict[str, list[Any]] = {}
    for row in rows.first(shown):
        for name, value in in_table(row).items():
            columns.setdefault(name, []).append(value)
    return {
        "columns": columns,
        "alphabet": ALPHABET,
        "heat": heat_scale(LEVELS),
        "labels": dict(TITLES),
        "slots": build.modalities,
        "figures": figure_columns(build),
        "tracks": tracks_of(build),
        "block": DETAILS_A_BLOCK,
    }
