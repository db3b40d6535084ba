"""The page's tables and figures as files of their own, for papers and ``snakemake --report``."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.report.clips import ClipRows
from pipeline.report.corpus import Compared
from pipeline.report.palette import LIGHT
from pipeline.report.results import Table
from pipeline.store.files import written_whole
from pipeline.store.layout import Layout


def write_exhibits(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write tables as CSV and figures as SVG, and remove those of an earlier build.

    Parameters
    ----------
    folder : Path
        Where they go, ``processed/report/``.
    content : mapping
        What `pipeline.report.content.page_content` returns.

    Returns
    -------
    list of Path
        The files.
    """
    files: dict[str, Iterable[str]] = {
        f"{name}.svg": [standalone(svg)] for name, svg in _figures(content)
    }
    files |= {
        f"{name}.csv": [table.to_csv(index=False, lineterminator="\n")]
        for name, table in _tables(content)
    }
    if content["corpus"] is not None:
        files["clips.csv"] = _clip_table(content["rows"])
    for name, texts in files.items():
        with (
            written_whole(folder / name) as temporary,
            temporary.open("w", encoding="utf-8", errors="replace", newline="") as stream,
        ):
            stream.writelines(texts)
    for old in folder.glob("*"):
        if old.suffix in (".svg", ".csv") and old.name not in files:
            old.unlink()
    return [folder / name for name in files]


def copy_exhibits(layout: Layout) -> None:
    """Copy the page and its exhibits to where ``snakemake --report`` finds them."""
    exhibits = layout.packed / "exhibits"
    exhibits.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(layout.report, layout.packed / layout.report.name)
    if layout.exhibits.is_dir():  # a build without clips has none
        shutil.copytree(layout.exhibits, exhibits, dirs_exist_ok=True)


def standalone(svg: str) -> str:
    """Make a chart of the page stand alone: its CSS variables become the light colours."""
    svg = svg.replace(' aria-hidden="true" focusable="false"', "")
    svg = svg.replace("var(--sans)", "sans-serif")
    return re.sub(r"var\(--([a-z-]+)\)", lambda match: LIGHT[match[1]], svg)


def _figures(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    corpus = content["corpus"]
    if corpus is not None:
        if corpus["fig2"] is not None:
            yield "fig2_labels", corpus["fig2"]
            yield "fig2_distances", corpus["eq1"]
        for length, chart in corpus["lengths"]:
            yield f"length_{length.name}", chart
    for model, chart in content["confusions"].items():
        yield f"confusion_{_file_name(model)}", chart
    for model, chart in content["curves"].items():
        yield f"curves_{_file_name(model)}", chart
    for model, _, chart in content["figure4"]:
        yield f"fig4_{_file_name(model)}", chart


def _tables(content: Mapping[str, Any]) -> Iterator[tuple[str, pd.DataFrame]]:
    corpus = content["corpus"]
    if corpus is not None:
        yield "table1", _compared_table(corpus["table1"])
        if corpus["table3"] is not None:
            names = ["part", "total", *content["classes"]]
            rows = [(part, *counts) for part, counts, _ in corpus["table3"]]
            yield "table3", pd.DataFrame(rows, columns=names)
    for table in content["tables"]:
        yield table.name.lower().replace(" ", ""), _score_table(table)


def _compared_table(rows: Sequence[Compared]) -> pd.DataFrame:
    """Keep the numbers numbers; one that the sheet does not give is empty."""
    table = [(row.name.removeprefix("– "), row.unit.strip(), row.ours, row.paper) for row in rows]
    # as objects, so that counts stay whole numbers next to means
    return pd.DataFrame(table, columns=["item", "unit", "here", "CH-SIMS"], dtype=object)


def _clip_table(rows: ClipRows) -> Iterator[str]:
    """Yield the lines of the table of all clips, which may be very many."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for place, row in enumerate(rows):
        values = {
            "clip": row.clip,
            **{k: " ".join(v) if isinstance(v, list) else v for k, v in row.figures.items()},
            **{f"{slot}_steps": row.steps.get(slot) for slot in rows.slots},
            "findings": "; ".join(item.text for item in row.found),
        }
        if not place:
            writer.writerow(values)
        writer.writerow(values.values())
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _score_table(table: Table) -> pd.DataFrame:
    rows = []
    for name, cells in table.rows:
        row: dict[str, Any] = {table.head.lower(): name}
        for metric, cell in zip(table.metrics, cells, strict=True):
            row[metric], row[f"{metric} std"] = _rounded(cell.ours)
            row[f"{metric} low"], row[f"{metric} high"] = _rounded(cell.interval)
            row[f"{metric} paper"], row[f"{metric} paper std"] = _rounded(cell.paper)
        rows.append(row)
    return pd.DataFrame(rows)


def _rounded(score: tuple[float, float | None] | None) -> tuple[float | None, float | None]:
    if score is None:
        return None, None
    mean, std = score
    return round(mean, 2), None if std is None else round(std, 2)


def _file_name(model: str) -> str:
    return model.lower().replace("-", "_")
