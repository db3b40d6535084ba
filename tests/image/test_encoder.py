"""Image encoders: the vectors of each model's own call, whatever else is in the batch."""

from __future__ import annotations

import doctest
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

import pipeline.image.grid
from pipeline.config import make_config
from pipeline.errors import BuildError, NotHereError
from pipeline.image.encoder import ImageEncoder, load_image_encoder
from pipeline.image.grid import nearest_frames
from pipeline.image.settings import ImageSettings
from pipeline.image.source import TYPES, image_files
from pipeline.image.stage import IMAGE, IMAGE_FRAMES
from tests.image.models import KINDS, write_image_model
from tests.text.models import rewrite_json, rewrite_weights, write_model

FILES = image_files("image")
SPECIAL = {"clip": 1, "clip_vision_model": 1, "vit": 1, "dinov2": 1, "deit": 2}
SPECIAL |= {"dinov2_with_registers": 5, "siglip": 0, "swin": 0}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_image_model(folder / kind, kind) for kind in KINDS}


def encoder(folder: Path, **settings: Any) -> ImageEncoder:
    return load_image_encoder(ImageSettings(model=str(folder), device="cpu", **settings), FILES)


def pictures(count: int = 5) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 48, 40, 3), np.uint8)
    return list(noise)


def own_call(folder: Path, given: list[Any]) -> Any:
    """Return what transformers itself gives for pictures."""
    model = hf.AutoModel.from_pretrained(folder).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder)
    inputs = processor(images=[Image.fromarray(p) for p in given], return_tensors="pt")
    tower = getattr(model, "vision_model", model)
    with torch.no_grad():
        return tower(**inputs, output_hidden_states=True)


@pytest.mark.parametrize("kind", KINDS)
def test_each_type_gives_its_own_vectors_in_any_company(kind: str, models: dict[str, Path]) -> None:
    given = pictures()
    output = own_call(models[kind], given)
    last = output.last_hidden_state
    mean = last.mean((2, 3)) if last.ndim == 4 else last[:, SPECIAL[kind] :].mean(1)
    expected = {"token": output.pooler_output.flatten(1), "mean": mean}
    for pool, vectors in expected.items():
        image = encoder(models[kind], pool=pool)
        found = image.encode(given)
        assert found.dtype == np.float32
        assert found.shape == (5, image.width)
        np.testing.assert_allclose(found, vectors.numpy(), atol=1e-5)
        alone = np.concatenate([image.encode([picture]) for picture in given])
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_the_tests_know_every_listed_type() -> None:
    assert set(TYPES) <= set(KINDS)


@pytest.mark.parametrize("kind", ["clip", "vit", "resnet"])
@pytest.mark.parametrize(("layers", "picked"), [(0, [0]), (-2, [-2]), ("1-2", [1, 2])])
def test_layers_are_those_of_the_model(
    kind: str, layers: object, picked: list[int], models: dict[str, Path]
) -> None:
    given = pictures(2)
    states = own_call(models[kind], given).hidden_states
    if kind == "resnet":
        with pytest.raises(BuildError, match="no token for the whole picture at layer"):
            encoder(models[kind], layers=-2)
        if len(picked) > 1:
            with pytest.raises(BuildError, match="have no common shape") as caught:
                encoder(models[kind], layers=layers, pool="mean")
            assert caught.value.remedy == "choose one of them: --set image.layers=2"
            return
        expected = states[picked[0]].mean((2, 3))
        found = encoder(models[kind], layers=layers, pool="mean").encode(given)
    else:
        hidden = torch.stack([states[i] for i in picked]).mean(0)
        expected = hidden[:, 0]
        found = encoder(models[kind], layers=layers).encode(given)
        patches = encoder(models[kind], layers=layers, pool="mean").encode(given)
        np.testing.assert_allclose(patches, hidden[:, 1:].mean(1).numpy(), atol=1e-5)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_layer_that_the_model_does_not_have_stops_before_any_work(
    models: dict[str, Path],
) -> None:
    for kind, depth in (("clip", 3), ("resnet", 2)):
        image = {"model": str(models[kind]), "layers": 4}
        with pytest.raises(BuildError, match=f"has {depth} layers"):
            IMAGE.ready(make_config({"image": image}))  # type: ignore[misc]
        with pytest.raises(BuildError, match=f"has {depth} layers"):
            encoder(models[kind], layers=4)


def test_the_class_token_stands_in_for_a_pooler_that_was_never_trained(tmp_path: Path) -> None:
    """As in google/vit-base-patch16-224, whose classifier reads the class token."""
    folder = write_image_model(tmp_path / "vit", "vit", hf.ViTForImageClassification)
    given = pictures(2)
    model = hf.ViTForImageClassification.from_pretrained(folder).eval()
    inputs = hf.AutoImageProcessor.from_pretrained(folder)(images=given, return_tensors="pt")
    with torch.no_grad():
        expected = model.vit(**inputs).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(encoder(folder).encode(given), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "vit"])
def test_older_and_newer_forms_of_an_image_processor_are_read(
    kind: str, models: dict[str, Path], tmp_path: Path
) -> None:
    """Older files name a feature extractor; a processor of today holds it among its parts."""
    given = pictures(1)
    expected = encoder(models[kind]).encode(given)
    values = json.loads((models[kind] / "preprocessor_config.json").read_text())
    older = {k: v for k, v in values.items() if k != "image_processor_type"}
    name = "CLIPFeatureExtractor" if kind == "clip" else "ViTFeatureExtractor"
    forms = {
        "preprocessor_config.json": {**older, "feature_extractor_type": name},
        "processor_config.json": {"image_processor": values, "processor_class": "X"},
    }
    for file, form in forms.items():
        folder = shutil.copytree(models[kind], tmp_path / file)
        (folder / "preprocessor_config.json").unlink()
        (folder / file).write_text(json.dumps(form), "utf-8")
        np.testing.assert_allclose(encoder(folder).encode(given), expected, atol=1e-6)


def test_positions_in_old_files_and_classifiers_are_left_out(
    models: dict[str, Path], tmp_path: Path
) -> None:
    old = shutil.copytree(models["clip"], tmp_path / "clip")
    positions = {
        f"{part}_model.embeddings.position_ids": torch.arange(9)[None]
        for part in ("text", "vision")
    }
    rewrite_weights(old, lambda w: {**w, **positions})
    given = pictures(1)
    expected = encoder(models["clip"]).encode(given)
    np.testing.assert_array_equal(encoder(old).encode(given), expected)
    resnet = write_image_model(tmp_path / "resnet", "resnet", hf.ResNetForImageClassification)
    output = own_call(resnet, given)
    found = encoder(resnet).encode(given)
    np.testing.assert_allclose(found, output.pooler_output.flatten(1).numpy(), atol=1e-5)


def test_the_same_model_in_another_folder_is_the_same(
    models: dict[str, Path], tmp_path: Path
) -> None:
    one = ImageSettings(model=str(models["clip"]))
    copy = shutil.copytree(models["clip"], tmp_path / "copy")
    rewrite_json(copy / "config.json", _name_or_path=str(copy))
    other = ImageSettings(model=str(copy))
    assert FILES.identity(one) == FILES.identity(other)
    assert FILES.label(other).startswith("CLIP, SHA-256 ")
    assert one.defining() == other.defining() == {"fps": 5.0, "pool": "token"}
    rewrite_json(copy / "preprocessor_config.json", do_center_crop=False)
    assert FILES.identity(one) != FILES.identity(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda w: {k: v for k, v in w.items() if "vision_model.encoder.layers.2" not in k},
            "missing from the file (vision_model.encoder.layers.2.",
        ),
        (
            lambda w: {
                **w,
                "vision_model.encoder.layers.9.mlp.fc1.bias": torch.zeros(32),
            },
            "would be left out",
        ),
        (
            lambda w: {
                **w,
                "vision_model.embeddings.class_embedding": torch.full((24,), torch.nan),
            },
            "not finite numbers (vision_model.embeddings.class_embedding",
        ),
    ],
)
def test_weights_that_are_not_the_encoders_are_refused(
    change: Any, words: str, models: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(models["clip"], tmp_path / "changed")
    rewrite_weights(folder, change)
    with pytest.raises(BuildError) as caught:
        encoder(folder)
    assert words in caught.value.problem


def test_statistics_that_are_not_finite_are_refused(
    models: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(models["resnet"], tmp_path / "changed")
    name = "embedder.embedder.normalization.running_mean"
    rewrite_weights(folder, lambda w: {**w, name: torch.full((8,), torch.nan)})
    with pytest.raises(BuildError, match=f"not finite numbers \\({name}"):
        encoder(folder)


def test_pickled_weights_are_never_read(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["vit"], tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BuildError, match=r"pytorch_model\.bin is a pickle"):
        encoder(folder)


@pytest.mark.parametrize("stage", [IMAGE, IMAGE_FRAMES])
def test_a_missing_model_stops_before_any_work(
    stage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    config = make_config({stage.name: {"model": "nobody/no-clip"}})
    with pytest.raises(NotHereError):
        stage.identity(stage.settings(config))
    with pytest.raises(BuildError) as caught:
        stage.ready(config)
    assert f"--set {stage.name}.model=no-clip" in caught.value.remedy


def test_models_that_are_no_image_encoders_are_refused(tmp_path: Path) -> None:
    bert = write_model(tmp_path / "bert")
    hf.ViTImageProcessor().save_pretrained(bert)
    with pytest.raises(BuildError, match="BERT, which takes input_ids, not pixel_values"):
        IMAGE.ready(make_config({"image": {"model": str(bert)}}))  # type: ignore[misc]
    with pytest.raises(BuildError, match="is no image encoder that can be used"):
        encoder(bert)


def test_the_nearest_frames_are_taken() -> None:
    assert nearest_frames(30, 30, 30).tolist() == list(range(30))
    assert nearest_frames(31, 30, 10).tolist() == [*range(0, 31, 3)]
    assert nearest_frames(30, 30, 25).tolist()[:7] == [0, 1, 2, 4, 5, 6, 7]
    assert nearest_frames(1, 30, 0.5).tolist() == [0]
    failed, tried = doctest.testmod(pipeline.image.grid)
    assert tried and not failed


def test_more_pictures_than_frames_are_refused(models: dict[str, Path]) -> None:
    image = {"model": str(models["vit"]), "fps": 31}
    with pytest.raises(BuildError, match=r"image\.fps is 31, but faces are searched for in 30"):
        IMAGE.ready(make_config({"image": image}))  # type: ignore[misc]
