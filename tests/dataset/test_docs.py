"""The data format page describes the file that is written, array by array."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import pytest

from pipeline.dataset.writer import build_dataset
from tests.dataset.features import balanced, build_folder

PAGE = Path(__file__).parents[2] / "docs" / "data-format.md"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    build_dataset(build_folder(folder, balanced(20)))
    return folder / "dataset.h5"


def test_the_example_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    exec(example.replace("processed/demo/dataset.h5", str(path)), {})
    assert capsys.readouterr().out.startswith("video_000")


def test_every_array_and_attribute_is_described(path: Path) -> None:
    page = PAGE.read_text("utf-8")
    described = set(re.findall(r"`([\w/]+)`", page))
    arrays: list[str] = []
    with h5py.File(path) as file:
        file["train"].visititems(
            lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None
        )
        attributes = list(file.attrs)
    shortened = {name.removeprefix("quality/") for name in arrays}
    unknown = {name for name in arrays if name not in described} - {
        f"quality/{name}" for name in shortened & described
    }
    assert unknown == set()
    assert {name for name in attributes if name not in described} <= {
        "audio_length_statistics",
        "vision_length_statistics",
    }
