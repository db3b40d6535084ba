"""What models see of a dataset file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline.errors import BuildError
from pipeline.train import read
from pipeline.train.data import Ragged, chunks
from pipeline.train.read import in_blocks, load_corpus
from pipeline.train.recipe import PAPER, PUBLISHED, Recipe

RAW = PAPER.model_copy(update={"scaling": "none"})


def test_means_are_over_true_and_valid_rows_only(copied: Path) -> None:
    with h5py.File(copied, "r+") as file:
        file["train/vision_valid"][0, 1:] = 0
        file["train/vision"][0, 0] = 7.0
        length = int(file["train/audio_lengths"][1])
        audio = file["train/audio"][1, :length].mean(0)
        whole = file["train/audio"][1].mean(0)
    part = load_corpus(copied, "mean", RAW).parts["train"]
    batch = part.batch(torch.tensor([0, 1]))
    assert torch.all(batch.streams["vision"][0] == 7.0)
    np.testing.assert_allclose(batch.streams["audio"][1], audio, rtol=1e-4, atol=1e-3)
    published = load_corpus(copied, "mean", PUBLISHED).parts["train"].batch(torch.tensor([1]))
    np.testing.assert_allclose(published.streams["audio"][0], whole, rtol=1e-4, atol=1e-3)


def test_a_clip_without_a_valid_row_is_zeros(copied: Path) -> None:
    with h5py.File(copied, "r+") as file:
        file["test/vision_valid"][2] = 0
    for form in ("mean", "sequence"):
        batch = load_corpus(copied, form, PAPER).parts["test"].batch(torch.tensor([2]))
        assert int(batch.lengths["vision"][0]) == 1
        assert not batch.streams["vision"].any()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("text_end", "last_step"),
        ("ef_norm", "step"),
        ("alignment", "blocks"),
        ("mult_mask", "future"),
    ],
)
def test_what_reads_padding_gets_the_files_whatever_the_batch(setting: str, value: str) -> None:
    """Or a clip's prediction would depend on the longest text beside it."""
    assert not PAPER.full_text
    assert Recipe.model_validate({setting: value}).full_text


def test_sequences_are_padded_to_the_longest_of_the_batch(tiny: Path) -> None:
    with h5py.File(tiny) as file:
        texts, lengths = file["train/text"][:3], file["train/text_lengths"][:3]
    batch = load_corpus(tiny, "sequence", RAW).parts["train"].batch(torch.tensor([0, 1, 2]))
    assert batch.streams["text"].shape[1] == lengths.max() == batch.lengths["text"].max()
    np.testing.assert_array_equal(batch.streams["text"], texts[:, : lengths.max()])
    whole = load_corpus(tiny, "padded", PUBLISHED).parts["train"].batch(torch.tensor([0]))
    assert whole.streams["text"].shape[1] == texts.shape[1]
    assert whole.streams["audio"].shape[1] == 30


def test_streamed_features_equal_those_in_memory(tiny: Path) -> None:
    held = load_corpus(tiny, "sequence", PAPER).parts["train"]
    streamed = load_corpus(tiny, "sequence", PAPER, memory_gb=1e-9).parts["train"]
    for stream in ("text", "audio", "vision"):
        one, other = held.streams[stream], streamed.streams[stream]
        assert isinstance(one, Ragged)
        assert isinstance(other, Ragged)
        assert torch.equal(one.rows, other.rows)


def test_the_limit_of_memory_is_of_all_parts_together(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    streamed: list[bool] = []

    def room(rows: int, width: int, limit: float) -> NDArray[np.float32]:
        sizes.append(rows * width * 4)
        streamed.append(sizes[-1] > limit * 1e9)
        return np.zeros((rows, width), np.float32)

    monkeypatch.setattr(read, "_room", room)
    load_corpus(tiny, "sequence", PAPER)
    total, largest = sum(sizes), max(sizes)
    for limit, expected in ((total * 1.01, False), (largest * 1.01, True)):
        streamed.clear()
        load_corpus(tiny, "sequence", PAPER, memory_gb=limit / 1e9)
        assert streamed == [expected] * 9


def test_block_means_are_the_published_alignments() -> None:
    ramp = np.arange(400, dtype=np.float32)[:, None]
    assert in_blocks(ramp, 39, PUBLISHED)[:3, 0].tolist() == [5, 16, 27]
    old = PUBLISHED.model_copy(update={"alignment": "interleaved"})
    assert in_blocks(ramp, 39, old)[:2, 0].round().tolist() == [195, 196]
    vision = np.arange(55, dtype=np.float32)[:, None]
    assert in_blocks(vision, 39, PUBLISHED)[:2, 0].tolist() == [0.5, 2.5]
    assert in_blocks(vision, 39, old)[0, 0] == 19.5


def test_no_batch_is_left_with_one_clip() -> None:
    sizes = [len(chunk) for chunk in chunks(torch.arange(17), 8)]
    assert sizes == [8, 9]
    assert [len(chunk) for chunk in chunks(torch.arange(1), 8)] == [1]


def test_a_damaged_feature_names_the_clip(copied: Path) -> None:
    with h5py.File(copied, "r+") as file:
        file["valid/audio"][3, 0, 0] = np.inf
        clip = file["valid/id"][3].decode()
    with pytest.raises(BuildError, match=f"audio feature of clip {clip}"):
        load_corpus(copied, "mean", PAPER)


def test_missing_unimodal_labels_stop_multi_task_models_only(
    planted: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "dataset.h5"
    planted.write_planted(path, (6, 3, 3), steps={"audio": 20, "vision": 9}, unimodal=False)
    corpus = load_corpus(path, "mean", PAPER)
    corpus.check_labels({"M": "M"})
    with pytest.raises(BuildError, match=r"0 of 6 train clips have the label A"):
        corpus.check_labels({"M": "M", "A": "A"})


def test_a_part_without_clips_is_refused(copied: Path) -> None:
    with h5py.File(copied, "r+") as file:
        del file["valid/id"]
        file["valid/id"] = np.array([], "S4")
    with pytest.raises(BuildError, match="the valid part"):
        load_corpus(copied, "mean", PAPER)


def test_the_digest_follows_the_content(copied: Path, tiny: Path) -> None:
    with h5py.File(copied, "r+") as file:
        for part in ("train", "valid", "test"):
            del file.attrs[f"digest_{part}"]
    first = load_corpus(copied, "mean", PAPER).digest
    assert load_corpus(copied, "mean", PAPER).digest == first
    with h5py.File(copied, "r+") as file:
        file["test/labels/M"][0] = 0.6 if file["test/labels/M"][0] != 0.6 else 0.8
    assert load_corpus(copied, "mean", PAPER).digest != first


def test_a_file_that_is_no_dataset_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "dataset.h5").write_bytes(b"no")
    with pytest.raises(BuildError, match="not a readable dataset"):
        load_corpus(tmp_path / "dataset.h5", "mean", PAPER)
