"""The torch Dataset gives the file's clips in any worker; the facts give the paper's tables."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import pipeline
from pipeline.dataset.info import DatasetInfo
from pipeline.dataset.writer import build_dataset
from pipeline.errors import BuildError
from tests.dataset.features import balanced, build_folder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("dataset")
    clips = balanced(30)
    for i, clip in enumerate(clips):
        clip.row = {"speaker": f"s{i % 4}", "gender": "male" if i % 3 else "female"}
    build_dataset(build_folder(folder, clips))
    return folder / "dataset.h5"


def test_an_item_is_the_clip(path: Path) -> None:
    data = pipeline.open_dataset(path, "valid")
    item = data[0]
    with h5py.File(path) as file:
        group = file["valid"]
        assert len(data) == len(group["id"]) == 5
        np.testing.assert_array_equal(item["vision"].numpy(), group["vision"][0])
        assert item["id"] == group["id"].asstr()[0]
        assert item["raw_text"] == group["raw_text"].asstr()[0]
        assert item["lengths"]["audio"] == group["audio_lengths"][0]
    assert item["text"].dtype == torch.float32
    assert item["vision_valid"].dtype == torch.bool
    assert item["labels"].keys() == {"M", "T", "A", "V"}
    assert data[-1]["id"] == data[4]["id"]
    with pytest.raises(IndexError):
        data[5]


def test_workers_see_what_one_process_sees(path: Path) -> None:
    data = pipeline.open_dataset(path)
    alone = [data[i]["audio"] for i in range(len(data))]  # the parent's handle is open now
    batches = list(DataLoader(data, batch_size=4, num_workers=2))
    assert torch.equal(torch.cat([batch["audio"] for batch in batches]), torch.stack(alone))
    assert [clip for batch in batches for clip in batch["id"]] == [d["id"] for d in data]


def test_in_memory_it_is_the_same_and_a_caller_may_change_what_it_gets(path: Path) -> None:
    disk, memory = pipeline.open_dataset(path), pipeline.open_dataset(path, in_memory=True)
    for a, b in zip(disk, memory, strict=True):
        assert a.keys() == b.keys()
        assert (a["id"], a["raw_text"], a["class"], a["lengths"]) == (
            (b["id"], b["raw_text"], b["class"], b["lengths"])
        )
        for name in ("text", "audio", "vision", "vision_valid"):
            assert torch.equal(a[name], b[name])
    first = memory[0]["audio"]
    first += 1
    assert torch.equal(memory[0]["audio"], disk[0]["audio"])


def test_a_batch_is_trimmed_to_its_longest_clip_and_loses_nothing(path: Path) -> None:
    data = pipeline.open_dataset(path)
    clips = [data[i] for i in range(5)]
    batch = pipeline.collate(clips)
    for modality in ("text", "audio", "vision"):
        lengths = [clip["lengths"][modality] for clip in clips]
        assert batch[modality].shape[:2] == (5, max(lengths))
        for row, clip in enumerate(clips):
            whole = clip[modality][: lengths[row]]
            assert torch.equal(batch[modality][row, : lengths[row]], whole)
            valid = clip.get(f"{modality}_valid", torch.ones(lengths[row], dtype=torch.bool))
            mask = batch[f"{modality}_mask"][row]
            assert torch.equal(mask[: lengths[row]], valid[: lengths[row]])
            assert not mask[lengths[row] :].any()
    assert batch["labels"]["M"].tolist() == [clip["labels"]["M"].item() for clip in clips]
    assert batch["id"] == [clip["id"] for clip in clips]


def test_a_dataset_travels_to_a_spawned_worker(path: Path) -> None:
    data = pipeline.open_dataset(path)
    first = data[0]
    assert torch.equal(pickle.loads(pickle.dumps(data))[0]["text"], first["text"])


def test_a_wrong_part_or_file_says_what_to_do(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="parts are train, valid, test and"):
        pipeline.open_dataset(path, "dev")
    (tmp_path / "other.h5").write_text("no")
    for open_it in (pipeline.open_dataset, DatasetInfo):
        with pytest.raises(BuildError, match="--stage dataset"):
            open_it(tmp_path / "other.h5")


def test_the_papers_tables(path: Path) -> None:
    info = DatasetInfo(path)
    one = info.table1()
    assert (one.clips, one.videos, one.speakers) == (30, 3, 4)
    assert (one.male, one.female) == (20, 10)
    assert one.seconds == pytest.approx(2.5)
    three = info.table3()
    assert three.loc["train"].tolist() == [20, 4, 4, 4, 4, 4]
    assert three["total"].sum() == 30


def test_figure_2_counts_labels_and_measures_their_distance(path: Path) -> None:
    info = DatasetInfo(path)
    histogram = info.label_histogram()
    assert histogram.loc[-0.4, "M"] == 6
    assert histogram.loc[0.0, "A"] == 30
    assert histogram["V"].sum() == 0
    distances = info.label_distances()
    assert distances[0, 1] == 0
    assert distances[0, 2] == pytest.approx(np.mean([1, 0.16, 0, 0.16, 1]))
    assert np.isnan(distances[0, 3])


def test_the_facts_are_read_without_torch(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.dataset.info import DatasetInfo;"
        f"DatasetInfo(Path({str(path)!r})).table1(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
