"""Builds that are killed and resumed make the same bytes; the comparison sees what differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kill import SETTINGS, Kill, campaign, differences, products

pytestmark = pytest.mark.long


def test_two_kills_cost_no_byte(tmp_path: Path) -> None:
    train = {"models": ["ef_lstm"], "experiments": ["table2"], "seeds": [1, 2], "max_epochs": 3}
    found = campaign(
        tmp_path.resolve(),
        kills=2,
        seed=3,
        aims=("faces", "train"),
        tell=False,
        settings={**SETTINGS, "shard_size": 3, "train": train},
    )
    assert found.faults == []
    assert found.comparisons >= 1
    assert found.products > 60
    whole, single = found.kills
    assert isinstance(whole, Kill)
    assert whole.aim == "faces"
    assert whole.victim.startswith("all ")
    assert whole.status == -9
    assert (single.aim, single.victim.startswith("all ")) == ("train", False)


def test_the_comparison_names_what_differs_but_no_measured_time(tmp_path: Path) -> None:
    built = tmp_path / "processed"
    (built / "logs").mkdir(parents=True)
    (built / "logs" / "x.log").write_text("now")
    page = "Summed over the jobs in logs/runs.jsonl<td>{} s</td></table><p>{}</p>"
    (built / "report.html").write_text(page.format(1, "a"))
    (built / "dataset.h5").write_text("a")
    good = products(tmp_path)
    assert sorted(good) == ["dataset.h5", "report.html"]
    (built / "report.html").write_text(page.format(2, "a"))
    assert list(differences(good, products(tmp_path))) == []
    (built / "report.html").write_text(page.format(2, "b"))
    (built / "dataset.h5").unlink()
    (built / "new").write_text("")
    assert list(differences(good, products(tmp_path))) == [
        "dataset.h5 is missing",
        "new was left over",
        "report.html differs",
    ]
