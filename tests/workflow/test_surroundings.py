"""Odd folders, dates and limits end a build with one line that names the path and a remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config import Config, make_config
from pipeline.errors import BuildError, ClipError
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.media import find_media
from pipeline.store.files import read_json
from pipeline.workflow.settings_files import changed_settings, media_fingerprint, write_settings
from pipeline.workflow.surroundings import check_surroundings
from tests.conftest import DEMO, ROOT


@pytest.fixture
def config(tmp_path: Path) -> Config:
    raw = tmp_path / "raw"
    (raw / "video_1").mkdir(parents=True)
    shutil.copy(DEMO / "label.csv", raw / "label.csv")
    return make_config({"raw": str(raw), "processed": str(tmp_path / "processed")})


def chsims(folder: Path, *arguments: str, limit: str = "unlimited") -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline.commands.cli", *arguments]
    done = subprocess.run(
        ["bash", "-c", f'ulimit -v {limit}; exec "$@"', "bash", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout + done.stderr


def test_usual_surroundings_are_fine(config: Config) -> None:
    check_surroundings(config)


@pytest.mark.parametrize("place", ["processed", "processed/records", "processed/audio"])
def test_a_file_where_a_folder_is_expected_is_named(config: Config, place: str) -> None:
    path = config.processed.parent / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file")
    with pytest.raises(BuildError, match=f"{place} is a file, expected a folder") as caught:
        check_surroundings(config)
    assert str(path) in caught.value.remedy


def test_a_broken_link_where_a_folder_is_expected_is_named(config: Config) -> None:
    config.processed.symlink_to("gone")
    with pytest.raises(BuildError, match=r"is a broken link \(gone\)"):
        check_surroundings(config)


@pytest.mark.parametrize("key", ["raw", "processed"])
def test_a_brace_in_a_path_is_refused_with_a_way_around_it(config: Config, key: str) -> None:
    other = config.model_copy(update={key: config.raw.parent / "corpus {v2}"})
    with pytest.raises(BuildError, match=f"{key}: .* holds a brace") as caught:
        check_surroundings(other)
    assert f"--set {key}=" in caught.value.remedy


def test_a_sheet_from_the_future_is_named(config: Config) -> None:
    sheet = config.raw / "label.csv"
    os.utime(sheet, (time.time() + 9e7,) * 2)
    with pytest.raises(BuildError, match="in the future") as caught:
        check_surroundings(config)
    assert f"touch '{sheet}'" in caught.value.remedy


def test_a_settings_file_from_the_future_is_written_again(config: Config) -> None:
    write_settings(config, changed_settings(config, ["report"]))
    assert changed_settings(config, ["report"]) == []
    path = config.layout.settings("report")
    os.utime(path, (time.time() + 9e7,) * 2)
    write_settings(config, changed_settings(config, ["report"]))
    assert path.stat().st_mtime < time.time() + 1
    assert read_json(path)


def test_links_that_lead_nowhere_cost_their_clip_and_name_themselves(config: Config) -> None:
    video = config.raw / "video_1"
    (video / "gone.mp4").symlink_to("nothing.mp4")
    (video / "loop.mp4").symlink_to("loop.mp4")
    (config.raw / "video_2").symlink_to("nowhere")
    (config.raw / "video_3").write_text("a file")
    (config.raw / "video_4").symlink_to("video_4")
    folders = MediaFolders(config.raw)
    for clip, words in (
        ("video_1/gone", r"video_1/gone.mp4 is a broken link \(nothing.mp4\)"),
        ("video_1/loop", r"video_1/loop.mp4 is a broken link \(loop.mp4\)"),
        ("video_2/0001", r"video_2 is a broken link \(nowhere\)"),
        ("video_3/0001", "video_3 is a file, expected a folder"),
        ("video_4/0001", r"video_4 is a broken link \(video_4\)"),
    ):
        with pytest.raises(ClipError, match=words) as caught:
            find_media(folders, *clip.split("/"))
        assert caught.value.remedy
    assert media_fingerprint(config)


def test_a_folder_that_cannot_be_listed_is_named(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may list every folder, so the refusal is the system call's."""
    listed = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path).name == "video_1":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ClipError, match=r"folder video_1 cannot be read \(Permission denied\)"):
        find_media(MediaFolders(config.raw), "video_1", "0001")


def test_a_limit_on_memory_is_named_before_anything_runs(tmp_path: Path) -> None:
    status, output = chsims(tmp_path, "--set", f"raw={DEMO}", limit="600000")
    assert status == 2
    assert "limits each process to 614 MB" in output
    assert "ulimit -v unlimited" in output
    assert "Traceback" not in output
