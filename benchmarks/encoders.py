"""What encoders of the usual sizes cost: CPU seconds on one core, weights random.

python -m benchmarks.encoders
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = (3.0, 3.7, 4.3, 5.0)
"""Lengths of the sounds: four seconds on average, as in CH-SIMS."""
PICTURES = 20


def main() -> None:
    """Print a line per encoder: CPU seconds to load it, and per clip or picture."""
    import torch
    import transformers as hf

    torch.set_num_threads(1)
    print("encoder, loading, each")
    with tempfile.TemporaryDirectory() as folder:
        normalising = hf.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False)
        _speech("HuBERT base", hf.HubertConfig(), normalising, Path(folder, "hubert"))
        _speech("Whisper small", _whisper_small(), hf.WhisperFeatureExtractor(), Path(folder, "w"))
        clip = hf.CLIPVisionConfig(image_size=224, patch_size=32)
        _image("CLIP ViT-B/32", clip, hf.CLIPImageProcessor(), Path(folder, "clip"))


def _whisper_small() -> Any:
    """Return a configuration with the encoder of Whisper small, and hardly a decoder."""
    from transformers import WhisperConfig

    tokens = {f"{name}_token_id": 1 for name in ("pad", "bos", "eos", "decoder_start")}
    encoder = {"encoder_layers": 12, "encoder_attention_heads": 12, "encoder_ffn_dim": 3072}
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 12, "decoder_ffn_dim": 64}
    return WhisperConfig(d_model=768, vocab_size=64, **encoder, **decoder, **tokens)


def _speech(name: str, config: Any, preprocessor: Any, folder: Path) -> None:
    from pipeline.media.clip_sound import Sound
    from pipeline.speech.extractor import SpeechExtractor
    from pipeline.speech.settings import SpeechSettings

    _save(config, preprocessor, folder)
    settings = SpeechSettings(model=str(folder), device="cpu")
    loading, extractor = _timed(lambda: SpeechExtractor(settings))
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 80_000)).astype(np.float32)
    sounds = [Sound(noise[:, : round(seconds * 16000)], 16000) for seconds in SECONDS]
    spent, _ = _timed(lambda: extractor.extract_batch(sounds))
    print(f"{name}, {loading:.1f} s, {spent / len(sounds):.2f} s per clip of 4 s", flush=True)


def _image(name: str, config: Any, preprocessor: Any, folder: Path) -> None:
    from pipeline.image.encoder import load_image_encoder
    from pipeline.image.settings import ImageSettings
    from pipeline.image.source import image_files

    _save(config, preprocessor, folder)
    settings = ImageSettings(model=str(folder), device="cpu")
    loading, encoder = _timed(lambda: load_image_encoder(settings, image_files("image")))
    noise = np.random.default_rng(0).integers(0, 256, (PICTURES, 224, 224, 3), np.uint8)
    spent, _ = _timed(lambda: encoder.encode(list(noise)))
    print(f"{name}, {loading:.1f} s, {spent / PICTURES:.3f} s per picture", flush=True)


def _save(config: Any, preprocessor: Any, folder: Path) -> None:
    from transformers import AutoModel

    AutoModel.from_config(config).save_pretrained(folder)
    preprocessor.save_pretrained(folder)


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds, which another program on the machine hardly changes, and the result."""
    start = time.process_time()
    result = do()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
