"""A model's identity is its content; its name and commit are said where they are known."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from pipeline.encoders.files import is_stored
from pipeline.errors import BuildError, NotHereError
from pipeline.text.demo_model import LABEL
from pipeline.text.settings import DEFAULT_MODEL, DEFAULT_REVISION, TextSettings
from pipeline.text.source import FILES, find_model, identity, label
from tests.text.hub import COMMIT, LATER, hub
from tests.text.models import rewrite_json, rewrite_weights, write_model

NAME = "somebody/small-bert"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "small-bert")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, and no hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    reach(monkeypatch, "http://127.0.0.1:9")
    return tmp_path / "cache"


def reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for place in ("constants.ENDPOINT", "file_download.ENDPOINT", "hf_api.ENDPOINT"):
        monkeypatch.setattr(f"huggingface_hub.{place}", address, raising=False)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )


def settings(model: Path | str, **others: str) -> TextSettings:
    return TextSettings.model_validate({"model": str(model), **others})


def test_the_same_model_in_another_folder_is_the_same(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "elsewhere")
    (copy / "README.md").write_text("a copy", "utf-8")
    torch.save({}, copy / "pytorch_model.bin")
    for name in ("config.json", "tokenizer_config.json"):  # what some tools write of a place
        rewrite_json(copy / name, _name_or_path=str(copy), transformers_version="4.0", is_local=0)
    for path in copy.iterdir():
        os.utime(path, (0, 0))
    one, other = settings(model), settings(copy, revision="of no meaning here")
    assert identity(one) == identity(other)
    assert label(one) == label(other)
    assert one.defining() == other.defining()
    assert str(tmp_path) not in str([identity(other), label(other), other.defining()])


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: rewrite_weights(folder, lambda w: {k: v + 1 for k, v in w.items()}),
        lambda folder: rewrite_json(folder / "config.json", layer_norm_eps=1e-5),
        lambda folder: rewrite_json(folder / "tokenizer_config.json", do_lower_case=False),
        lambda folder: rewrite_json(folder / "tokenizer.json", truncation=None, version="1.1"),
        lambda folder: (folder / "vocab.txt").write_text("[PAD]\n", "utf-8"),
    ],
)
def test_whatever_changes_its_vectors_changes_its_identity(
    change: Callable[[Path], object], model: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(model, tmp_path / "other")
    assert identity(settings(other)) == identity(settings(model))
    change(other)
    assert identity(settings(other)) != identity(settings(model))
    assert not is_stored(label(settings(other)), [label(settings(model))])


def test_a_model_changed_in_place_is_seen(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "copy")
    before = identity(settings(copy))
    rewrite_weights(copy, lambda w: {k: v * 2 for k, v in w.items()})
    assert identity(settings(copy)) != before


def test_files_of_several_shards_are_all_digested(model: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    shutil.copytree(model, many, ignore=shutil.ignore_patterns("*.safetensors"))
    AutoModel.from_pretrained(model).save_pretrained(many, max_shard_size="40KB")
    before = identity(settings(many))
    last = sorted(many.glob("model-*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"\0")
    assert identity(settings(many)) != before


def test_the_pinned_revision_belongs_to_the_default_model_alone() -> None:
    assert FILES.revision(TextSettings()) == DEFAULT_REVISION
    assert FILES.revision(settings(NAME)) is None
    assert FILES.revision(settings(NAME, revision="v2")) == "v2"
    assert FILES.revision(settings(DEFAULT_MODEL, revision="main")) == "main"


def test_a_download_tells_name_and_commit(
    model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = shutil.copytree(model, tmp_path / "later")
    rewrite_json(later / "config.json", layer_norm_eps=1e-5)
    torch.save({}, later / "pytorch_model.bin")
    with pytest.raises(NotHereError):
        identity(settings(NAME))
    with hub(NAME, {COMMIT: model, LATER: later}) as address:
        reach(monkeypatch, address)
        assert find_model(settings(NAME)).revision == LATER, "its newest"
        assert find_model(settings(NAME, revision=COMMIT)).revision == COMMIT
        (tmp_path / "later" / "config.json").unlink()
    reach(monkeypatch, "http://127.0.0.1:9")  # both are in the cache now
    assert label(settings(NAME)).startswith(f"{NAME} (BERT) at revision {LATER}, SHA-256 ")
    pinned = settings(NAME, revision=COMMIT)
    assert label(pinned).startswith(f"{NAME} (BERT) at revision {COMMIT}, SHA-256 ")
    assert identity(pinned) == identity(settings(model)), "a folder of the same content"
    assert is_stored(label(settings(model)), [label(pinned)])
    assert label(settings(model)).startswith("BERT, SHA-256 "), "whose name nobody knows"
    assert not list(cache.rglob("*.bin")), "pickles are not even downloaded"


def test_a_download_that_was_broken_off_is_taken_up(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub(NAME, {COMMIT: model}) as address:
        reach(monkeypatch, address)
        folder = find_model(settings(NAME)).folder
        (folder / "model.safetensors").unlink()
        with pytest.raises(NotHereError):
            identity(settings(NAME))
        assert (find_model(settings(NAME)).folder / "model.safetensors").is_file()


def test_a_model_that_is_not_to_be_had_stops_with_the_command_that_fetches_it(cache: Path) -> None:
    with pytest.raises(BuildError) as caught:
        find_model(settings("nobody/never-in-a-cache"))
    assert "neither a folder here" in caught.value.problem
    assert "hf download nobody/never-in-a-cache --local-dir never-in" in caught.value.remedy
    with pytest.raises(BuildError) as caught:
        find_model(TextSettings())
    assert f"--revision {DEFAULT_REVISION} --local-dir bert-base-chinese" in caught.value.remedy


@pytest.mark.parametrize("name", ["/no/such/folder", "./models/bert", "a/b/c", "two words"])
def test_a_name_that_is_none_is_refused_without_the_network(name: str) -> None:
    with pytest.raises(BuildError, match="there is no folder"):
        find_model(settings(name))


def test_a_file_is_no_model(model: Path) -> None:
    with pytest.raises(BuildError, match="is a file, not a folder"):
        find_model(settings(model / "model.safetensors"))


def test_the_demo_model_is_itself() -> None:
    demo = settings("demo")
    assert identity(demo) == {"demo": 1}
    assert label(demo) == LABEL
    assert is_stored(label(demo), [LABEL])
    assert not is_stored(label(demo), ["BERT, SHA-256 0"])
