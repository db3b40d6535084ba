"""One choice of device, one error: before any work, with the setting's name and a remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.config import make_config
from pipeline.errors import BuildError
from pipeline.extractor import check_device, pick_device
from pipeline.faces.detector import make_detector
from pipeline.faces.settings import FacesSettings
from pipeline.text.extractor import TextExtractor
from pipeline.text.settings import TextSettings
from tests.conftest import DEMO, ROOT
from tests.corpora import small_corpus

COUNT = torch.cuda.device_count() if torch.cuda.is_available() else 0
BEYOND = f"cuda:{COUNT}"
"""A GPU that no machine has, with or without one."""


def chsims(*arguments: str | Path, cwd: Path = ROOT) -> tuple[int, str]:
    """Run chsims-build; return its exit status and what it printed."""
    command = [sys.executable, "-m", "pipeline.commands.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_auto_takes_the_first_gpu_or_the_cpu() -> None:
    assert pick_device("auto", "text.device") == torch.device("cuda" if COUNT else "cpu")
    assert pick_device("cpu", "text.device") == torch.device("cpu")


@pytest.mark.skipif(COUNT > 0, reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(BuildError, match=r"text\.device is cuda, but torch .* finds no CUDA GPU"):
        pick_device("cuda", "text.device")


def test_every_user_of_a_device_raises_the_same_error() -> None:
    calls = {
        "faces.device": lambda: make_detector(FacesSettings(device=BEYOND)),
        "text.device": lambda: TextExtractor(TextSettings(model="demo", device=BEYOND)),
        "train.device": lambda: check_device(BEYOND, "train.device"),
    }
    for key, call in calls.items():
        with pytest.raises(BuildError) as caught:
            call()
        assert caught.value.problem.startswith(f"{key} is {BEYOND}, but torch {torch.__version__}")
        assert f"set {key} to auto or cpu" in caught.value.remedy


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:1,2", "mps", ""])
def test_no_other_word_is_a_device(name: str) -> None:
    with pytest.raises(BuildError, match="give auto, cpu, cuda or cuda:N"):
        make_config({"text": {"device": name}})
    with pytest.raises(BuildError, match="device: give auto, cpu, cuda or cuda:N"):
        pick_device(name, "device")


def test_the_number_of_a_gpu_is_a_setting() -> None:
    assert make_config({"train": {"device": "cuda:1"}}).train.device == "cuda:1"


@pytest.mark.parametrize(
    ("stage", "setting", "words"),
    [
        ("text", f"text.device={BEYOND}", f"text.device is {BEYOND}"),
        ("faces", f"faces.device={BEYOND}", f"faces.device is {BEYOND}"),
        ("text", "text.model=nobody/none", "text.model: nobody/none is neither a folder here"),
    ],
)
def test_a_build_ends_before_any_work(
    stage: str, setting: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    corpus = small_corpus(tmp_path, clips=1)
    corpus.write_sheet()
    status, output = chsims(
        *("--stage", stage, "--set", f"raw={corpus.raw}", "--set", f"processed={tmp_path / 'p'}"),
        *("--set", "text.model=demo", "--set", setting),
        cwd=tmp_path,
    )
    assert status not in (0, 130)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in output
    assert list(tmp_path.glob("p/logs/**/*.log")) == [], "no job was started"


def test_the_doctor_says_so_too() -> None:
    status, output = chsims(
        *("doctor", "--config", "config/demo.yaml", "--set", f"raw={DEMO}"),
        *("--set", f"train.device={BEYOND}"),
    )
    assert status == 1
    (line,) = [line for line in output.splitlines() if " gpu " in line]
    assert line.split()[0] == "no"
    assert f"train.device is {BEYOND}" in line
    assert "-> set train.device to auto or cpu" in output
