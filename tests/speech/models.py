"""Small real speech encoders of several types, each with its own feature extractor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as hf

from tests.encoders.models import write_encoder

SIZE = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
NORMALISED = {"do_normalize": True, "return_attention_mask": True}
WHISPER = {
    "d_model": 24,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "vocab_size": 64,
    **{f"{name}_token_id": 1 for name in ("pad", "bos", "eos", "decoder_start")},
}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
KINDS: dict[str, tuple[type[Any], dict[str, Any], type[Any], dict[str, Any]]] = {
    "wav2vec2": (hf.Wav2Vec2Config, SIZE | LAYER, hf.Wav2Vec2FeatureExtractor, NORMALISED),
    "wav2vec2-base": (  # as facebook/wav2vec2-base: normalised over time, without a mask
        hf.Wav2Vec2Config,
        SIZE,
        hf.Wav2Vec2FeatureExtractor,
        {"do_normalize": True, "return_attention_mask": False},
    ),
    "hubert": (hf.HubertConfig, SIZE | LAYER, hf.Wav2Vec2FeatureExtractor, NORMALISED),
    "wavlm": (hf.WavLMConfig, SIZE | LAYER, hf.Wav2Vec2FeatureExtractor, NORMALISED),
    "data2vec-audio": (
        hf.Data2VecAudioConfig,
        SIZE,
        hf.Wav2Vec2FeatureExtractor,
        NORMALISED,
    ),
    "unispeech-sat": (
        hf.UniSpeechSatConfig,
        SIZE | LAYER,
        hf.Wav2Vec2FeatureExtractor,
        {"do_normalize": False, "return_attention_mask": True},
    ),
    "whisper": (hf.WhisperConfig, WHISPER, hf.WhisperFeatureExtractor, {}),
    # types that nobody listed
    "wav2vec2-bert": (
        hf.Wav2Vec2BertConfig,
        {**SIZE, "feature_projection_input_dim": 160},
        hf.SeamlessM4TFeatureExtractor,
        {},
    ),
    "sew": (hf.SEWConfig, {**SIZE, "conv_dim": (16,) * 13}, hf.Wav2Vec2FeatureExtractor, {}),
    "moonshine": (
        hf.MoonshineConfig,
        {
            "hidden_size": 24,
            "intermediate_size": 32,
            "vocab_size": 64,
            **{f"{side}_num_hidden_layers": 2 for side in ("encoder", "decoder")},
            **{f"{side}_num_attention_heads": 2 for side in ("encoder", "decoder")},
            **{f"{side}_num_key_value_heads": 2 for side in ("encoder", "decoder")},
        },
        hf.Wav2Vec2FeatureExtractor,
        {"do_normalize": False, "return_attention_mask": True},
    ),
}


def write_speech_model(
    folder: Path, kind: str = "wav2vec2", head: type[Any] | None = None, **options: Any
) -> Path:
    """Save a model of one of `KINDS` and its feature extractor; see `write_encoder`."""
    return write_encoder(folder, KINDS[kind], head, **options)
