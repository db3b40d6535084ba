"""What is wrong with a sheet as a whole, told at once, and what a person should know of it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence

from pipeline.corpus import LABELS
from pipeline.errors import BuildError
from pipeline.manifest.columns import CH_SIMS, MODES, SPELLINGS, kept_keys
from pipeline.manifest.numbers import is_missing, not_a_number, number
from pipeline.manifest.parquet import OWN_NAMES
from pipeline.manifest.plausible import is_han
from pipeline.manifest.row import SheetRow
from pipeline.manifest.table import Table

PARTS = tuple(dict.fromkeys(MODES.values()))
"""The parts that a sheet can name."""

_SHOWN = 10
_FEW = 20
"""Clips from which on labels that are all the same, or all of one sign, are odd."""
_MANY = 0.1
"""Share of labels outside [-1, 1] above which they are of another scale, not mistyped."""


def id_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that a sheet names its clips by."""
    if "clip" in table.columns and "video_id" not in table.columns:
        return ("clip",)
    if "clip" in table.columns and "clip_id" not in table.columns:
        return ("video_id", "clip")
    return ("video_id", "clip_id")


def require(table: Table, expected: Sequence[str], faults: Sequence[str] = ()) -> None:
    """Refuse a sheet that has faults or lacks columns, with one error for all of them.

    Parameters
    ----------
    table : Table
        The sheet.
    expected : sequence of str
        Columns that it must have.
    faults : sequence of str
        Faults besides those of the table.

    Raises
    ------
    BuildError
        Naming everything that is wrong.
    """
    lacking = [SPELLINGS[name][0] for name in expected if name not in table.columns]
    listed = [*table.faults, *faults]
    remedy = "correct the sheet and build again"
    if lacking:
        found = ", ".join(filter(None, table.header)) or "(none: the file is empty)"
        wanted = ", ".join(SPELLINGS[name][0] for name in expected)
        listed.insert(
            0,
            f"lacks {', '.join(lacking)}; expected the columns {wanted}; found the columns "
            f"{found[:300]}",
        )
        remedy = (
            "rename the columns in the sheet's first line (any order will do), or name another "
            "sheet with --set manifest.sheet=NAME"
        )
    if table.header_line:
        remedy = f"the columns' names stand in line {table.header_line}: take out what is above it"
    elif table.starts_with_a_clip:
        remedy = (
            "the first line is already a clip: put a line with the columns' names above it, "
            f"e.g. {','.join(CH_SIMS)}"
        )
    if listed:
        more = [f"and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
        words = "".join(f"\n  {fault}" for fault in [*listed[:_SHOWN], *more])
        raise BuildError(f"{table.path} has {len(listed)} fault(s):{words}", remedy)


def keep_faults(table: Table, keep: Sequence[str]) -> Iterator[str]:
    """Yield the columns to keep that the sheet lacks, or whose names the manifest has itself."""
    found = kept_keys(table.columns)
    for name in keep:
        if name in OWN_NAMES:
            yield (
                f"manifest.keep_columns: {name} is the name of a column of the manifest itself; "
                "rename the column in the sheet"
            )
        elif name not in found:
            yield (
                f"manifest.keep_columns: it has no column {name}; found the columns "
                f"{', '.join(table.header)[:300]}"
            )


def label_faults(table: Table, label_range: tuple[float, float] | None = None) -> Iterator[str]:
    """Yield the label columns that are no labels: another scale, another notation."""
    low, high = label_range or (-1.0, 1.0)
    if near := _misspelt_label(table):
        yield f"it has no column label; did you mean label by {near!r}?"
    for name in LABELS:
        if name not in table.columns:
            continue
        written = [r[name] for r in table.records if not is_missing(r[name])]
        values = [x for text in written if (x := number(text)) is not None]
        outside = [x for x in values if not low - 1e-6 <= x <= high + 1e-6]
        column = f"column {table.columns[name]}"
        if len(written) > 1 and not values:
            first = not_a_number(written[0])
            yield f"{column}: none of its {len(written)} values is a label; {first}"
        elif len(outside) > 1 and len(outside) >= _MANY * len(values):
            yield (
                f"{column}: {len(outside)} of {len(values)} labels lie outside [{low:g}, {high:g}] "
                f"(they run from {min(values):g} to {max(values):g}); to have the build scale them "
                f"to -1 ... 1, give their range: --set 'manifest.label_range={_range_of(values)}'"
            )


def _range_of(values: Sequence[float]) -> str:
    """Suggest the range of a scale, symmetric about zero if it has negative labels."""
    largest = math.ceil(max(map(abs, values)))
    return f"[{-largest if min(values) < 0 else 0}, {largest}]"


def notes(
    table: Table,
    rows: Sequence[SheetRow],
    labelled: bool,
    label_range: tuple[float, float] | None = None,
) -> Iterator[str]:
    """Yield what a person should know of a sheet that can be used."""
    name = table.path.name
    yield from table.notes
    if labelled and label_range is not None:
        low, high = label_range
        yield f"{name}: the labels were scaled linearly from [{low:g}, {high:g}] to [-1, 1]"
    if not labelled:
        yield (
            f"{name} has no labels: features can be built, and a dataset with all clips in the "
            f"part unlabelled, but no models (found the columns {', '.join(table.header)})"
        )
    elif len(rows) >= _FEW and len({row.M for row in rows}) == 1 and not math.isnan(rows[0].M):
        yield (
            f"{name}: all {len(rows)} clips have the label {rows[0].M:g}; if nobody has labelled "
            "them, empty the column, and they are in the part unlabelled"
        )
    elif bare := [row for row in rows if not row.is_labelled and not row.problems]:
        yield (
            f"{name} has no label for {len(bare)} of {len(rows)} clips, e.g. {bare[0].clip}: they "
            "are in the part unlabelled"
        )
    if label_range is None:
        yield from _one_sided(name, [row.M for row in rows if not math.isnan(row.M)])
    split = [row for row in rows if row.is_labelled]
    parts = sum(1 for row in split if row.mode)
    if 0 < parts < len(split):
        yield (
            f"{name}: the column {table.columns['mode']} is filled in for {parts} of {len(split)} "
            "labelled clips only"
        )
    if strange := [row for row in rows if row.mode and row.mode not in PARTS]:
        yield (
            f"{name}, line {strange[0].line}, column {table.columns['mode']}: "
            f"{str(strange[0].mode)[:30]!r} is no part; expected {', '.join(PARTS)} (so in "
            f"{len(strange)} line(s))"
        )
    spoken = [row.text for row in rows if row.text]
    if spoken and not any(is_han(c) for text in spoken for c in text):
        yield f"{name}: no transcript holds a Chinese character"


def _one_sided(name: str, labels: Sequence[float]) -> Iterator[str]:
    """Yield a note on labels that are all positive, or all negative: of another scale, perhaps."""
    if len(labels) < _FEW or len(set(labels)) == 1 or min(labels) < 0 < max(labels):
        return
    side = "negative" if min(labels) >= 0 else "positive"
    yield (
        f"{name}: none of {len(labels)} labels is {side} (they run from {min(labels):g} to "
        f"{max(labels):g}); if 0 is not neutral on their scale, give its range: "
        "--set 'manifest.label_range=[0, 1]'"
    )


def has_labels(rows: Sequence[SheetRow]) -> bool:
    """Tell whether any row has, or was meant to have, a label."""
    return any(row.problems or row.is_labelled for row in rows)


def _misspelt_label(table: Table) -> str | None:
    """Return a header that was probably meant to be label."""
    if "M" in table.columns:
        return None
    other = [h for h in table.header if h not in table.columns.values()]
    near = difflib.get_close_matches("label", [h.casefold() for h in other], 1, 0.75)
    return near[0] if near else None
