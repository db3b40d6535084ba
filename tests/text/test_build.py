"""A build with a model in a folder: moved, it recomputes nothing; another one is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import pytest

from pipeline.commands.predict import _check_encoder
from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.report.methods import methods
from pipeline.report.provenance import differences
from pipeline.report.read import read_build
from pipeline.store.features import Store
from pipeline.text.settings import TextSettings
from pipeline.text.source import label
from tests.conftest import snakemake
from tests.corpora import small_corpus
from tests.text.hub import COMMIT, hub
from tests.text.models import rewrite_json, write_model

pytestmark = pytest.mark.long


def test_a_model_in_another_folder_recomputes_nothing_and_gives_the_same_bytes(
    tmp_path: Path,
) -> None:
    corpus = small_corpus(tmp_path, clips=3)
    cheap = {"features": {"audio": "none", "vision": "none"}, "train": {"models": []}}
    first = write_model(tmp_path / "first")
    other = shutil.copytree(first, tmp_path / "a folder" / "of another name")
    dataset = corpus.processed / "dataset.h5"
    corpus.build("dataset", text={"model": str(first)}, **cheap)
    assert corpus.computed()["text"] == 3
    made, time = dataset.read_bytes(), dataset.stat().st_mtime_ns
    features = {p: p.read_bytes() for p in corpus.processed.glob("text/**/*.safetensors")}

    shutil.rmtree(first)
    said = corpus.build("dataset", text={"model": str(other)}, **cheap)
    assert "Nothing to be done" in said
    assert dataset.stat().st_mtime_ns == time
    shutil.rmtree(corpus.processed / "text")
    dataset.unlink()
    corpus.build("dataset", text={"model": str(other)}, **cheap)
    assert features == {p: p.read_bytes() for p in corpus.processed.glob("text/**/*.safetensors")}
    assert dataset.read_bytes() == made
    assert str(tmp_path).encode() not in b"".join(features.values())
    corpus.computed()

    text = TextSettings(model=str(other))
    with h5py.File(dataset) as file:
        assert json.loads(file.attrs["text_models"]) == [label(text)]
        assert str(tmp_path) not in str(dict(file.attrs.items()))
        (warning,) = [w for w in json.loads(file.attrs["warnings"]) if "unknown" in w]
        assert warning.startswith("33% of the transcripts' tokens are unknown to the text model")
    config = make_config({"processed": str(corpus.processed), "text": {"model": "elsewhere"}})
    build = read_build(config)
    paragraph, bibliography = methods(build, {}, [])
    assert f"Transcripts were encoded by {label(text)} (Devlin et al., 2019; " in paragraph
    assert "48 values per token" in paragraph
    assert "devlin2019bert" in bibliography
    assert [item for item in differences(build.made_with) if item.key.startswith("text.")] == []

    changed = shutil.copytree(other, tmp_path / "changed")
    rewrite_json(changed / "config.json", layer_norm_eps=0.1)
    stored = [label(text)]
    _check_encoder(make_config(given(corpus.folder, text=str(other))), "text", stored)
    with pytest.raises(BuildError, match=r"text\.model is another model than that of"):
        _check_encoder(make_config(given(corpus.folder, text=str(changed))), "text", stored)
    corpus.build("stage_text", text={"model": str(changed)}, **cheap)
    assert corpus.computed()["text"] == 3


def given(folder: Path, text: str) -> dict[str, object]:
    """Return the settings of the last build, with another text model."""
    settings: dict[str, object] = json.loads((folder / "config.yaml").read_text("utf-8"))
    return {**settings, "text": {"model": text}}


def test_a_first_build_fetches_the_model_and_a_second_one_finds_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the model is decides the key, so that it is fetched before jobs are planned."""
    corpus = small_corpus(tmp_path, clips=1)
    model = write_model(tmp_path / "model")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    text = {"model": "somebody/small-bert"}
    with hub("somebody/small-bert", {COMMIT: model}) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        corpus.write_sheet()
        planned = snakemake("--dry-run", "--config", f"raw={corpus.raw}", f"text={text}",
            "--", "stage_text", cwd=tmp_path)  # fmt: skip
        assert planned.returncode == 0, planned.stderr
        assert not (tmp_path / "cache").exists(), "a dry run fetches nothing"
        corpus.build("stage_text", text=text)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert corpus.computed()["text"] == 1
    assert "Nothing to be done" in corpus.build("stage_text", text=text)
    assert "Nothing to be done" in corpus.build("stage_text", text={"model": str(model)})
    stored = Store(corpus.processed).read("text", "video_1/0000").info["model"]
    assert stored.startswith(f"somebody/small-bert (BERT) at revision {COMMIT}, SHA-256 ")
