"""Small real text models of every supported type, each with a tokenizer of its own kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer, SentencePieceUnigramTokenizer

SENTENCES = [
    "我真的受够了，你走吧。",
    "好",
    "Hello 世界 ＡＢＣ １２３ 😀 龘！",
    "今天是我最幸福的一天，" * 12,
    "",
    "他说：“知道了”……",
]
WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *dict.fromkeys("今天是我最幸福的一真受够了你走吧好他说知道，。：“”…世界"),
    *("hello", "H", "##ello", "a", "##b", "##c", "！"),
]
SIZE = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def word_pieces() -> Any:
    """BERT's tokenizer, which lower-cases."""
    return hf.BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)})


def byte_pairs(kind: type[Any]) -> Any:
    """RoBERTa's or DeBERTa's tokenizer, trained on the sentences."""
    special = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        SENTENCES, 320, min_frequency=1, special_tokens=[*special.values()], show_progress=False
    )
    model = json.loads(trained.to_str())["model"]
    names = {f"{name}_token": word for name, word in special.items()}
    return kind(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        **names,
        cls_token="<s>",
        sep_token="</s>",
    )


def sentence_pieces(kind: type[Any], special: list[str], unknown: str) -> Any:
    """XLM-R's, ALBERT's or DeBERTa v2's tokenizer, trained on the sentences."""
    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(
        SENTENCES, 70, special_tokens=special, unk_token=unknown, show_progress=False
    )
    return kind(vocab=[tuple(item) for item in json.loads(trained.to_str())["model"]["vocab"]])


def xlm_r() -> Any:
    return sentence_pieces(hf.XLMRobertaTokenizer, ["<s>", "<pad>", "</s>", "<unk>"], "<unk>")


def albert() -> Any:
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    return sentence_pieces(hf.AlbertTokenizer, special, "<unk>")


def deberta_v2() -> Any:
    return sentence_pieces(hf.DebertaV2Tokenizer, ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], "[UNK]")


RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
BART = {
    "d_model": 48,
    **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 4 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 64 for side in ("encoder", "decoder")},
}
KINDS: dict[str, tuple[type[Any], Callable[[], Any], dict[str, Any]]] = {
    "albert": (hf.AlbertConfig, albert, {"embedding_size": 16}),
    "bert": (hf.BertConfig, word_pieces, {}),
    "deberta": (hf.DebertaConfig, lambda: byte_pairs(hf.DebertaTokenizer), RELATIVE),
    "deberta-v2": (hf.DebertaV2Config, deberta_v2, {**RELATIVE, "position_biased_input": False}),
    "distilbert": (hf.DistilBertConfig, word_pieces, {"dim": 48, "n_layers": 2, "n_heads": 4}),
    "electra": (hf.ElectraConfig, word_pieces, {"embedding_size": 16}),
    "ernie": (hf.ErnieConfig, word_pieces, {}),
    "roberta": (hf.RobertaConfig, lambda: byte_pairs(hf.RobertaTokenizer), {}),
    "bart": (hf.BartConfig, lambda: byte_pairs(hf.BartTokenizer), BART),
    "modernbert": (
        hf.ModernBertConfig,
        word_pieces,
        {"num_attention_heads": 4, "global_attn_every_n_layers": 1, "reference_compile": False},
    ),
    "mpnet": (hf.MPNetConfig, word_pieces, {}),
    "xlm-roberta": (hf.XLMRobertaConfig, xlm_r, {}),
}


def write_model(
    folder: Path, kind: str = "bert", head: type[Any] | None = None, **options: Any
) -> Path:
    """Save a model of a type with random weights, and its tokenizer.

    Parameters
    ----------
    folder : Path
        Made here.
    kind : str
        A ``model_type``.
    head : type, optional
        A class with a head, ``BertForMaskedLM``; without it the encoder alone.
    **options
        Of its configuration.
    """
    configuration, tokenizer, own = KINDS[kind]
    words = tokenizer()
    values = {"vocab_size": len(words), "pad_token_id": words.pad_token_id, **SIZE, **own}
    config = configuration(**{**values, **options})
    torch.manual_seed(0)
    model = head(config) if head else hf.AutoModel.from_config(config)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def rewrite_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the names or values of the weights in a folder's file."""
    path = folder / "model.safetensors"
    changed = change(load_file(path))
    path.unlink()
    save_file(
        {name: value.clone().contiguous() for name, value in changed.items()},
        path,
        metadata={"format": "pt"},
    )


def rewrite_json(path: Path, **values: Any) -> None:
    """Change entries of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")
