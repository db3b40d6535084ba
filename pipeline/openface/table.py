"""Reading an OpenFace CSV as what it is: untrusted text that may be cut off or incomplete."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ClipError
from pipeline.openface.columns import COLUMNS, FACE_ID, FRAME, SUCCESS, TABLE_GROUPS, TIMESTAMP
from pipeline.openface.form import AGAIN, read_lines


class MissingModelsError(ClipError):
    """OpenFace ran without some or all of its action-unit models: its installation is broken."""


def parse_table(data: bytes, name: str) -> NDArray[np.float32]:
    """Read an OpenFace CSV.

    Parameters
    ----------
    data : bytes
        The file: plain or gzip, UTF-8 with or without BOM, any line ends, columns in any order,
        in any of the forms of `pipeline.openface.form.read_lines`.
    name : str
        The file's name, for messages.

    Returns
    -------
    ndarray, float32 [rows, 714]
        The columns of `pipeline.openface.columns.COLUMNS`, one row per picture. Rows with
        ``success`` 0 may hold NaN, and any ``timestamp`` may.

    Raises
    ------
    MissingModelsError
        If the file is whole but action-unit columns are missing (679 or 713 columns).
    ClipError
        For everything else that is wrong with the file, naming line and column.
    """
    lines = read_lines(data, name)
    order = _column_order([cell.strip() for cell in lines[0].split(",")], name)
    if len(lines) == 1:
        raise ClipError(f"{name} has the column names but no row", AGAIN)
    _check_row_widths(lines, name)
    table = _numbers(lines, name)[:, order]
    _check_values(table, name)
    return table


def _column_order(names: list[str], name: str) -> list[int]:
    if not {"frame", "success"} <= set(names):
        raise ClipError(
            f"{name} has {len(names)} columns, expected 714; its first line is not OpenFace 2.x's "
            "column names",
            "use the CSV as OpenFace 2.x wrote it (see docs/openface.md)",
        )
    repeated = [column for column, count in Counter(names).items() if count > 1]
    if repeated:
        raise ClipError(f"{name} has columns twice: {_some(repeated)}", AGAIN)
    missing = [column for column in COLUMNS if column not in set(names)]
    if missing:
        raise _missing_columns(names, missing, name)
    if len(names) > len(COLUMNS):
        unknown = [column for column in names if column not in set(COLUMNS)]
        raise ClipError(
            f"{name} has {len(names)} columns, expected 714; not OpenFace's: {_some(unknown)}",
            "use the CSV as OpenFace 2.x wrote it",
        )
    position = {column: index for index, column in enumerate(names)}
    return [position[column] for column in COLUMNS]


def _missing_columns(names: list[str], missing: list[str], name: str) -> ClipError:
    units = [column for column in missing if column.startswith("AU")]
    found = f"{name} has {len(names)} columns, expected 714"
    if units == missing and len(units) == 35:
        return MissingModelsError(
            f"{found}: OpenFace ran without its action-unit models (AU_predictors)",
            "install OpenFace's AU models next to its binary (see docs/openface.md) and run again; "
            "if the models are there, the flag -aus was left out",
        )
    if units == missing:
        return MissingModelsError(
            f"{found}: the action-unit model of {_some(units)} is missing",
            "put the missing file back into OpenFace's AU_predictors folder and run it again (see "
            "docs/openface.md)",
        )
    return ClipError(f"{found}; missing: {_some(missing)}", AGAIN)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(
        repr(name[:40]) if not name.isprintable() else name[:40] for name in names[:5]
    )
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _check_row_widths(lines: list[str], name: str) -> None:
    for number, line in enumerate(lines[1:], start=2):
        cells = line.count(",") + 1
        if cells == len(COLUMNS):
            continue
        if number == len(lines) and cells < len(COLUMNS):
            reason = f"{name} is cut off: its last line ({number}) has {cells} cells, expected 714"
            raise ClipError(reason, AGAIN)
        raise ClipError(f"{name} line {number} has {cells} cells, expected 714", AGAIN)


def _numbers(lines: list[str], name: str) -> NDArray[np.float32]:
    rows = io.StringIO("\n".join(lines[1:]))
    try:
        with np.errstate(over="ignore"):  # too large for float32: refused as not finite
            return np.loadtxt(rows, delimiter=",", comments=None, dtype=np.float64, ndmin=2).astype(
                np.float32
            )
    except ValueError:
        raise _not_a_number(lines, name) from None


def _not_a_number(lines: list[str], name: str) -> ClipError:
    names = [cell.strip() for cell in lines[0].split(",")]
    for number, line in enumerate(lines[1:], start=2):
        for column, cell in zip(names, line.split(","), strict=True):
            try:
                float(cell)
            except ValueError:
                found = cell.strip()[:40]
                return ClipError(
                    f"{name} line {number}, column {column}: {found!r} is not a number", AGAIN
                )
    return ClipError(f"{name} holds something that is not a number", AGAIN)


def _check_values(table: NDArray[np.float32], name: str) -> None:
    # a row without a face may hold no numbers: it is masked, whatever it says
    needed = np.repeat((table[:, SUCCESS] != 0)[:, None], len(COLUMNS), axis=1)
    needed[:, (FRAME, SUCCESS)] = True
    needed[:, TIMESTAMP] = False  # computed from a rate that may have been read as 0
    bad = np.argwhere(~np.isfinite(table) & needed)
    if len(bad):
        row, column = bad[0]
        raise ClipError(
            f"{name} line {row + 2}, column {COLUMNS[column]}: {table[row, column]} is not finite "
            f"({len(bad)} such values)",
            AGAIN,
        )
    _check_frames(table[:, FRAME], name)
    _check_face_ids(table, name)
    if not np.isin(table[:, SUCCESS], (0, 1)).all():
        raise ClipError(f"{name}: the column success holds values other than 0 and 1", AGAIN)
    intensities = table[:, TABLE_GROUPS["au_r"]]
    # OpenFace clips intensities to 0..5 in the pass that it makes over the file at the end
    intensities = intensities[np.isfinite(intensities)]
    if intensities.size and (intensities.min() < 0 or intensities.max() > 5):
        raise ClipError(
            f"{name} was not finished: OpenFace was stopped before it post-processed the action "
            f"units (intensities from {intensities.min():.2f} to {intensities.max():.2f}, "
            "expected 0 to 5)",
            AGAIN,
        )


def _check_frames(frames: NDArray[np.float32], name: str) -> None:
    steps = np.diff(frames)
    wrong = np.flatnonzero(steps != 1)
    if not len(wrong):
        return
    at = int(wrong[0])
    if steps[at] == 0:
        raise ClipError(
            f"{name} has several rows for frame {frames[at]:.0f}: more than one face",
            "use FeatureExtraction, which follows one face, not FaceLandmarkVidMulti",
        )
    raise ClipError(
        f"{name} line {at + 3}: frame {frames[at + 1]:.0f} follows frame {frames[at]:.0f}; rows "
        "are missing or mixed up",
        AGAIN,
    )


def _check_face_ids(table: NDArray[np.float32], name: str) -> None:
    found = np.flatnonzero(table[:, SUCCESS] == 1)
    ids = table[found, FACE_ID]
    if len(ids) and (ids != ids[0]).any():
        at = int(np.argmax(ids != ids[0]))
        raise ClipError(
            f"{name} line {found[at] + 2}: face_id changes from {ids[0]:.0f} to {ids[at]:.0f}; its "
            "rows are of several persons",
            "use FeatureExtraction, which follows one face, on this clip alone",
        )
