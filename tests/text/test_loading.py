"""What a folder holds is what is read: anything else is an error that says what was found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from pipeline.errors import BuildError
from pipeline.text.extractor import TextExtractor
from pipeline.text.loading import load_text_model
from pipeline.text.settings import TextSettings
from tests.conftest import SHARED
from tests.text.models import WORDS, rewrite_json, rewrite_weights, write_model


def refusal(folder: Path) -> str:
    """Return what is said of a folder that cannot be used."""
    with pytest.raises(BuildError) as caught:
        load_text_model(TextSettings(model=str(folder)))
    assert str(folder) in caught.value.problem
    assert caught.value.remedy
    return caught.value.problem


def renamed(prefix: str, keep: bool = False) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Put a prefix before every weight's name, or add a copy under it."""
    return lambda w: {**(w if keep else {}), **{prefix + name: v for name, v in w.items()}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renamed("text_model.model."), "under the prefix 'text_model.model.'"),
        (renamed("module.bert."), "under the prefix 'module.bert.'"),
        (renamed("encoder.bert."), "37 weights are missing"),
        (renamed("teacher.", keep=True), "of the encoder would be left out (teacher.embeddings"),
        (renamed("bert.", keep=True), None),  # each of them is read, whichever way it is found
        (lambda w: dict(list(w.items())[:-9]), "missing from the file"),
        (
            lambda w: {**w, "encoder.layer.0.attention.self.query.lora_A.weight": torch.zeros(2)},
            "left out (encoder.layer.0.attention.self.query.lora_A.weight",
        ),
        (
            lambda w: {**w, "encoder.layer.1.output.dense.bias": torch.full((48,), torch.nan)},
            "1 weights are not finite numbers (encoder.layer.1.output.dense.bias",
        ),
        (
            lambda w: {**w, "embeddings.word_embeddings.weight": torch.zeros(9, 48)},
            "embeddings.word_embeddings.weight: [9, 48] in the file",
        ),
    ],
)
def test_weights_that_are_not_the_encoders_are_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], words: str | None, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model")
    before = TextExtractor(TextSettings(model=str(folder))).extract("我走吧").arrays["text"]
    rewrite_weights(folder, change)
    if words is None:
        after = TextExtractor(TextSettings(model=str(folder))).extract("我走吧").arrays["text"]
        assert (before == after).all()
        return
    problem = refusal(folder)
    assert words in problem
    assert "BERT of 2 layers and 48 values" in problem
    assert "BertModel would read" in problem


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_hidden_layers": 1}, "would be left out (encoder.layer.1.attention"),
        ({"num_hidden_layers": 3}, "missing from the file (encoder.layer.2.attention"),
        ({"hidden_size": 64}, "weights have another shape"),
        ({"vocab_size": 30522}, "[30522, 48] by config.json"),
        ({"model_type": "gpt2"}, "the type 'gpt2' (BertModel), which is not a text encoder"),
        ({"model_type": "clip"}, "the type 'clip'"),
        ({"model_type": None}, "the type None"),
        ({"model_type": "roberta"}, "weights are missing from the file"),
        ({"model_type": "electra"}, "would be left out"),
        ({"is_decoder": True}, "a decoder; a plain encoder is read"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantized"),
    ],
)
def test_a_configuration_of_another_model_is_refused(
    values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model")
    if values.get("model_type") in ("roberta", "electra"):  # whose encoders are called as BERT's
        rewrite_weights(folder, renamed("bert."))
    rewrite_json(folder / "config.json", **values)
    assert words in refusal(folder)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("bert", hf.BertForMaskedLM),
        ("bert", hf.BertForPreTraining),
        ("bert", hf.BertForSequenceClassification),
        ("roberta", hf.RobertaForMaskedLM),
        ("electra", hf.ElectraForPreTraining),
        ("deberta-v2", hf.DebertaV2ForMaskedLM),
        ("xlm-roberta", hf.XLMRobertaForSequenceClassification),
        ("distilbert", hf.DistilBertForSequenceClassification),
    ],
)
def test_a_fine_tuned_model_gives_its_encoders_vectors(
    kind: str, head: type[Any], tmp_path: Path
) -> None:
    folder = write_model(tmp_path / kind, kind, head)
    extractor = TextExtractor(TextSettings(model=str(folder)))
    model = head.from_pretrained(folder).eval()
    tokens = extractor.tokenizer("我走吧", return_tensors="pt")
    with torch.no_grad():
        hidden = model(**tokens, output_hidden_states=True).hidden_states[-1][0]
    torch.testing.assert_close(
        torch.from_numpy(extractor.extract("我走吧").arrays["text"]), hidden, atol=1e-5, rtol=0
    )


def test_old_names_of_weights_are_read(tmp_path: Path) -> None:
    """As in bert-base-chinese itself: gamma and beta, and the numbers of positions."""
    folder = write_model(tmp_path / "model")
    expected = TextExtractor(TextSettings(model=str(folder))).extract("我走吧").arrays["text"]

    def old(weights: dict[str, Any]) -> dict[str, Any]:
        names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, name in names.items():
            weights = {f"{k.removesuffix(new)}{name}" if k.endswith(new) else k: v
                       for k, v in weights.items()}  # fmt: skip
        found = {f"bert.{k}": v for k, v in weights.items()}
        return {**found, "bert.embeddings.position_ids": torch.arange(512)[None]}

    rewrite_weights(folder, old)
    found = TextExtractor(TextSettings(model=str(folder))).extract("我走吧").arrays["text"]
    assert (found == expected).all()


def test_weights_in_several_files_are_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "one")
    hf.AutoModel.from_pretrained(folder).save_pretrained(tmp_path / "many", max_shard_size="40KB")
    hf.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "many")
    assert len(list((tmp_path / "many").glob("model-*.safetensors"))) > 1
    one, many = (
        TextExtractor(TextSettings(model=str(tmp_path / name))).extract("我走吧").arrays["text"]
        for name in ("one", "many")
    )
    assert (one == many).all()
    next((tmp_path / "many").glob("model-00002*.safetensors")).unlink()
    refusal(tmp_path / "many")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole, text = weights.read_bytes(), config.read_text("utf-8")
    weights.write_bytes(whole[:-1000])
    assert "SafetensorError" in refusal(folder)
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "a pointer of Git LFS" in refusal(folder)
    weights.write_bytes(whole)
    for broken in (text[:40], "[]", "\0"):
        config.write_text(broken, "utf-8")
        assert "config.json" in refusal(folder)
    config.write_text(text, "utf-8")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    assert "cannot load the tokenizer" in refusal(folder)


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"weights": Bomb()}, folder / "pytorch_model.bin")
    load_text_model(TextSettings(model=str(folder)))  # next to weights that are read: no matter
    (folder / "model.safetensors").unlink()
    problem = refusal(folder)
    assert "lacks model.safetensors; pytorch_model.bin is a pickle" in problem
    assert not (tmp_path / "ran").exists()


def test_an_adapter_is_refused_rather_than_left_out(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "adapter_config.json").write_text("{}", "utf-8")
    assert "adapter" in refusal(folder)


def only_words(folder: Path, words: list[str]) -> None:
    """Leave vocab.txt as the tokenizer's only file."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")


def test_a_vocabulary_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "larger")
    only_words(folder, [*WORDS, "extra"])
    count = len(WORDS)
    assert f"has {count + 1} tokens, its BERT knows {count}" in refusal(folder)
    folder = write_model(tmp_path / "foreign", "roberta")
    only_words(folder, WORDS)
    problem = refusal(folder)
    assert "holds no vocabulary that a RoBERTa reads" in problem
    assert "vocab.txt" in problem
    folder = write_model(tmp_path / "two")
    (folder / "vocab.txt").write_text("\n".join([*WORDS[:5], *WORDS[:4:-1]]) + "\n", "utf-8")
    assert "disagree, first in line 6 of vocab.txt" in refusal(folder)


def test_a_tokenizer_without_start_and_end_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "deberta-v2")
    path = folder / "tokenizer.json"
    hf.PreTrainedTokenizerFast(tokenizer_file=str(path)).save_pretrained(folder)
    rewrite_json(path, post_processor=None)
    assert "no start and end token" in refusal(folder)


@pytest.mark.parametrize("lower", [True, False])
def test_letters_are_treated_as_the_models_files_say(lower: bool, tmp_path: Path) -> None:
    """Without tokenizer_config.json transformers lower-cases all; tokenizer.json knows better."""
    folder = write_model(tmp_path / "model")
    words = {word: i for i, word in enumerate(WORDS)}
    hf.BertTokenizer(vocab=words, do_lower_case=lower).save_pretrained(folder)
    expected = ["hello"] if lower else ["H", "##ello"]

    def pieces() -> list[str]:
        return load_text_model(TextSettings(model=str(folder)))[0].tokenize("Hello")

    assert pieces() == expected
    settings = (folder / "tokenizer_config.json").read_text("utf-8")
    (folder / "tokenizer_config.json").unlink()
    assert pieces() == expected
    only_words(folder, WORDS)
    (folder / "tokenizer_config.json").write_text(settings, "utf-8")
    assert pieces() == expected


def test_two_loads_never_differ(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    first, second = (TextExtractor(TextSettings(model=str(folder))) for _ in range(2))
    assert (first.extract("我走吧").arrays["text"] == second.extract("我走吧").arrays["text"]).all()


def test_the_field_cases_come_out_as_their_readme_says(tmp_path: Path) -> None:
    maker = SHARED / "field" / "make_text_models.py"
    if not maker.is_file():
        pytest.skip(f"{maker} is not here: it is no part of the project")
    folder = tmp_path / "models"
    subprocess.run([sys.executable, maker, folder], check=True, capture_output=True)
    assert "RoBERTa" in refusal(folder / "roberta_mlm")
    assert "'text_model.model.'" in refusal(folder / "wrapped")
    assert "pickle" in refusal(folder / "bin_only")
    extractor = TextExtractor(TextSettings(model=str(folder / "bert")))
    model = hf.BertModel.from_pretrained(folder / "bert").eval()
    ids = extractor.tokenizer("今天很好", return_tensors="pt")
    with torch.no_grad():
        hidden = model(**ids).last_hidden_state[0]
    found = torch.from_numpy(extractor.extract("今天很好").arrays["text"])
    torch.testing.assert_close(found, hidden, atol=1e-5, rtol=0)
