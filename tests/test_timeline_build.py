"""The clock of picture and sound, from odd files to ``dataset.h5``, by the real command.

What `tests/test_timeline.py` asks of the extractors for all kinds of file is asked here of a
whole build for the hardest ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.corpora import Corpus
from tests.flashbeep import CASES, EVENTS, encoded, loud_at, master, middles

FRAME = 1 / 30
HARD = {
    "sound/late": "sound late by 1 s",
    "picture/late": "picture late by 0.5 s",
    "cut/between": "cut between key frames, picture late",
    "cut/edited": "cut between key frames, with an edit list",
    "packets/lost": "no packets for 1 s, ts",
    "begins/100": "begins at 100 s",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay the files out as a corpus and build it through Snakemake."""
    corpus = Corpus(tmp_path_factory.mktemp("clock"))
    uncut = master(corpus.folder / "master.mkv")
    for clip, name in HARD.items():
        folder = corpus.folder / clip
        folder.mkdir(parents=True)
        made = folder / CASES[name].name
        CASES[name].make(uncut, made)
        made.rename(corpus.add(clip).with_suffix(made.suffix))
    encoded("-vn")(uncut, corpus.add("picture/none"))
    rules = {"no_face": "off", "streams": "warn"}  # the face is only there for moments, or never
    settings = {"features": {"text": "none"}, "audio": {"f0": "zcr"}}
    corpus.build("dataset", manifest={"rules": rules}, **settings)
    return corpus.processed / "dataset.h5"


def seen_and_heard(dataset: Path, clip: str) -> tuple[list[float], list[float]]:
    """Return the middles of flashes and beeps of a clip in seconds, as the dataset has them."""
    with h5py.File(dataset) as file:
        rates = {m: v["steps_per_second"] for m, v in json.loads(file.attrs["modalities"]).items()}
        ids = [(part, row) for part in file.values() for row in range(len(part["id"]))]
        part, row = next(at for at in ids if at[0]["id"].asstr()[at[1]] == clip)
        steps = {m: int(part[f"{m}_lengths"][row]) for m in ("audio", "vision")}
        seen = middles(part["vision_valid"][row, : steps["vision"]] > 0, rates["vision"])
        return seen, loud_at(part["audio"][row, : steps["audio"]], rates["audio"])


def test_a_clip_without_a_picture_is_heard_and_its_frames_are_masked(dataset: Path) -> None:
    seen, heard = seen_and_heard(dataset, "picture/none")
    assert seen == []
    assert heard == pytest.approx(EVENTS, abs=2 * FRAME)


@pytest.mark.parametrize("clip", HARD)
def test_flash_and_beep_are_at_one_time_in_the_dataset(dataset: Path, clip: str) -> None:
    case = CASES[HARD[clip]]
    seen, heard = seen_and_heard(dataset, clip)
    expected = [event - case.begins for event in EVENTS]
    assert seen == pytest.approx(expected, abs=2 * FRAME)
    assert len(heard) == case.heard
    assert np.abs(np.subtract(seen[-len(heard) :], heard)).max() < FRAME
