"""docs/extending.md, followed to the letter: a package of its own adds an extractor."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from tests.conftest import DEMO, ROOT

PAGE = ROOT / "docs" / "extending.md"
CLIPS = 6
"""Of the demo, the first of each video: enough for a split."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that the page describes, installed into a folder of its own."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    for name, text in blocks:
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    (source / "chsims_lexicon" / "__init__.py").touch()
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "install", *options, str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return site


class Build:
    """A build of a few demo clips in an environment that has the package."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(site)}
        raw = folder / "raw"
        raw.mkdir()
        lines = (DEMO / "label.csv").read_text("utf-8").splitlines()
        kept = [lines[0], *lines[1 : 1 + CLIPS]]
        (raw / "label.csv").write_text("\n".join(kept) + "\n", "utf-8")
        shutil.copytree(DEMO / "video_0001", raw / "video_0001")

    def __call__(self, *arguments: str) -> str:
        settings = [f"raw={self.folder / 'raw'}", f"processed={self.folder / 'processed'}"]
        settings += ["features.vision=none", "audio.f0=zcr", "text.model=demo"]
        settings += ["train.models=[lf_dnn]"]
        settings += ["train.experiments=[table2]", "train.seeds=[1]", "train.max_epochs=1"]
        given = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "pipeline.commands.cli", *arguments, *given]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=self.environment, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def build(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(tmp_path_factory.mktemp("lexicon"), installed)


def test_the_packages_settings_are_in_the_configuration(build: Build) -> None:
    shown = build("config")
    assert "lexicon:" in shown
    assert '"受够"' in shown
    assert "Positive words." in shown


def test_it_is_listed_among_the_encoders(build: Build) -> None:
    listed = {row["name"]: row for row in json.loads(build("encoders", "--json"))}
    row = listed["lexicon"]
    assert (row["slot"], row["width"], row["step"]) == ("text", 2, "character")
    assert row["about"] == "marks of positive and negative words"
    assert row["here"] and not row["chosen"]


def test_its_feature_fills_the_slot_down_to_the_report(build: Build) -> None:
    said = build("--set", "features.text=lexicon")
    assert f"lexicon 0000: {CLIPS} clips computed" in said
    assert not re.search(r"^(text|frames|faces|openface) 0000", said, re.M)
    with h5py.File(build.folder / "processed" / "dataset.h5") as file:
        assert "vision" not in file["train"]
        assert file["train/text"].shape[2] == 2
        assert file.attrs["text_names"] == '["positive_word", "negative_word"]'
        assert '"extractor": "lexicon"' in file.attrs["modalities"]
        assert file["train/quality/marked_share"].shape == file["train/id"].shape
    page = (build.folder / "processed" / "report.html").read_text("utf-8")
    assert "lexicon" in page
    shown = build("status", "--set", "features.text=lexicon")
    assert re.search(rf"lexicon\W+{CLIPS}\W", shown)


def test_switching_back_and_forth_recomputes_nothing(build: Build) -> None:
    assert f"text 0000: {CLIPS} clips computed" in build("--stage", "text")
    said = build("--stage", "text", "--set", "features.text=lexicon")
    assert "lexicon 0000: 0 clips computed" in said or "nothing to be done" in said
    said = build("--stage", "text")
    assert "text 0000: 0 clips computed" in said or "nothing to be done" in said
