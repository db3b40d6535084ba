"""Text: one vector a token, whatever else is in the batch; no silent fallback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from pipeline.errors import BuildError
from pipeline.text.demo_model import LABEL, vocabulary, write_demo_model
from pipeline.text.extractor import TextExtractor, _packs, identity, load_bert
from pipeline.text.settings import TextSettings

SENTENCES = [
    "我真的受够了，你走吧。",
    "好",
    "Hello 世界 ＡＢＣ １２３ 😀 龘！",
    "今天是我最幸福的一天，" * 12,
    "",
    "他说：“知道了”……",
]


@pytest.fixture(scope="module")
def demo() -> TextExtractor:
    return TextExtractor(TextSettings(model="demo", batch_tokens=64))


@pytest.fixture(scope="module")
def two_layer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of the published width and vocabulary size's kind, with random weights."""
    folder = tmp_path_factory.mktemp("bert")
    words = vocabulary()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), num_hidden_layers=2)).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_start_and_end_token_are_kept_and_words_are_not_segmented(demo: TextExtractor) -> None:
    features = demo.extract("我走了。")
    assert features.info["tokens"] == ["[CLS]", "我", "走", "了", "。", "[SEP]"]
    assert features.arrays["text"].shape == (6, 768)
    assert features.arrays["text"].dtype == np.float32


def test_a_batch_gives_to_the_bit_what_each_sentence_gives_alone(demo: TextExtractor) -> None:
    for sentence, features in zip(SENTENCES, demo.extract_batch(SENTENCES), strict=True):
        assert not isinstance(features, Exception)
        alone = demo.extract(sentence)
        np.testing.assert_array_equal(features.arrays["text"], alone.arrays["text"])
        assert features.info == alone.info


def test_packs_hold_every_transcript_once_and_little_filling() -> None:
    lengths = [14, 8, 13, 60, 13, 9, 200, 31, 64, 2, 12]
    packs = _packs(lengths, 64)
    assert sorted(i for pack in packs for i in pack) == list(range(len(lengths)))
    tokens = [sum(lengths[i] for i in pack) for pack in packs]
    assert all(n <= 64 for pack, n in zip(packs, tokens, strict=True) if 6 not in pack)
    assert [6] in packs, "in its longer row others would meet products of another shape"
    assert len(packs) <= 5  # one for the 200 tokens, four for the other 226
    for pack in packs:
        assert [lengths[i] for i in pack] == sorted((lengths[i] for i in pack), reverse=True)


def test_a_local_folder_gives_the_last_hidden_state_of_its_model(two_layer_folder: Path) -> None:
    extractor = TextExtractor(TextSettings(model=str(two_layer_folder)))
    tokenizer = BertTokenizer.from_pretrained(two_layer_folder)
    model = BertModel.from_pretrained(two_layer_folder).eval()
    for sentence, features in zip(SENTENCES, extractor.extract_batch(SENTENCES), strict=True):
        assert not isinstance(features, Exception)
        with torch.no_grad():
            hidden = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        np.testing.assert_allclose(features.arrays["text"], hidden.numpy(), atol=1e-5)


def test_unknown_characters_pass_and_are_counted(demo: TextExtractor) -> None:
    features = demo.extract("龘😀好")
    assert features.info["tokens"] == ["[CLS]", "[UNK]", "[UNK]", "好", "[SEP]"]
    assert features.info["unknown"] == 2


def test_a_very_long_transcript_is_cut_with_its_end_token_kept(demo: TextExtractor) -> None:
    features = demo.extract("好" * 2000)
    assert features.arrays["text"].shape == (512, 768)
    assert features.info["tokens"][-1] == "[SEP]"


def test_the_demo_model_is_marked_and_always_the_same(demo: TextExtractor, tmp_path: Path) -> None:
    assert demo.extract("好").info["model"] == LABEL
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_demo_model(tmp_path / name)
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


def test_a_model_that_is_not_to_be_had_stops_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BuildError) as caught:
        load_bert(TextSettings(model="nobody/never-in-a-cache"))
    assert "hf download nobody/never-in-a-cache" in caught.value.remedy
    assert "--local-dir" in caught.value.remedy


def test_pickled_weights_are_refused(two_layer_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((two_layer_folder / name).read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BuildError, match="safetensors"):
        load_bert(TextSettings(model=str(tmp_path)))


def test_the_key_follows_the_weights_not_the_place(two_layer_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in two_layer_folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    first = identity(TextSettings(model=str(two_layer_folder)))
    assert identity(TextSettings(model=str(copy))) == first
    assert identity(TextSettings(model="demo")) != first
