"""Datasets of text and image: on face crops, then on whole frames."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import load_config
from pipeline.image.source import image_files
from pipeline.report.methods import methods
from pipeline.report.read import read_build
from tests.corpora import small_corpus
from tests.image.models import write_image_model


def test_face_crops_and_whole_frames_fill_the_vision_slot(tmp_path: Path) -> None:
    corpus = small_corpus(tmp_path, clips=4)
    model = str(write_image_model(tmp_path / "clip", "clip"))
    cheap = {"train": {"models": []}}
    crops = {"features": {"audio": "none", "vision": "image"}, "image": {"model": model, "fps": 10}}
    corpus.build("dataset", **crops, **cheap)
    computed = corpus.computed()
    assert computed["image"] == computed["faces"] == 4
    assert "openface" not in computed
    with h5py.File(corpus.processed / "dataset.h5") as file:
        assert file["train/vision"].shape[2] == 24
        mask = np.concatenate([file[f"{part}/vision_valid"][:] for part in ("train", "test")])
        assert mask.any()
        assert json.loads(file.attrs["vision_names"])[0] == "clip_000"
        assert json.loads(file.attrs["modalities"])["vision"]["steps_per_second"] == 10.0
    config = load_config((tmp_path / "config.yaml",))
    label = image_files("image").label(config.image)
    assert (
        f"Face crops were encoded by {label} (transformers): the last hidden layer, 24 values per "
        "picture (the pooled output or class token), 10 pictures per second."
        in methods(read_build(config), {}, [])[0]
    )

    whole = {"features": {"text": "none", "audio": "none", "vision": "image_frames"}}
    frames = {"model": model, "fps": 3, "pool": "mean"}
    corpus.build("dataset", **whole, image_frames=frames, **cheap)
    computed = corpus.computed()
    assert computed["image_frames"] == 4
    assert not {"faces", "frames", "image"} & set(computed)
    with h5py.File(corpus.processed / "dataset.h5") as file:
        assert json.loads(file.attrs["modalities"])["vision"]["extractor"] == "image_frames"
