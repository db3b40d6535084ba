"""chsims-build: help that teaches, errors with a remedy, the demo's status and prediction."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import doctor
from pipeline.config import load_config
from pipeline.stages import STAGES, wanted
from pipeline.workflow.settings_files import DECIDING_STEPS, changed_settings
from tests.conftest import DEMO, ROOT


def chsims(*arguments: str | Path, cwd: Path = ROOT) -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline.commands.cli", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command", ["", "status", "verify", "doctor", "report", "predict", "config"]
)
def test_every_command_has_help(command: str) -> None:
    status, words = chsims(*command.split(), "--help")
    assert status == 0
    assert "Usage:" in words
    assert "--config" in words


def test_the_help_teaches_by_example() -> None:
    _, words = chsims("--help")
    for example in ("--stage audio --set audio.f0=yin", "--clip video_0001/0003", "doctor"):
        assert example in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--set", "audio.fo=yin"), "did you mean audio.f0?"),
        (("--set", "audio"), "not of the form key=value"),
        (("--clip", "video_0001/0003"), "add --stage"),
        (("--stage", "dataset", "--clip", "video_0001/0003"), "need all clips"),
        (("--force",), "add --stage"),
        (("--stage", "audoi"), "audio"),
        (("--config", "no.yaml"), "no.yaml"),
        (("--set", "raw=nowhere", "status"), "nothing has been built yet"),
        (("--cores", "2", "status"), "does not build anything"),
    ],
)
def test_a_wrong_call_says_what_to_do_instead(arguments: tuple[str, ...], words: str) -> None:
    _, output = chsims(*arguments)
    assert words in output
    assert "Traceback" not in output


def test_a_missing_sheet_is_named_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    status, output = chsims("--set", f"raw={tmp_path / 'raw'}", "--dry-run")
    assert status != 0
    assert "label.csv" in output


def test_an_unknown_clip_is_refused_by_name(tmp_path: Path) -> None:
    arguments = ("--config", "config/demo.yaml", "--set", f"processed={tmp_path}")
    status, output = chsims(*arguments, "--stage", "text", "--clip", "video_0009/0001")
    assert status != 0
    assert "video_0009/0001 (not in the label sheet)" in output


def test_a_dry_run_names_the_jobs_and_writes_nothing(tmp_path: Path) -> None:
    arguments = ("--config", "config/demo.yaml", "--set", f"processed={tmp_path / 'p'}")
    status, output = chsims(*arguments, "--dry-run", "--stage", "vision")
    assert status == 0
    for rule in ("manifest", "faces", "openface", "vision"):
        assert re.search(rf"^{rule} +1$", output, re.MULTILINE)
    assert not re.search("^frames", output, re.MULTILINE), "faces jobs decode"
    assert not (tmp_path / "p").exists()
    assert "no manifest yet" in output


def test_a_dry_run_says_how_many_clips_a_changed_setting_costs(demo_build: Path) -> None:
    arguments = ("--config", "config/demo.yaml", "--set", "faces.margin=0.1", "--dry-run")
    before = {path: path.read_bytes() for path in (demo_build / "settings").iterdir()}
    status, output = chsims(*arguments)
    assert status == 0
    assert "clips to compute: frames 30, faces 30, openface 30, vision 30 (of 30)" in output
    assert {path: path.read_bytes() for path in (demo_build / "settings").iterdir()} == before


def test_a_dry_run_counts_what_is_asked_for_and_sees_settings_without_notes(
    demo_build: Path, tmp_path: Path
) -> None:
    """Called in another folder, whose Snakemake has no notes of the build."""
    for name in ("raw", "processed"):
        (tmp_path / name).symlink_to(ROOT / name)
    call = ("--config", ROOT / "config" / "demo.yaml", "--dry-run")
    margin = ("--set", "faces.margin=0.1")
    status, output = chsims(*call, *margin, "--stage", "faces", cwd=tmp_path)
    assert status == 0
    assert re.search(r"^faces +1$", output, re.MULTILINE)
    assert "faces: settings or input files changed since the last build" in output
    assert "clips to compute: frames 30, faces 30 (of 30)" in output
    clip = ("--stage", "faces", "--clip", "video_0001/0003")
    status, output = chsims(*call, *margin, *clip, cwd=tmp_path)
    assert status == 0
    assert "clips to compute: frames 1, faces 1 (of 1)" in output
    status, output = chsims(*call, cwd=tmp_path)
    assert status == 0
    assert "nothing to be done" in output
    assert "clips to compute: none (of 30)" in output


def test_the_demo_is_done_in_every_stage_and_nothing_is_due(demo_build: Path) -> None:
    status, output = chsims("status", "--config", "config/demo.yaml")
    assert status == 0
    for stage in ("faces", "openface", "vision", "audio", "text"):
        assert re.search(rf"{stage} +│ +30 │ +- │ +- │", output), output


def test_both_ways_to_build_mean_the_same_settings(demo_build: Path) -> None:
    """The fixture called snakemake with the config file: chsims-build has nothing left to do.

    Nor has what reads the file without Snakemake, which merges it with config/config.yaml.
    """
    config = load_config((ROOT / "config" / "demo.yaml",))
    steps = [s for s in DECIDING_STEPS if s not in STAGES or s in wanted(config)]
    assert changed_settings(config, steps) == []
    status, output = chsims("--config", "config/demo.yaml", "--dry-run")
    assert status == 0
    assert "nothing to be done" in output


def test_the_doctor_passes_the_demo_and_warns_of_its_text_model() -> None:
    status, output = chsims("doctor", "--openface", "--config", "config/demo.yaml")
    assert status == 0
    assert "untrained" in output
    assert "30 clips in the sheet, media for 30" in output


def test_the_doctor_holds_the_largest_training_against_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_config((), ("train.models=[lf_dnn, mtfn]",))
    monkeypatch.setattr("pipeline.commands.doctor.available_cores", lambda: 8)
    monkeypatch.setattr("pipeline.commands.doctor._memory_gb", lambda: 26.0)
    assert doctor._training(config).ok
    monkeypatch.setattr("pipeline.commands.doctor._memory_gb", lambda: 16.0)
    check = doctor._training(config)
    assert not check.ok
    assert (
        check.found == "the largest job (MTFN) needs about 25 GB of memory; this machine has 16 GB"
    )
    assert check.remedy.endswith("--snakemake=--set-threads --snakemake=train=3")
    monkeypatch.setattr("pipeline.commands.doctor._memory_gb", lambda: 6.0)
    assert "leave mtfn out" in doctor._training(config).remedy


def test_the_doctor_names_the_remedy_for_what_is_missing(tmp_path: Path) -> None:
    status, output = chsims("doctor", "--set", f"raw={tmp_path}", "--set", "text.model=nobody/no")
    assert status == 1
    assert "label.csv" in output


def test_predict_prints_four_sentiments_with_their_spread(demo_build: Path) -> None:
    clip = "video_0002/0009"
    status, output = chsims(
        *("predict", DEMO / f"{clip}.mp4", "--text", "我爱死这个地方了！"),
        *("--config", "config/demo.yaml", "--openface-csv", DEMO / "openface" / f"{clip}.csv.gz"),
    )
    assert status == 0, output
    for task in ("M multimodal", "T text", "A audio", "V vision"):
        assert re.search(rf"{task} +│ [+-][01]\.\d\d +│ \d\.\d\d", output)
    assert "demo only" in output


def test_predict_refuses_settings_the_models_were_not_trained_on(demo_build: Path) -> None:
    status, output = chsims(
        *("predict", DEMO / "video_0002/0009.mp4", "--text", "好", "--config", "config/demo.yaml"),
        *("--set", "audio.f0=zcr"),
    )
    assert status == 2
    assert "the settings of audio differ" in output
