"""Which Snakefile a build runs: that of the current folder, or the one that was installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.workflow.project import MARK, project_folder, project_values, shipped_files
from tests.conftest import ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_strangers_snakefile_is_not_run(here: Path) -> None:
    (here / "Snakefile").write_text("raise SystemExit('another workflow')\n", "utf-8")
    (here / "config").mkdir()
    (here / "config" / "config.yaml").write_text("raw: elsewhere\n", "utf-8")
    assert project_folder() == shipped_files() == ROOT
    assert project_values().get("raw") != "elsewhere"


def test_a_project_made_by_init_is_run_with_its_own_settings(here: Path) -> None:
    (here / "Snakefile").write_text(f"{MARK}\n", "utf-8")
    (here / "config").mkdir()
    (here / "config" / "config.yaml").write_text("raw: elsewhere\n", "utf-8")
    assert project_folder() == here
    assert project_values() == {"raw": "elsewhere"}


def test_a_checkout_is_run_itself(here: Path) -> None:
    (here / "Snakefile").touch()
    (here / "pipeline").mkdir()
    (here / "pipeline" / "stages.py").touch()
    assert project_folder() == here
    assert project_values() == {}
