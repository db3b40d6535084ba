"""Types of encoders: what people call them."""

from __future__ import annotations

from typing import Any

NAMES = {
    "albert": "ALBERT",
    "bert": "BERT",
    "clip": "CLIP",
    "clip_vision_model": "CLIP",
    "convnext": "ConvNeXt",
    "data2vec-audio": "data2vec",
    "deberta": "DeBERTa",
    "deberta-v2": "DeBERTa v2",
    "dinov2": "DINOv2",
    "distilbert": "DistilBERT",
    "electra": "ELECTRA",
    "ernie": "ERNIE",
    "hubert": "HuBERT",
    "resnet": "ResNet",
    "roberta": "RoBERTa",
    "siglip": "SigLIP",
    "siglip_vision_model": "SigLIP",
    "unispeech-sat": "UniSpeech-SAT",
    "vit": "ViT",
    "wav2vec2": "wav2vec 2.0",
    "wavlm": "WavLM",
    "whisper": "Whisper",
    "xlm-roberta": "XLM-RoBERTa",
}
"""Names of types, by the ``model_type`` of a configuration; other types keep theirs."""


def type_name(kind: Any) -> str:
    """Return what a ``model_type`` is called."""
    return NAMES.get(str(kind), str(kind))


def dimension_names(kind: str, width: int) -> list[str]:
    """Return a name per dimension: the type and a number.

    Examples
    --------
    >>> dimension_names("hubert", 768)[-1]
    'hubert_767'
    """
    digits = max(3, len(str(width - 1)))
    return [f"{kind}_{i:0{digits}d}" for i in range(width)]
