"""Reading OpenFace CSVs: real ones, real failures, and files that somebody damaged."""

import gzip
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.openface import form
from pipeline.openface.columns import COLUMNS, CONFIDENCE, SUCCESS
from pipeline.openface.table import MissingModelsError, parse_table
from tests.openface.csvs import DEMO, demo_csv, read, real_csv, with_cell


def test_every_demo_csv_is_read_with_one_row_a_line() -> None:
    for path in sorted(DEMO.glob("*/*.csv.gz")):
        table = parse_table(path.read_bytes(), path.name)
        assert table.shape == (len(read(path).splitlines()) - 1, 714)
        assert table.dtype == np.float32 and np.isfinite(table).all()


def test_values_land_in_their_columns() -> None:
    lines = demo_csv().splitlines()
    table = parse_table(demo_csv().encode(), "a.csv")
    for row in (0, 63):
        cells = [np.float32(cell) for cell in lines[row + 1].split(",")]
        np.testing.assert_array_equal(table[row], cells)


@pytest.mark.parametrize(
    "variant",
    [
        lambda text: text.replace(", ", ",").encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: (text + "\n\n").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: gzip.compress(text[:5000].encode()) + gzip.compress(text[5000:].encode()),
        lambda text: text.replace(", ", ";").encode(),
        lambda text: text.replace(", ", ";").replace(".", ",").encode(),
        lambda text: text.replace(", ", "\t").replace(".", ",").encode(),
        lambda text: _decimal_commas(text, ", ").encode(),
    ],
    ids=[
        *("comma", "crlf", "bom", "gzip", "blank-lines", "no-last-newline", "two-gzip-members"),
        *("semicolon", "semicolon-decimal-comma", "tab-decimal-comma", "decimal-comma"),
    ],
)
def test_harmless_differences_of_form_do_not_matter(variant: Callable[[str], bytes]) -> None:
    expected = parse_table(demo_csv().encode(), "a.csv")
    np.testing.assert_array_equal(parse_table(variant(demo_csv()), "a.csv"), expected)


def _decimal_commas(text: str, between: str) -> str:
    head, rows = text.split("\n", 1)
    return head + "\n" + rows.replace(".", ",").replace(", ", between)


def test_decimal_commas_that_cannot_be_told_from_others_are_named() -> None:
    with pytest.raises(ClipError, match="decimal commas, and commas between its columns") as caught:
        parse_table(_decimal_commas(demo_csv(), ",").encode(), "a.csv")
    assert "LC_ALL=C" in caught.value.remedy


@pytest.mark.parametrize(
    "word", ["nan", "-nan(ind)", "-nan", "-1.#IND", "1.#QNAN0", "inf", "1.#INF"]
)
def test_rows_of_success_0_may_hold_no_numbers(word: str) -> None:
    text = with_cell(with_cell(demo_csv(), 3, "success", " 0"), 3, "x_0", f" {word}")
    for column in ("confidence", "face_id", "timestamp", "AU12_r"):
        text = with_cell(text, 3, column, f" {word}")
    table = parse_table(text.encode(), "a.csv")
    assert not np.isfinite(table[3, COLUMNS.index("x_0")])
    assert np.isfinite(np.delete(table, 3, axis=0)).all()
    with pytest.raises(ClipError, match=r"line 5, column (face_id|timestamp|confidence)"):
        parse_table(with_cell(text, 3, "success", " 1").encode(), "a.csv")
    with pytest.raises(ClipError, match="line 5, column frame"):
        parse_table(with_cell(text, 3, "frame", f" {word}").encode(), "a.csv")


def test_a_face_id_that_changes_is_several_persons() -> None:
    text = with_cell(demo_csv(), 40, "face_id", " 1")
    with pytest.raises(ClipError, match=r"line 42: face_id changes from 0 to 1; .*several persons"):
        parse_table(text.encode(), "a.csv")
    masked = with_cell(text, 40, "success", " 0")
    assert len(parse_table(masked.encode(), "a.csv")) == 64


def test_columns_in_another_order_are_put_right() -> None:
    rows = [line.split(", ") for line in demo_csv().splitlines()]
    mixed = "\n".join(", ".join(reversed(row)) for row in rows)
    np.testing.assert_array_equal(
        parse_table(mixed.encode(), "a.csv"), parse_table(demo_csv().encode(), "a.csv")
    )


def test_rows_without_a_face_are_kept_and_marked() -> None:
    table = parse_table(real_csv("full_noface_face_mov.csv.gz"), "a.csv")
    assert table[0, COLUMNS.index("pose_Tz")] == np.float32(37529653.0)
    assert table[:, SUCCESS].mean() == pytest.approx(0.426, abs=1e-3)
    assert table[-1, CONFIDENCE] == np.float32(0.01)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("edge_no_AU_models_679cols", ["679 columns", "without its action-unit models"]),
        ("edge_one_AU_model_missing_713cols", ["713 columns", "AU01_r"]),
    ],
)
def test_missing_au_models_are_told_apart_from_bad_clips(file: str, words: list[str]) -> None:
    with pytest.raises(MissingModelsError) as caught:
        parse_table(real_csv(f"{file}.csv.gz"), "a.csv")
    assert all(word in caught.value.reason for word in words)
    assert "AU" in caught.value.remedy


def test_a_run_that_was_killed_before_post_processing_is_refused() -> None:
    data = real_csv("edge_killed_midrun_not_postprocessed.csv.gz")
    with pytest.raises(ClipError, match="before it post-processed"):
        parse_table(data, "a.csv")


def _without_line(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: number - 1] + lines[number:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: "", "is empty"),
        (lambda t: " \n\n", "is empty"),
        (lambda t: t.splitlines()[0], "no row"),
        (lambda t: t[:-900], r"cut off: its last line \(65\)"),
        (lambda t: t.replace("\n", ", 1\n", 3).replace(", 1\n", "\n", 1), "line 2 has 715 cells"),
        (lambda t: _without_line(t, 10), "line 10: frame 10 follows frame 8"),
        (lambda t: with_cell(t, 3, "AU12_r", " fine"), "line 5, column AU12_r: 'fine'"),
        (lambda t: with_cell(t, 3, "x_0", " "), "line 5, column x_0: ''"),
        (lambda t: with_cell(t, 3, "gaze_0_x", " nan"), "line 5, column gaze_0_x: nan"),
        (lambda t: with_cell(t, 3, "Z_67", "-inf"), "column Z_67: -inf is not finite"),
        (lambda t: with_cell(t, 3, "Z_67", "1e300"), "column Z_67: inf is not finite"),
        (lambda t: with_cell(t, 3, "success", " 0.5"), "success"),
        (lambda t: with_cell(t, 3, "frame", " 3"), "several rows for frame 3"),
        (lambda t: t.replace(" x_1,", " x_0,", 1), "columns twice: x_0"),
        (lambda t: t.replace(" p_33,", " p_34,", 1), "missing: p_33"),
        (lambda t: t.split("\n", 1)[1], "not OpenFace 2.x's column names"),
        (lambda t: "a,b\n1,2\n", "2 columns, expected 714"),
    ],
)
def test_damage_is_named_with_its_place(damage: Callable[[str], str], message: str) -> None:
    with pytest.raises(ClipError, match=message) as caught:
        parse_table(damage(demo_csv()).encode(), "0007.csv")
    assert "0007.csv" in caught.value.reason


def test_a_column_that_openface_does_not_have_is_refused() -> None:
    lines = demo_csv().splitlines()
    wider = "\n".join([lines[0] + ", mood", *(line + ", 1" for line in lines[1:])])
    with pytest.raises(ClipError, match="715 columns, expected 714; not OpenFace's: mood"):
        parse_table(wider.encode(), "a.csv")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfef\x00r\x00", "UTF-8"),
        (gzip.compress(demo_csv().encode())[:-2000], "gzip data ends early"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 99, "is damaged"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ClipError, match=message):
        parse_table(data, "a.csv")


def test_a_small_file_cannot_unpack_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_BYTES", 1 << 20)
    bomb = gzip.compress(b"0" * (64 << 20))
    with pytest.raises(ClipError, match="unpacks to more than 1 MiB"):
        parse_table(bomb, "a.csv")
    with pytest.raises(ClipError, match="larger than 1 MiB"):
        parse_table(b"0" * (2 << 20), "a.csv")
