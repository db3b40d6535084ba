"""Small speech recognisers with a tokenizer of their own; their words mean nothing."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from tests.speech.models import LAYER, NORMALISED, SIZE, WHISPER

WORDS = "今天天气很好我们去公园看花"


def whisper(folder: Path) -> Path:
    """Write a Whisper that always writes some characters of `WORDS`."""
    torch.manual_seed(0)
    vocabulary = {"<pad>": 0, "<end>": 1} | {c: i + 2 for i, c in enumerate(dict.fromkeys(WORDS))}
    size = {**WHISPER, "vocab_size": len(vocabulary), "encoder_layers": 1}
    ids = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "decoder_start_token_id": 2}
    model = hf.WhisperForConditionalGeneration(hf.WhisperConfig(**{**size, **ids}))
    model.generation_config = hf.GenerationConfig(**ids, max_length=40)
    model.save_pretrained(folder)
    hf.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    own = Tokenizer(WordLevel(vocabulary, unk_token="<pad>"))
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=own, pad_token="<pad>", eos_token="<end>")
    fast.save_pretrained(folder)
    return folder


def ctc(folder: Path) -> Path:
    """Write a wav2vec 2.0 with a CTC head over `WORDS`."""
    torch.manual_seed(1)
    vocabulary = {"<pad>": 0, "<unk>": 1, "|": 2}
    vocabulary |= {c: i + 3 for i, c in enumerate(dict.fromkeys(WORDS))}
    config = hf.Wav2Vec2Config(**SIZE, **LAYER, vocab_size=len(vocabulary), pad_token_id=0)
    hf.Wav2Vec2ForCTC(config).save_pretrained(folder)
    hf.Wav2Vec2FeatureExtractor(**NORMALISED).save_pretrained(folder)
    names = folder / "vocab.json"
    names.write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    hf.Wav2Vec2CTCTokenizer(
        str(names), pad_token="<pad>", unk_token="<unk>", bos_token=None, eos_token=None
    ).save_pretrained(folder)
    return folder
