"""Speech: the vectors of each model's own call, whatever else is in the batch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from pipeline.config import make_config
from pipeline.errors import BuildError, ClipError, NotHereError
from pipeline.media.clip_sound import Sound
from pipeline.speech.extractor import SpeechExtractor
from pipeline.speech.settings import SpeechSettings
from pipeline.speech.source import FILES, TYPES, steps_per_second
from pipeline.speech.stage import SPEECH
from tests.speech.models import KINDS, write_speech_model
from tests.text.models import rewrite_json, rewrite_weights, write_model

SECONDS = (1.0, 0.43, 1.7, 1.0)
"""Lengths of sounds: two alike."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_speech_model(folder / kind, kind) for kind in KINDS}


def sound(seconds: float, rate: int = 16000, channels: int = 1) -> Sound:
    noise = np.random.default_rng(round(seconds * 1000)).normal(0, 0.1, round(seconds * rate))
    return Sound(np.tile(noise.astype(np.float32), (channels, 1)), rate)


def extractor(folder: Path, **settings: Any) -> SpeechExtractor:
    return SpeechExtractor(SpeechSettings(model=str(folder), device="cpu", **settings))


def own_call(folder: Path, wave: np.ndarray[Any, Any], layers: list[int] | None = None) -> Any:
    """Return what transformers itself gives for one sound."""
    model = hf.AutoModel.from_pretrained(folder).eval()
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    inputs = hf.AutoFeatureExtractor.from_pretrained(folder)(
        wave, sampling_rate=16000, return_tensors="pt"
    )
    with torch.no_grad():
        output = encoder(**inputs, output_hidden_states=True)
    if layers is None:
        return output.last_hidden_state[0].numpy()
    return torch.stack([output.hidden_states[i] for i in layers]).mean(0)[0].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_gives_its_own_vectors_in_any_company(kind: str, models: dict[str, Path]) -> None:
    speech = extractor(models[kind])
    sounds = [sound(length) for length in (*SECONDS, speech.encoder.shortest / 16000)]
    for given, features in zip(sounds, speech.extract_batch(sounds), strict=True):
        assert not isinstance(features, Exception)
        assert given.samples is not None
        wave = given.samples[0]
        expected = own_call(models[kind], wave)
        if kind == "whisper":
            expected = expected[: -(-len(wave) // 320)]
        found = features.arrays["speech"]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)
        alone = speech.extract(given)
        np.testing.assert_allclose(found, alone.arrays["speech"], atol=1e-5)
        assert features.info == alone.info


def test_the_tests_know_every_listed_type() -> None:
    assert set(TYPES) <= set(KINDS)


def test_the_shortest_sound_is_the_receptive_field_or_what_the_model_needs(
    models: dict[str, Path],
) -> None:
    shortest = {kind: extractor(models[kind]).encoder.shortest for kind in ("hubert", "sew")}
    assert shortest == {"hubert": 400, "sew": 720}  # SEW takes two steps together


def test_only_models_that_keep_their_vectors_are_padded(models: dict[str, Path]) -> None:
    """wav2vec 2.0 base normalises over time, data2vec's convolutions see the padding."""
    pads = {kind for kind in TYPES if extractor(models[kind]).encoder.pads}
    assert pads == {"wav2vec2", "hubert", "wavlm", "unispeech-sat"}
    assert not extractor(models["wav2vec2-base"]).encoder.pads
    told_wrongly = json.loads((models["wav2vec2-base"] / "preprocessor_config.json").read_text())
    assert told_wrongly["return_attention_mask"] is False


def test_a_mask_that_a_model_cannot_use_is_found_out(
    models: dict[str, Path], tmp_path: Path
) -> None:
    copy = shutil.copytree(models["wav2vec2-base"], tmp_path / "copy")
    rewrite_json(copy / "preprocessor_config.json", return_attention_mask=True)
    assert not extractor(copy).encoder.pads


@pytest.mark.parametrize("kind", ["hubert", "data2vec-audio", "whisper"])
@pytest.mark.parametrize(("layers", "picked"), [("0", [0]), (2, [2]), ("1-3", [1, 2, 3])])
def test_layers_are_those_of_the_model(
    kind: str, layers: object, picked: list[int], models: dict[str, Path]
) -> None:
    given = sound(0.5)
    assert given.samples is not None
    found = extractor(models[kind], layers=layers).extract(given).arrays["speech"]
    expected = own_call(models[kind], given.samples[0], picked)[: len(found)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_layer_that_the_model_does_not_have_stops_before_any_work(
    models: dict[str, Path],
) -> None:
    for kind in ("hubert", "whisper"):
        speech = {"model": str(models[kind]), "layers": "2-4"}
        with pytest.raises(BuildError, match="has 3 layers"):
            SPEECH.ready(make_config({"speech": speech}))  # type: ignore[misc]
        with pytest.raises(BuildError, match="has 3 layers"):
            extractor(models[kind], layers="2-4")


def test_batches_are_sorted_and_bounded(models: dict[str, Path]) -> None:
    speech = extractor(models["hubert"], batch_seconds=3)
    waves = {i: np.zeros(round(s * 16000), np.float32) for i, s in enumerate((1, 2, 0.5, 1.5, 4))}
    batches = list(speech._batches(waves))
    assert [[number for number, _ in batch] for batch in batches] == [[4], [1], [3, 0], [2]]
    base = extractor(models["wav2vec2-base"])
    waves = {i: np.zeros(n, np.float32) for i, n in enumerate((16000, 8000, 16000, 8001))}
    assert [[n for n, _ in batch] for batch in base._batches(waves)] == [[0, 2], [3], [1]]


def test_whisper_takes_longer_clips_in_windows(models: dict[str, Path]) -> None:
    speech = extractor(models["whisper"])
    long = sound(31.0)
    assert long.samples is not None
    features = speech.extract(long)
    assert features.arrays["speech"].shape == (31 * 50, 24)
    parts = [long.samples[:, :480000], long.samples[:, 480000:]]
    apart = [speech.extract(Sound(part, 16000)).arrays["speech"] for part in parts]
    np.testing.assert_allclose(features.arrays["speech"], np.concatenate(apart), atol=1e-5)


def test_other_rates_and_channels_are_resampled_and_averaged(models: dict[str, Path]) -> None:
    speech = extractor(models["hubert"])
    features = speech.extract(sound(1.0, rate=44100, channels=2))
    assert features.arrays["speech"].shape == (49, 24)
    assert features.info["seconds"] == 1.0
    assert features.info["rate"] == 50.0


def test_clips_without_sound_silent_and_too_short(models: dict[str, Path]) -> None:
    speech = extractor(models["hubert"])
    silent = Sound(np.zeros((1, 16000), np.float32), 16000)
    without, quiet, short = speech.extract_batch([Sound(None, 0), silent, sound(399 / 16000)])
    assert not isinstance(without, Exception)
    assert not isinstance(quiet, Exception)
    assert without.arrays["speech"].shape == (0, 24)
    assert without.info["loudness_db"] is None
    assert quiet.arrays["speech"].shape == (49, 24)
    assert np.isfinite(quiet.arrays["speech"]).all()
    assert isinstance(short, ClipError)
    assert "its sound has 399 samples at 16,000 Hz" in short.reason
    assert "needs 400 (its receptive field)" in short.reason


@pytest.mark.parametrize(
    ("kind", "options", "rate"),
    [
        ("wav2vec2", {}, 50.0),
        ("wav2vec2", {"conv_stride": (5, 2, 2, 2, 2, 2, 1)}, 100.0),
        ("wav2vec2", {"add_adapter": True, "num_adapter_layers": 2, "adapter_stride": 2}, 12.5),
        ("whisper", {}, 50.0),
        ("sew", {}, 50.0),
        ("wav2vec2-bert", {}, 50.0),
        ("moonshine", {}, 16000 / 384),
    ],
)
def test_the_rate_is_the_models(
    kind: str, options: dict[str, Any], rate: float, tmp_path: Path
) -> None:
    folder = write_speech_model(tmp_path / kind, kind, **options)
    speech = extractor(folder)
    features = speech.extract(sound(4.0))
    assert steps_per_second(SpeechSettings(model=str(folder))) == rate
    assert features.info["rate"] == rate
    assert abs(len(features.arrays["speech"]) - 4 * rate) <= 2
    config = make_config({"speech": {"model": str(folder)}})
    assert SPEECH.feature.rate(config) == rate  # type: ignore[union-attr]


def test_a_fine_tuned_model_gives_its_encoders_vectors(tmp_path: Path) -> None:
    given = sound(0.5)
    assert given.samples is not None
    heads = {
        "hubert": hf.HubertForCTC,
        "wav2vec2": hf.Wav2Vec2ForPreTraining,
        "whisper": hf.WhisperForConditionalGeneration,
    }
    for kind, head in heads.items():
        folder = write_speech_model(tmp_path / kind, kind, head)
        found = extractor(folder).extract(given).arrays["speech"]
        expected = own_call(folder, given.samples[0])[: len(found)]
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["hubert", "whisper"])
def test_older_and_newer_forms_of_a_feature_extractor_are_read(
    kind: str, models: dict[str, Path], tmp_path: Path
) -> None:
    """Files of 2021 do not name its class; a processor of today holds it among its parts."""
    expected = extractor(models[kind]).extract(sound(0.5)).arrays["speech"]
    values = json.loads((models[kind] / "preprocessor_config.json").read_text())
    untyped = {k: v for k, v in values.items() if k != "feature_extractor_type"}
    forms = {
        "preprocessor_config.json": untyped,
        "processor_config.json": {"feature_extractor": values, "processor_class": "X"},
    }
    for name, form in forms.items():
        folder = shutil.copytree(models[kind], tmp_path / name)
        (folder / "preprocessor_config.json").unlink()
        (folder / name).write_text(json.dumps(form), "utf-8")
        found = extractor(folder)
        np.testing.assert_array_equal(found.extract(sound(0.5)).arrays["speech"], expected)
        assert steps_per_second(SpeechSettings(model=str(folder))) == 50.0


def test_old_names_of_weights_are_read(models: dict[str, Path], tmp_path: Path) -> None:
    """As in the files of 2021: weight_g and weight_v of the convolution over positions."""
    old = shutil.copytree(models["hubert"], tmp_path / "old")
    names = {"parametrizations.weight.original0": "weight_g"}
    names["parametrizations.weight.original1"] = "weight_v"

    def renamed(weights: dict[str, Any]) -> dict[str, Any]:
        for new, name in names.items():
            weights = {k.replace(new, name): v for k, v in weights.items()}
        return {f"hubert.{k}": v for k, v in weights.items() if k != "masked_spec_embed"}

    rewrite_weights(old, renamed)
    one, other = (
        extractor(f).extract(sound(0.5)).arrays["speech"] for f in (old, models["hubert"])
    )
    np.testing.assert_array_equal(one, other)


def test_the_same_model_in_another_folder_is_the_same(
    models: dict[str, Path], tmp_path: Path
) -> None:
    one = SpeechSettings(model=str(models["hubert"]))
    copy = shutil.copytree(models["hubert"], tmp_path / "copy")
    rewrite_json(copy / "config.json", _name_or_path=str(copy))
    other = SpeechSettings(model=str(copy))
    assert FILES.identity(one) == FILES.identity(other)
    assert FILES.label(one) == FILES.label(other)
    assert FILES.label(one).startswith("HuBERT, SHA-256 ")
    assert one.defining() == other.defining() == {}
    rewrite_json(copy / "preprocessor_config.json", do_normalize=False)
    assert FILES.identity(one) != FILES.identity(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: dict(list(w.items())[:-3]), "missing from the file"),
        (lambda w: {**w, "encoder.layers.7.extra": torch.zeros(2)}, "would be left out"),
        (
            lambda w: {**w, "feature_projection.projection.bias": torch.full((24,), torch.inf)},
            "not finite numbers (feature_projection.projection.bias",
        ),
    ],
)
def test_weights_that_are_not_the_encoders_are_refused(
    change: Any, words: str, models: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(models["hubert"], tmp_path / "changed")
    rewrite_weights(folder, change)
    with pytest.raises(BuildError) as caught:
        extractor(folder)
    assert words in caught.value.problem
    assert "HuBERT of 3 layers and 24 values" in caught.value.problem


def test_pickled_weights_are_never_read(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["hubert"], tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BuildError, match=r"pytorch_model\.bin is a pickle"):
        extractor(folder)
    with pytest.raises(BuildError, match=r"pytorch_model\.bin is a pickle"):
        FILES.identity(SpeechSettings(model=str(folder)))


def test_a_missing_model_stops_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    config = make_config({"speech": {"model": "nobody/no-hubert"}})
    with pytest.raises(NotHereError):
        FILES.identity(config.speech)
    with pytest.raises(BuildError) as caught:
        SPEECH.ready(config)  # type: ignore[misc]
    assert "hf download nobody/no-hubert --local-dir no-hubert" in caught.value.remedy
    assert "--set speech.model=no-hubert" in caught.value.remedy


def test_models_that_are_no_speech_encoders_are_refused(tmp_path: Path) -> None:
    bert = write_model(tmp_path / "bert")
    with pytest.raises(BuildError, match=r"lacks preprocessor_config\.json"):
        extractor(bert)
    hf.Wav2Vec2FeatureExtractor().save_pretrained(bert)
    with pytest.raises(BuildError, match="BERT, which takes input_ids, not input_values or"):
        SPEECH.ready(make_config({"speech": {"model": str(bert)}}))  # type: ignore[misc]
    with pytest.raises(BuildError, match="is no speech encoder that can be used"):
        extractor(bert)
    tagger = tmp_path / "ast"
    config = hf.ASTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    hf.AutoModel.from_config(config).save_pretrained(tagger)
    hf.ASTFeatureExtractor().save_pretrained(tagger)
    with pytest.raises(BuildError, match="brings every sound to one length"):
        extractor(tagger)
