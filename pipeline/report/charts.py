"""Small vector charts: matplotlib draws, the page's CSS colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.corpus import GRID, MODALITY_OF, TITLES
from pipeline.report.palette import STANDINS, use_variables

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": STANDINS["ink"],
    "text.color": STANDINS["ink"],
    "axes.labelcolor": STANDINS["soft"],
    "axes.edgecolor": STANDINS["line"],
    "xtick.color": STANDINS["soft"],
    "ytick.color": STANDINS["soft"],
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": STANDINS["line"],
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


class _Drawing:
    """The figure under the pencil, and its SVG afterwards."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def _drawing(name: str, width: float, height: float) -> Iterator[_Drawing]:
    """Open a figure of `width` x `height` inches; its SVG is ready when the block ends."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        drawing = _Drawing(Figure(figsize=(width, height), layout="constrained"))
        yield drawing
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        drawing.figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    drawing.svg = _for_page(buffer.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    """Make a drawing fit to stand in an HTML page: no prologue, own ids, the page's font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = re.sub(r'(<svg[^>]*?) width="([0-9.]+)pt"', _bounded, svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{name}-", svg)
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", svg)
    svg = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return use_variables(svg)


def _bounded(match: re.Match[str]) -> str:
    """Let a drawing shrink with its column, but not grow far beyond its own size."""
    return f'{match[1]} style="max-width: {1.25 * float(match[2]):.0f}pt"'


def label_histograms(counts: Mapping[str, Sequence[int]]) -> str:
    """Draw Fig. 2, left: how many clips have each value of the grid, by label."""
    with _drawing("fig2", 5.2, 3.4) as drawing:
        axes = drawing.figure.subplots(2, 2, sharex=True, sharey=True)
        for axis, (name, heights) in zip(axes.flat, counts.items(), strict=True):
            axis.bar(GRID, heights, width=0.15, color=STANDINS[name.lower()])
            axis.set_title(f"{name} · {TITLES[name]}")
            axis.set_xticks([-1, -0.6, -0.2, 0.2, 0.6, 1])
            axis.yaxis.get_major_locator().set_params(integer=True)
        drawing.figure.supylabel("clips", color=STANDINS["soft"], fontsize=9)
    return drawing.svg


def distance_matrix(distance: NDArray[np.float64], names: Sequence[str]) -> str:
    """Draw Fig. 2, right: the mean squared difference of each two labels (eq. 1)."""
    with _drawing("eq1", 3.4, 3.5) as drawing:
        axis = drawing.figure.subplots()
        _cells(axis, distance, "accent", lambda value: f"{value:.2f}")
        axis.set_xticks(range(len(names)), names)
        axis.set_yticks(range(len(names)), names)
        axis.xaxis.tick_top()
    return drawing.svg


def confusion_matrix(name: str, counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Draw counts [true, predicted]; the shade is the share of the true class."""
    totals = counts.sum(axis=1, keepdims=True)
    with _drawing(f"confusion-{name}", 3.1, 3.2) as drawing:
        axis = drawing.figure.subplots()
        _cells(axis, counts / np.maximum(totals, 1), "accent", None, counts)
        axis.set_xticks(range(len(classes)), classes)
        axis.set_yticks(range(len(classes)), classes)
        axis.set_xlabel("predicted")
        axis.set_ylabel("true")
    return drawing.svg


def representations(name: str, points: Sequence[Mapping[str, Any]]) -> str:
    """Draw a panel of Fig. 4: each clip's representation of each modality in the plane."""
    marks = {"T": "o", "A": "^", "V": "s"}  # shapes too, so that colour is not alone
    with _drawing(f"fig4-{name}", 3.4, 3.2) as drawing:
        axis = drawing.figure.subplots()
        size = 9 if len(points) > 300 else 26
        for task, mark in marks.items():
            members = [point for point in points if point["modality"] == task]
            if not members:
                continue
            axis.scatter(
                [point["x"] for point in members], [point["y"] for point in members], s=size,
                marker=mark, color=STANDINS[task.lower()], alpha=0.7, lw=0, label=MODALITY_OF[task],
            )  # fmt: skip
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
        axis.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper center",
                    bbox_to_anchor=(0.5, 0), handletextpad=0.1, columnspacing=1)  # fmt: skip
    return drawing.svg


def _cells(axis: Any, shade: Any, hue: str, write: Any, numbers: Any = None) -> None:
    from matplotlib.patches import Rectangle

    top = float(np.nanmax(shade)) if np.isfinite(shade).any() else 0.0
    for (row, column), value in np.ndenumerate(shade):
        strength = value / top if top > 0 and np.isfinite(value) else 0.0
        axis.add_patch(
            Rectangle(
                (column - 0.47, row - 0.47), 0.94, 0.94, color=STANDINS[hue], lw=0,
                alpha=round(0.06 + 0.5 * float(strength), 3),
            )
        )  # fmt: skip
        if numbers is not None:
            text = f"{numbers[row, column]:,}"
        else:
            text = write(value) if np.isfinite(value) else "–"
        axis.text(column, row, text, ha="center", va="center", fontsize=9)
    axis.set_xlim(-0.5, shade.shape[1] - 0.5)
    axis.set_ylim(shade.shape[0] - 0.5, -0.5)
    axis.set_aspect("equal")
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def length_histogram(name: str, steps: NDArray[np.int64], limit: int, unit: str, hue: str) -> str:
    """Draw the lengths of one modality and where longer clips are cut."""
    with _drawing(f"length-{name}", 3.5, 2.3) as drawing:
        axis = drawing.figure.subplots()
        edges = np.linspace(0, max(int(steps.max(initial=1)), limit) * 1.03, 31)
        axis.hist(steps, bins=edges, color=STANDINS[hue])
        axis.axvline(limit, color=STANDINS["ink"], lw=1.2, ls=(0, (4, 3)))
        axis.annotate(
            f"cut at {limit}", (limit, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", ha="right", va="bottom", fontsize=8.5,
        )  # fmt: skip
        axis.set_title(name)
        axis.set_xlabel(unit)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.yaxis.get_major_locator().set_params(integer=True)
    return drawing.svg


def part_bars(rows: Sequence[tuple[str, Sequence[int]]], classes: Sequence[str]) -> str:
    """Draw the share of each class in each part, which a stratified split keeps equal."""
    with _drawing("table3", 5.2, 1.4) as drawing:
        axis = drawing.figure.subplots()
        for place, (_, counts) in enumerate(rows):
            left = 0.0
            for name, count in zip(classes, counts[1:], strict=True):
                share = count / max(sum(counts[1:]), 1)
                axis.barh(place, share, left=left, height=0.66, color=STANDINS[name.lower()])
                left += share
        axis.set_yticks(range(len(rows)), [part for part, _ in rows])
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axis.grid(visible=False)
    return drawing.svg


def learning_curves(name: str, curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """Draw a loss by epoch: thin lines the seeds, by what it was measured on."""
    hues = {"train": "soft", "valid": "accent"}
    with _drawing(f"curves-{name}", 3.5, 2.4) as drawing:
        axis = drawing.figure.subplots()
        for kind, seeds in curves.items():
            for index, losses in enumerate(seeds):
                axis.plot(
                    range(1, len(losses) + 1), losses, color=STANDINS[hues.get(kind, "ink")],
                    lw=1.1, alpha=0.75, label=kind if index == 0 else None,
                )  # fmt: skip
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylabel("loss")
        axis.legend(frameon=False, fontsize=8.5)
    return drawing.svg
