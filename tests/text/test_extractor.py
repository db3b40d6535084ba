"""Text: one vector per token, whatever else is in the batch, of every type of encoder."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import pipeline.extractor
import pipeline.text.source
from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.text.demo_model import LABEL, write_demo_model
from pipeline.text.extractor import TextExtractor, _packs
from pipeline.text.settings import TextSettings
from pipeline.text.source import TYPES
from pipeline.text.stage import TEXT
from tests.text.models import KINDS, SENTENCES, write_model

OTHER_KINDS = ("mpnet", "modernbert", "bart")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_model(folder / kind, kind) for kind in KINDS if kind not in OTHER_KINDS}


@pytest.fixture(scope="module")
def demo() -> TextExtractor:
    return TextExtractor(TextSettings(model="demo", batch_tokens=64))


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


def test_the_tests_know_every_supported_type() -> None:
    assert set(KINDS) == {*TYPES, *OTHER_KINDS}


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_gives_the_last_hidden_layer_of_its_own_model(
    kind: str, models: dict[str, Path]
) -> None:
    folder = models[kind]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    for size in (16, 2048):  # more than the model has positions for: packs are no one text
        extractor = TextExtractor(TextSettings(model=str(folder), batch_tokens=size))
        for sentence, features in zip(SENTENCES, extractor.extract_batch(SENTENCES), strict=True):
            assert not isinstance(features, Exception)
            with torch.no_grad():
                hidden = model.eval()(**tokenizer(sentence, return_tensors="pt")).last_hidden_state
            np.testing.assert_allclose(features.arrays["text"], hidden[0].numpy(), atol=1e-5)
            alone = extractor.extract(sentence).arrays["text"]
            np.testing.assert_allclose(features.arrays["text"], alone, atol=1e-6)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("layers", "picked"), [("0", [0]), ("-2", [1]), ("1-2", [1, 2])])
def test_each_type_gives_the_layers_that_are_chosen(
    kind: str, layers: str, picked: list[int], models: dict[str, Path]
) -> None:
    folder = models[kind]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    extractor = TextExtractor(TextSettings(model=str(folder), layers=layers))
    for sentence, features in zip(SENTENCES, extractor.extract_batch(SENTENCES), strict=True):
        assert not isinstance(features, Exception)
        with torch.no_grad():
            states = model.eval()(
                **tokenizer(sentence, return_tensors="pt"), output_hidden_states=True
            ).hidden_states
        expected = torch.stack([states[i] for i in picked]).mean(0)[0].numpy()
        np.testing.assert_allclose(features.arrays["text"], expected, atol=1e-5)


@pytest.mark.parametrize("layers", ["3", "-4", "1-3", "2-1"])
def test_a_layer_that_the_model_does_not_have_is_refused(
    layers: str, models: dict[str, Path]
) -> None:
    extractor = TextExtractor(TextSettings(model=str(models["bert"]), layers=layers))
    with pytest.raises(BuildError, match="but the BERT has 2 layers") as caught:
        extractor.extract("好")
    assert "from 0 (the embeddings) to 2 or from -3 to -1" in caught.value.remedy


def test_a_build_stops_before_any_work_where_a_layer_is_missing(models: dict[str, Path]) -> None:
    text = {"model": str(models["distilbert"]), "layers": 3}
    with pytest.raises(BuildError, match="DistilBERT has 2 layers"):
        TEXT.ready(make_config({"text": text}))  # type: ignore[misc]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_type_that_nobody_listed_gives_its_own_vectors(kind: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / kind, kind)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    extractor = TextExtractor(TextSettings(model=str(folder)))
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    for sentence, features in zip(SENTENCES, extractor.extract_batch(SENTENCES), strict=True):
        assert not isinstance(features, Exception)
        with torch.no_grad():
            hidden = encoder.eval()(**tokenizer(sentence, return_tensors="pt")).last_hidden_state
        np.testing.assert_allclose(features.arrays["text"], hidden[0].numpy(), atol=1e-5)
    assert extractor.label.startswith(f"{kind}, SHA-256 ")
    settings = TextSettings(model=str(folder))
    assert TEXT.feature.names(settings, 48)[47] == f"{kind}_047"  # type: ignore[union-attr]


def test_unknown_characters_pass_and_are_counted(demo: TextExtractor) -> None:
    features = demo.extract("龘😀好")
    assert features.info["tokens"] == ["[CLS]", "[UNK]", "[UNK]", "好", "[SEP]"]
    assert features.info["unknown"] == 2


def test_a_very_long_transcript_is_cut_with_its_end_token_kept(demo: TextExtractor) -> None:
    features = demo.extract("好" * 2000)
    assert features.arrays["text"].shape == (512, 768)
    assert features.info["tokens"][-1] == "[SEP]"


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_model_of_few_positions_cuts_what_is_longer(kind: str, tmp_path: Path) -> None:
    folder = write_model(tmp_path / kind, kind, max_position_embeddings=32)
    positions = 32 if kind == "bert" else 32 - 2  # RoBERTa's start after its padding's number
    for size in (16, 256):
        extractor = TextExtractor(TextSettings(model=str(folder), batch_tokens=size))
        features = extractor.extract("好" * 100)
        assert features.arrays["text"].shape == (positions, 48)
        assert features.info["tokens"][-1] == extractor.tokenizer.sep_token


def test_half_precision_weights_are_computed_in_float32(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "full")
    AutoModel.from_pretrained(folder).half().save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "half")
    extractor = TextExtractor(TextSettings(model=str(tmp_path / "half")))
    assert {p.dtype for p in extractor.model.parameters()} == {torch.float32}


def test_the_demo_model_is_marked_and_always_the_same(demo: TextExtractor, tmp_path: Path) -> None:
    assert demo.extract("好").info["model"] == LABEL
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_demo_model(tmp_path / name)
    first, second = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("module", [pipeline.extractor, pipeline.text.source])
def test_the_examples_in_the_docstrings_run(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0
    assert failed == 0
