"""The page of reliability counts what was tried, and hides no fault."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from benchmarks import reliability
from tests.conftest import ROOT
from tests.media.cases import CASES as MEDIA
from tests.sheets.cases import CASES as SHEETS


def test_every_case_is_in_a_table() -> None:
    for groups, cases in ((reliability.MEDIA, MEDIA), (reliability.SHEETS, SHEETS)):
        assert sum(map(len, groups.values())) == len(cases)
    page = reliability.PAGE.read_text("utf-8")
    assert f"{len(MEDIA)} cases: no fault." in page
    assert f"{len(SHEETS)} cases: no fault." in page


def test_every_fuzzer_is_counted() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics"]
    done = subprocess.run(
        [*command, "tests/fuzz/test_openface.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "| OpenFace CSVs | 250 |" in reliability.fuzzers_table(done.stdout, 0)
    modules = {path.name for path in (ROOT / "tests" / "fuzz").glob("test_*.py")}
    assert modules == set(reliability.FUZZERS)


def test_a_fault_is_named_and_counted() -> None:
    kill = {"aim": "faces", "running": [], "victim": "ffmpeg", "delay": 1.0, "status": 1}
    figures = {"seed": 1, "kills": [kill], "comparisons": 1, "products": 9, "faults": ["x differs"]}
    head, *_, row = reliability.kills_table(figures)
    assert "**1 faults** x differs" in head
    assert row == "| faces | 1 | ffmpeg |"
    results = Counter({("fuzz.test_sheet", "failure"): 2, ("media.test_cases", "passed"): 3})
    assert reliability._bad(results, ["fuzz"]) == 2
    assert reliability._bad(results, ["media"]) == 0
