"""The page's tables and figures as files of their own."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from pipeline.report.build import build_report
from tests.report.synthetic import Corpus, write_build


def test_every_figure_stands_alone(page: Path) -> None:
    drawings = sorted((page.parent / "report").glob("*.svg"))
    assert {"fig2_labels.svg", "fig2_distances.svg", "curves_lf_dnn.svg"} <= {
        drawing.name for drawing in drawings
    }
    for drawing in drawings:
        text = drawing.read_text("utf-8")
        assert "var(--" not in text
        assert ElementTree.fromstring(text).tag.endswith("svg")


def test_every_table_can_be_read_by_others(page: Path) -> None:
    folder = page.parent / "report"
    clips = pd.read_csv(folder / "clips.csv")
    assert len(clips) == 30
    assert clips.loc[0, "clip"] == "video_0001/0004"
    scores = pd.read_csv(folder / "table2.csv").set_index("model")
    assert scores.loc["LF-DNN", "Acc-2 paper"] == 79.87
    assert 40 <= float(str(scores.loc["LF-DNN", "Acc-2"])) <= 80
    one = pd.read_csv(folder / "table1.csv").set_index("item")
    assert one["here"].dtype == one["CH-SIMS"].dtype == float
    assert one.loc["Clips", ["here", "CH-SIMS"]].tolist() == [30, 2281]
    assert one.loc["Mean length", "unit"] == "s"
    assert "30," in (folder / "table1.csv").read_text("utf-8")  # a count is a whole number
    assert pd.read_csv(folder / "table3.csv")["total"].tolist() == [18, 6, 6, 30]


def test_exhibits_of_an_earlier_build_go(tmp_path: Path) -> None:
    config = write_build(tmp_path, Corpus(clips=4, trained=False))
    old = tmp_path / "report" / "fig4_tfn.svg"
    old.parent.mkdir()
    old.write_text("<svg/>", "utf-8")
    build_report(config)
    assert not old.exists()
    assert (tmp_path / "report" / "clips.csv").exists()
