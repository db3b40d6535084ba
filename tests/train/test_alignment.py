"""The trained CTC alignment follows the clip, on the demo's real features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipeline.train.data import Batch
from pipeline.train.models import build_model, network_of
from pipeline.train.models.ef_lstm import EfLstm
from pipeline.train.read import load_corpus
from pipeline.train.recipe import PAPER
from pipeline.train.registry import hyper_for
from pipeline.train.trainer import Plan, fit, seed_everything


def centres(model: EfLstm, batch: Batch, modality: str) -> list[np.ndarray]:
    """Each clip's mean place of the rows that a text step takes, as a share of the clip."""
    x, lengths = batch.padded(modality), batch.lengths[modality]
    texts = batch.lengths["text"]
    align = model.get_submodule(f"align_{modality}")
    with torch.no_grad():
        share, _ = align.shares(x, lengths, texts, int(texts.max()))  # type: ignore[operator]
    places = torch.einsum("bln,l->bn", share, torch.arange(x.shape[1]).float())
    return [p[:n].numpy() / int(k) for p, n, k in zip(places, texts, lengths, strict=True)]


def test_the_demos_audio_and_vision_are_aligned_along_the_clip(demo_build: Path) -> None:
    corpus = load_corpus(demo_build / "dataset.h5", network_of("ef_lstm").form(PAPER), PAPER)
    hyper = hyper_for("ef_lstm", "paper")
    seed_everything(1)
    model = build_model("ef_lstm", hyper, corpus.inputs, ("M",), PAPER)
    assert isinstance(model, EfLstm)
    fit(model, corpus, Plan({"M": "M"}, hyper, PAPER, 1, 120, 120), torch.device("cpu"))
    model.eval()
    part = corpus.parts["test"]
    batch = part.batch(torch.arange(len(part)))  # clips that the alignment never saw
    for modality in ("audio", "vision"):
        found = centres(model, batch, modality)
        correlations = [np.corrcoef(np.arange(len(c)), c)[0, 1] for c in found]
        spans = [float(np.ptp(c)) for c in found]
        assert np.median(correlations) >= 0.8, (modality, correlations)
        assert np.median(spans) >= 0.3, (modality, spans)
