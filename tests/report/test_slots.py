"""A report shows the slots that a dataset fills, and nothing of those that it leaves out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.config import Config
from pipeline.corpus import MODALITIES
from pipeline.report.build import build_report
from pipeline.report.read import read_build
from pipeline.report.signals import fitting_detail
from pipeline.report.summary import summary_text
from pipeline.report.tracks import pack_clip, tracks_of
from tests.report.browser import Browser
from tests.report.synthetic import Corpus, write_build

WORDS = {
    "vision": ("OpenFace", "MTCNN", "AU12", "faces stage", "gaze", "Face position"),
    "audio": ("MFCC", "librosa,", "Voiced", "voiced", "Level"),
    "text": ("token", "BERT", "untrained"),
}
"""What a page says of each modality."""

TRACKS = {
    "vision": {"box", "many", "trust", "pose", "units"},
    "audio": {"pitch", "mfcc", "chroma"},
    "text": set(),
}


def without(root: Path, *modalities: str, **corpus: Any) -> Config:
    """Write a build that leaves modalities out, and return its configuration."""
    return write_build(
        root,
        Corpus(clips=6, trained=False, template=True, **corpus),
        features=dict.fromkeys(modalities, "none"),
    )


def shown(config: Config) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Build the report; return its words, its table's data, and its clips' details."""
    page = build_report(config).read_text("utf-8")
    words = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    table, *blocks = (
        json.loads(text)
        for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)
    )
    return words, table, [clip for block in blocks for clip in block]


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_modality_that_is_left_out_is_nowhere(tmp_path: Path, modality: str) -> None:
    config = without(tmp_path, modality)
    words, table, details = shown(config)
    rest = set(MODALITIES) - {modality}
    for text in (words, json.dumps([table, details])):
        assert [word for word in WORDS[modality] if word in text] == []
    for other in rest:
        assert any(word in words for word in WORDS[other])
    assert set(table["slots"]) == rest
    tracks = {track["key"] for track in table["tracks"]}
    assert tracks == set().union(*(TRACKS[other] for other in rest))
    assert all(set(clip["tracks"]) == tracks for clip in details)
    assert all("film" in clip for clip in details) == (modality != "vision")
    assert all("tokens" in clip for clip in details) == (modality != "text")
    assert not any("absent" in clip for clip in details)
    files = {path.name for path in (tmp_path / "report").iterdir()}
    assert {name for name in files if name.startswith("length_")} == {
        f"length_{other}.svg" for other in rest
    }
    clips = pd.read_csv(tmp_path / "report" / "clips.csv")
    assert {c for c in clips if c.endswith("_steps")} == {f"{other}_steps" for other in rest}


@pytest.mark.parametrize("dataset", [True, False])
def test_without_faces_the_face_rules_are_said_not_to_apply(tmp_path: Path, dataset: bool) -> None:
    config = without(tmp_path, "vision", dataset=dataset)
    said = "the corpus rules no_face and second_face were not applied"
    assert said in summary_text(config)
    assert f"{said[0].upper()}{said[1:]}" in shown(config)[0]


def test_the_page_says_why_a_row_is_missing(tmp_path: Path) -> None:
    config = without(tmp_path, "audio", "vision")
    assert "they fuse modalities, and the dataset has text features only" in shown(config)[0]


def test_table_3_says_how_many_clips_have_no_m(tmp_path: Path) -> None:
    words, *_ = shown(without(tmp_path, "audio", labels=(0.2, 0.4, float("nan"))))
    assert "Not counted: 2 clips without M." in words


def test_with_faces_nothing_is_said_of_rules(tmp_path: Path) -> None:
    assert "not applied" not in summary_text(without(tmp_path, "audio"))


def test_a_build_of_text_alone_is_a_whole_page(browser: Browser, tmp_path: Path) -> None:
    config = without(tmp_path, "audio", "vision")
    browser.console.clear()
    browser.open(build_report(config))
    browser.run("document.querySelector('.opener').click()")
    labels = "[...document.querySelectorAll('.tracks .label')].map((e) => e.textContent)"
    assert browser.run(labels) == ["Tokens"]
    heads = "[...document.querySelectorAll('#clip-table thead button')].map((e) => e.textContent)"
    assert browser.run(heads)[-2:] == ["Unknown", "Cut"]
    assert browser.console == []


def test_a_half_finished_build_misses_only_what_its_slots_need(tmp_path: Path) -> None:
    config = without(tmp_path, "vision", dataset=False, stages=("text",))
    build = read_build(config)
    assert {"audio", "dataset"} <= set(build.gaps)
    assert not {"frames", "faces", "openface", "vision"} & set(build.gaps)
    assert build.features == {"text": 6, "audio": 0}


def test_an_extractor_that_the_report_does_not_know_is_drawn_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audio stage, were it from another package: a picture of its dimensions over time."""
    config = without(tmp_path)
    monkeypatch.setattr("pipeline.report.tracks.OWN", {})
    build = read_build(config)
    (track,) = tracks_of(build)
    assert (track["stage"], track["rows"]) == ("audio", 32)
    clip = str(build.usable["clip"][0])
    seconds = float(build.usable["duration"][0])
    packed = pack_clip(build, clip, seconds, fitting_detail(6, 15, 2000))
    start, end = packed["spans"]["audio"]
    assert start == 0
    assert end == pytest.approx(seconds, abs=0.05)
    assert len(packed["tracks"]["audio"]) == 32 * 120
