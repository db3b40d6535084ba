"""Batches of clips, trimmed to the longest clip in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pipeline.corpus import MODALITIES


def collate(clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put clips of `open_dataset` into one batch, without the padding that none of them needs.

    Parameters
    ----------
    clips : sequence of dict
        Items of a `ClipDataset`; pass this function as ``collate_fn`` to a ``DataLoader``.

    Returns
    -------
    dict
        For each modality ``m`` of the dataset: ``m [n, L, d]`` float32, where L is the number of
        steps of the longest clip in the batch (at least 1), and ``m_mask [n, L]`` bool, True
        where a step holds a feature: within the clip, and valid if the modality has such a mask
        (a frame without a face is not). ``lengths`` (each modality ``[n]`` int64), ``labels``
        (M, T, A, V ``[n]`` float32, NaN where not labelled), ``class [n]`` int64, ``id`` and
        ``raw_text`` (lists of str).

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> from pipeline.dataset.reader import open_dataset
    >>> train = open_dataset("processed/demo/dataset.h5", "train", in_memory=True)
    >>> batch = next(iter(DataLoader(train, batch_size=8, collate_fn=collate)))
    >>> batch["text"].shape[0], batch["text"].shape[1] == batch["lengths"]["text"].max()
    (8, tensor(True))
    >>> batch["vision"].shape[:2] == batch["vision_mask"].shape
    True
    """
    if not clips:
        raise ValueError("a batch needs at least one clip")
    batch: dict[str, Any] = {"lengths": {}}
    for modality in (m for m in MODALITIES if m in clips[0]):
        lengths = torch.tensor([clip["lengths"][modality] for clip in clips])
        longest = max(1, int(lengths.max()))
        mask = torch.arange(longest) < lengths[:, None]
        if f"{modality}_valid" in clips[0]:
            mask &= torch.stack([clip[f"{modality}_valid"][:longest] for clip in clips])
        batch[modality] = torch.stack([clip[modality][:longest] for clip in clips])
        batch[f"{modality}_mask"] = mask
        batch["lengths"][modality] = lengths
    batch["labels"] = {
        label: torch.stack([clip["labels"][label] for clip in clips])
        for label in clips[0]["labels"]
    }
    batch["class"] = torch.tensor([clip["class"] for clip in clips])
    for name in ("id", "raw_text"):
        batch[name] = [clip[name] for clip in clips]
    return batch
