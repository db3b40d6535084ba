"""Files that another machine wrote become visible late: jobs wait for them, as they do on NFS."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BuildError
from pipeline.store import late
from pipeline.store.features import Features, Store
from pipeline.store.files import write_json
from pipeline.store.late import wait_for
from pipeline.store.layout import Layout
from pipeline.store.made import check_made, note_made
from tests.corpora import small_corpus

LATE = '''
"""Hides new feature files and videos from all processes until one reads the list of the folder.

So does a network file system, which remembers for a while that a file was not there.
"""
import os
import pathlib

_replace, _listdir = pathlib.Path.replace, os.listdir


def replace(self, target):
    target = pathlib.Path(target)
    if target.suffix in (".safetensors", ".mkv"):
        target.unlink(missing_ok=True)
        target = target.with_name(f".late.{target.name}")
    return _replace(self, target)


def listdir(path="."):
    for name in _listdir(path):
        if isinstance(name, str) and name.startswith(".late."):
            shown = os.path.join(path, name.removeprefix(".late."))
            try:
                os.rename(os.path.join(path, name), shown)
            except FileNotFoundError:
                continue  # another process has looked, too
            with open(os.environ["SEEN_LATE"], "a") as seen:
                seen.write(shown + "\\n")
    return _listdir(path)


pathlib.Path.replace, os.listdir = replace, listdir
'''


def test_a_build_waits_for_files_that_are_shown_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, seen = tmp_path / "site", tmp_path / "seen.txt"
    site.mkdir()
    (site / "sitecustomize.py").write_text(LATE)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("SEEN_LATE", str(seen))
    corpus = small_corpus(tmp_path, clips=2)
    few = {
        "train": {"models": []},
        "features": {"audio": "none", "text": "none"},
        "frames": {"keep_frames": True},
    }
    status, said = corpus.run("dataset", store={"latency_wait": 0}, **few)
    assert status != 0
    assert "missing or damaged" in said
    corpus.computed()
    corpus.build("dataset", store={"latency_wait": 120}, **few)
    computed = corpus.computed()
    assert {computed[name] for name in ("faces", "openface", "vision")} == {2}
    shown = {Path(line).parts[-3] + Path(line).suffix for line in seen.read_text().splitlines()}
    assert {"frames.mkv", "faces.safetensors", "openface.safetensors"} <= shown


@pytest.fixture
def appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Path]]:
    """Files that get their name when a waiting reader has slept twice."""
    coming: list[tuple[Path, Path]] = []
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            for source, target in coming:
                source.replace(target)

    monkeypatch.setattr(late.time, "sleep", sleep)
    return coming


def test_a_feature_file_with_the_expected_key_is_waited_for(
    tmp_path: Path, appears: list[tuple[Path, Path]]
) -> None:
    store = Store(tmp_path, patience=60)
    store.write("audio", "v/1", "new", Features({"audio": np.ones(3)}))
    path, hidden = store.path("audio", "v/1"), tmp_path / "hidden"
    path.replace(hidden)
    store.write("audio", "v/1", "old", Features({"audio": np.zeros(3)}))
    appears.append((hidden, path))
    header = store.settled("audio", "v/1", "new")
    assert header is not None
    assert header["key"] == "new"
    assert store.read("audio", "v/1").arrays["audio"].tolist() == [1, 1, 1]


def test_a_pack_is_shown_once_its_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path).write("audio", "v/1", "new", Features({"audio": np.ones(3)}))
    Store(tmp_path).pack("audio", "0000", ["v/1"])
    folder, hidden = tmp_path / "packs" / "audio", tmp_path / "hidden"
    folder.rename(hidden)

    def listdir(path: Path) -> list[str]:
        if path == folder and hidden.exists():
            hidden.rename(folder)
        return []

    monkeypatch.setattr(late.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(os, "listdir", listdir)
    assert Store(tmp_path).settled("audio", "v/1", "new") is None
    assert Store(tmp_path, patience=60).settled("audio", "v/1", "new") is not None


def test_what_a_step_made_is_waited_for(tmp_path: Path, appears: list[tuple[Path, Path]]) -> None:
    layout = Layout(tmp_path)
    write_json(layout.dataset, {})
    note_made(layout, "dataset", [layout.dataset])
    hidden = tmp_path / "hidden"
    layout.dataset.replace(hidden)
    with pytest.raises(BuildError, match=r"dataset.h5 is missing"):
        check_made(layout, "dataset")
    appears.append((hidden, layout.dataset))
    check_made(layout, "dataset", patience=60)


def test_waiting_ends(tmp_path: Path) -> None:
    looks: list[int] = []
    assert not wait_for(lambda: looks.append(1), tmp_path / "absent", 0.2)
    assert 2 <= len(looks) <= 6
    assert not wait_for(lambda: looks.append(1), tmp_path, 0)
