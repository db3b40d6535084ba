"""The tutorial from a film to a corpus: every command on the page runs and says what is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.long

PAGE = ROOT / "docs" / "tutorials" / "film-to-corpus.md"


def commands() -> list[tuple[str, list[str]]]:
    """Return each command of the page with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("    $ "):
            found.append((line.removeprefix("    $ "), []))
        elif line.startswith("    "):
            found[-1][1].append(line.strip())
    return found


def test_every_command_of_the_tutorial_says_what_the_page_shows(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    assert len(commands()) == 7
    for command, shown in commands():
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{said}"
        for line in shown:
            assert line in said, f"{command}\n{said}"
    report = (tmp_path / "processed" / "afternoon" / "report.html").read_text("utf-8")
    assert "Votes and agreement" in report
    assert "Fig. 2, left." in report
    labels = re.findall(r"Votes: M (-?[01]) ", report)
    assert set(labels) == {"-1", "0", "1"}
