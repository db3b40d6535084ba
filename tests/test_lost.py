"""What is lost of a build is made again to the byte, and that is no news to what was made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.store.freshness import is_outdated
from pipeline.store.layout import Layout
from tests.corpora import small_corpus

pytestmark = pytest.mark.long

SOUND = {"text": "none", "vision": "none"}
CLIP_STAGES = {"frames", "faces", "openface", "vision", "audio", "text"}


def test_what_was_made_again_to_the_byte_leaves_the_dataset_up_to_date(tmp_path: Path) -> None:
    """A record that is written anew with the same words is no news: neither to Snakemake."""
    corpus = small_corpus(tmp_path)
    corpus.build("stage_dataset", features=SOUND)
    layout = Layout(corpus.processed)
    (corpus.processed / "audio" / "video_1" / "0000.safetensors").unlink()
    corpus.build("stage_dataset", features=SOUND)
    assert not is_outdated(layout, layout.dataset)
    corpus.build("stage_audio", audio={"f0": "zcr"}, features=SOUND)
    assert is_outdated(layout, layout.dataset)
    corpus.build("stage_audio", features=SOUND)
    assert not is_outdated(layout, layout.dataset)


def test_whatever_is_lost_of_a_whole_build_is_made_again(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path, clips=5)
    train = {"models": ["mlf_dnn"], "seeds": [1], "max_epochs": 1, "experiments": ["table2"]}
    corpus.build(train=train)
    corpus.computed()
    seed = "experiments/table2/mlf_dnn/seed_1"
    for lost in (
        ("dataset.h5", "manifest_quarantine.json", "faces/video_2/0001.safetensors"),
        (
            "shards/0000.json",
            "quarantine.csv",
            "results/table2.csv",
            "experiments/table2/mlf_dnn.json",
        ),
        ("report.html", "records/audio/0000.json", f"{seed}/curve.csv"),
        ("manifest.parquet", "vision/video_1/0000.safetensors", f"{seed}/weights.safetensors"),
    ):
        before = {}
        for path in (corpus.processed / name for name in lost):
            before[path] = path.read_bytes()
            path.unlink()
        corpus.build(train=train)
        for path, data in before.items():
            if path.name == "report.html":  # it tells when it was made
                assert path.is_file()
            else:
                assert path.read_bytes() == data, path
    counts = {s: n for s, n in corpus.computed().items() if s in CLIP_STAGES}
    assert counts == {"frames": 1, "faces": 1, "vision": 1}
