"""The report as a file: the same bytes every time, whole, small, and honest about gaps."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.config import Config, make_config
from pipeline.report.build import build_report, embed_json
from pipeline.report.provenance import costs, edges, places
from pipeline.report.read import read_build
from pipeline.report.summary import summary_text
from pipeline.stages import STAGES, slots
from pipeline.store.files import read_json, write_json
from pipeline.store.freshness import is_outdated, products
from pipeline.store.layout import Layout
from tests.report.conftest import HOSTILE
from tests.report.synthetic import Corpus, write_build

RAW_DEMO = Path(__file__).parents[2] / "raw" / "demo"


def test_the_same_files_give_the_same_bytes(build: Config, page: Path) -> None:
    first = page.read_bytes()
    assert build_report(build).read_bytes() == first


def test_it_is_one_file_that_names_no_other(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "default-src 'none'" in text
    static = text.split("<script type", 1)[0]
    links = re.findall(r"""<[^>]*?\s(?:xlink:href|src|href)=["']?([^"'\s>]+)""", static)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)


def test_numbers_of_the_build_are_on_the_page(page: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", page.read_text("utf-8").split("<script type", 1)[0])
    text = re.sub(r"\s+", " ", text)
    assert "Clips 31" in text
    assert "Used 30" in text
    assert "Quarantined 1" in text
    assert "Untrained text model: demo only." in text
    assert "18 train, 6 valid, 6 test" in text
    captions = re.findall(r"<caption.*?</caption>", page.read_text("utf-8"), re.DOTALL)
    words = [re.sub(r"<[^>]+>", "", caption) for caption in captions]
    assert len(words) > 5
    assert not [caption for caption in words if re.search(r"[.;:)][A-Z]", caption)]


def test_hostile_strings_cannot_end_the_data(page: Path) -> None:
    text = page.read_text("utf-8")
    assert HOSTILE not in text
    assert text.count("<script") == text.count("</script>") == 3
    assert json.loads(embed_json(HOSTILE)) == HOSTILE
    assert not set(embed_json(HOSTILE)) & set("<>&\u2028\u2029")


def test_an_empty_folder_gives_a_page_that_says_how_to_begin(tmp_path: Path) -> None:
    text = build_report(make_config({"processed": str(tmp_path)})).read_text("utf-8")
    assert "Nothing has been built in this folder yet" in text
    assert "chsims-build --stage manifest" in text


@pytest.mark.parametrize(
    ("stages", "command"),
    [
        ((), "chsims-build --stage faces"),
        (("faces", "text"), "chsims-build --stage audio"),
        (("faces", "openface", "vision", "audio", "text"), "chsims-build --stage dataset"),
    ],
)
def test_a_half_finished_build_names_what_is_missing(
    tmp_path: Path, stages: tuple[str, ...], command: str
) -> None:
    corpus = Corpus(clips=4, stages=stages, dataset=False, trained=False)
    config = write_build(tmp_path, corpus)
    text = build_report(config).read_text("utf-8")
    assert command in text
    assert "chsims-build --stage train" in text
    assert "Table 1." in text
    assert "no dataset yet" in summary_text(config)


@pytest.mark.parametrize(
    "names",
    [
        ["manifest.parquet", "quarantine.csv"],
        [
            "dataset.h5",
            "logs/runs.jsonl",
            "results/table2.json",
            "records/audio/0000.json",
            "faces/video_0001/0002.safetensors",
        ],
        [
            "quarantine.csv",
            "audio/video_0001/0002.safetensors",
            "experiments/table2/lf_dnn/seed_1/curve.csv",
        ],
    ],
)
def test_damaged_files_do_not_stop_the_report(tmp_path: Path, names: list[str]) -> None:
    config = write_build(tmp_path, Corpus(clips=6))
    for name in names:
        (tmp_path / name).write_bytes(b"\xff{not what it was\x00,1\n")
    text = build_report(config).read_text("utf-8")
    read_whole = (".h5", ".parquet", "quarantine.csv")
    assert ("cannot be read" in text) == any(name.endswith(read_whole) for name in names)


def test_the_settings_shown_are_those_that_made_the_dataset(tmp_path: Path) -> None:
    write_build(tmp_path, Corpus(clips=4), audio={"f0": "yin"})
    other = make_config({"processed": str(tmp_path), "text": {"model": "demo"}})
    text = build_report(other).read_text("utf-8")
    assert "<code>audio.<wbr>f0</code>" in text
    assert "log F0 by YIN" in text
    assert "decheveigne2002yin" in text
    assert "mauch2014pyin" not in text


def test_the_methods_describe_the_training_whose_results_are_shown(tmp_path: Path) -> None:
    """Not the settings stored in the dataset, nor those of the current configuration."""
    config = write_build(tmp_path, Corpus(clips=4))
    path = tmp_path / "results" / "table2.json"
    changed = {"preset": "published", "seeds": [7], "recipe": {"pooling": "valid"}}
    path.write_text(json.dumps({**read_json(path), **changed, "settings": changed}), "utf-8")
    text = build_report(config).read_text("utf-8")
    assert "with one seed (7), as the published code computes it" in text
    assert "(training preset published, with recipe.pooling = valid)" in text
    assert "One seed (7), training preset <bdi>published</bdi>." in text
    assert "±" not in text.split("Table 2.", 1)[1].split("</caption>", 1)[0]
    assert "<code>train.<wbr>seeds</code>" in text
    assert "seeds (1" not in text


def test_one_seed_has_no_spread_and_untrained_models_are_set_apart(tmp_path: Path) -> None:
    config = write_build(tmp_path, Corpus(clips=4))
    path = tmp_path / "results" / "table2.json"
    table = read_json(path)
    for row in table["rows"]:
        row["seeds"] = row["seeds"][:1]
        row["test"]["std"] = dict.fromkeys(row["test"]["std"], 0.0)
    path.write_text(json.dumps({**table, "seeds": [1]}), "utf-8")
    text = build_report(config).read_text("utf-8")
    (ours,) = re.findall(r"LF-DNN</th>.*?class=\"ours\">(.*?)</span>", text, re.DOTALL)[:1]
    assert "±" not in ours
    assert "One seed (1)" in text
    assert "EF-LSTM (not trained)" in re.sub(r"<[^>]+>", "", text)
    scores = pd.read_csv(tmp_path / "report" / "table2.csv").set_index("model")
    assert np.isnan(scores.loc["LF-DNN", "Acc-2 std"])
    assert scores.loc["LF-DNN", "Acc-2 paper std"] == 0.6


def test_the_page_says_which_split_was_made_and_why(page: Path) -> None:
    assert "Split: 6:2:2 within each class (the label sheet names no parts)." in page.read_text()


def test_scores_of_an_earlier_dataset_are_not_taken_for_scores_of_this_one(tmp_path: Path) -> None:
    config = write_build(tmp_path, Corpus(clips=4))
    path = tmp_path / "results" / "table2.json"
    words = "models of table2 were trained on an earlier dataset"
    digest = read_build(config).dataset.digest  # type: ignore[union-attr]
    path.write_text(json.dumps({**read_json(path), "dataset": digest}), "utf-8")
    assert words not in build_report(config).read_text("utf-8")
    path.write_text(json.dumps({**read_json(path), "dataset": "another"}), "utf-8")
    text = build_report(config).read_text("utf-8")
    assert words in text
    assert "were trained with" not in text
    assert words in summary_text(config)


def test_a_stage_that_the_paper_lacks_has_its_place_in_the_picture() -> None:
    loud = replace(STAGES["audio"], name="loud", inputs=(STAGES["faces"],))
    found = slots(make_config({}))
    found["audio"] = loud
    assert places(found)["faces"] == (2, 0)
    assert places(found)["loud"] == (4, 1)
    assert ("faces", "loud") in edges(found)
    assert ("faces", "vision") not in edges(found)  # by way of openface


def test_training_jobs_are_among_the_costs(tmp_path: Path) -> None:
    config = write_build(tmp_path, Corpus(clips=4))
    for model, seconds, peak in (("lf_dnn", 60, "512.5"), ("mlf_dnn", 80, "NA")):
        log = tmp_path / "logs" / "train" / f"table2_{model}.tsv"
        log.parent.mkdir(exist_ok=True)
        log.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:00\t{peak}\n", "utf-8")
    (train,) = (cost for cost in costs(read_build(config).runs) if cost.stage == "train")
    assert (train.jobs, train.seconds, train.peak_mb) == (2, 140, 512.5)


def test_an_old_dataset_is_not_called_built(tmp_path: Path) -> None:
    """A stage was built again after the dataset: the summary describes the present state."""
    config = write_build(tmp_path, Corpus(clips=4))
    build_report(config)
    record = tmp_path / "records" / "audio" / "0000.json"
    lost = {"clip": "video_0001/0002", "stage": "audio", "reason": "no sound", "remedy": ""}
    kept = {c: k for c, k in read_json(record)["clips"].items() if c != lost["clip"]}
    write_json(record, {"clips": kept, "quarantine": [lost]})
    layout = Layout(tmp_path)
    for product in products(layout):
        assert is_outdated(layout, product)
    text = summary_text(config)
    assert "features: text 3, audio 3, vision 3; dataset.h5 is from an earlier build" in text
    assert "1 x audio: no sound (video_0001/0002)" in text
    assert "report.html (out of date)" in text
    assert "WARNING: the dataset is older than its features" in text


def test_the_console_says_what_was_built_and_what_was_left_out(build: Config, page: Path) -> None:
    text = summary_text(build)
    assert "30 of 31 clips (train 18, valid 6, test 6)" in text
    assert "1 x manifest: " in text
    assert "video_0009/0001" in text
    assert "WARNING: untrained text model: demo only" in text
    assert text.splitlines()[-1] == f"report: {page}"
    assert all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("character", ["长", "<"])  # of three bytes, and of six in a page
def test_a_page_keeps_its_limit_and_pictures_of_the_worst_clips(
    tmp_path: Path, character: str
) -> None:
    """Of 300 clips with long transcripts, neither all rows nor all pictures fit."""
    texts = dict.fromkeys(range(300), character * 1000)
    corpus = Corpus(clips=300, texts=texts, template=True, warnings={271: ["a grave one"]})
    config = write_build(tmp_path, corpus, report={"megabytes": 1.05})
    page = build_report(config).read_text("utf-8")
    assert len(page.encode()) < 1.05e6
    found = re.search(r'id="table-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    clips = json.loads(found[1])["columns"]["clip"]
    assert len(clips) < 300
    assert 0.57e6 < len(found[1].encode()) < 0.64e6  # three fifths of the page
    assert "video_0014/0012" in clips  # the 272nd, because of its warning
    assert f"the table holds the {len(clips)} clips with the gravest findings" in page
    assert 1 <= page.count('"film":"') < len(clips)
    with (config.layout.exhibits / "clips.csv").open(encoding="utf-8-sig") as stream:
        assert sum(1 for _ in stream) == 301
