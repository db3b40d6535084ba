"""doctor --openface: what it finds, and what it advises."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.commands.checks import Check
from pipeline.commands.cli import main
from pipeline.commands.doctor import OPENFACE_FAILED, examine, exit_status
from pipeline.commands.doctor_openface import check_openface
from pipeline.config import Config, make_config
from pipeline.openface.installation import packaged_faces
from pipeline.openface.settings import OpenFaceSettings
from tests.openface.csvs import DEMO, real_csv
from tests.openface.harness import Harness


def config(settings: OpenFaceSettings) -> Config:
    return make_config({"openface": settings.model_dump(mode="json")})


def test_the_packaged_clip_is_six_face_crops() -> None:
    images = [cv2.imdecode(np.frombuffer(face, np.uint8), 1) for face in packaged_faces()]
    assert [image.shape for image in images] == [(224, 224, 3)] * 6


def test_a_working_openface_is_green(harness: Harness) -> None:
    checks = check_openface(config(harness.settings()))
    assert all(check.ok is not False for check in checks)
    assert harness.name in checks[0].found
    assert "6 rows of 714 columns" in checks[-1].found
    if harness.name != "native":
        (digest,) = (check for check in checks if "pinned" in check.name)
        assert digest.ok is None and "openface.digest: sha256:" in digest.remedy


@pytest.mark.parametrize(
    ("failure", "words", "remedy"),
    [
        ("no-au-models", "679 columns", "AU models"),
        ("one-au-model", "AU01_r", "AU_predictors"),
        ("no-landmark-models", "landmark models", "model folder"),
        ("crash", "crashed (exit 139)", "docs/openface.md"),
        ("au-models-abort", "no Action Unit models found", "AU_predictors"),
        ("no-mtcnn", "MTCNN model file not found", "model/mtcnn_detector"),
        ("no-mtcnn-file", "defaulting to HOG-SVM", "model/mtcnn_detector"),
        ("no-face", "a face in 0 of them", "models"),
        ("low-confidence", "a face in 0 of them", "models"),
    ],
)
def test_a_broken_openface_is_red_with_its_remedy(
    harness: Harness, failure: str, words: str, remedy: str
) -> None:
    last = check_openface(config(harness.settings({"EMULATOR_FAIL": failure})))[-1]
    assert last.ok is False and words in last.found and remedy in last.remedy


def test_a_program_that_is_no_openface_is_red() -> None:
    last = check_openface(config(OpenFaceSettings(runtime="native", native_binary="true")))[-1]
    assert last.ok is False and "wrote no CSV" in last.found


def test_the_doctor_has_an_exit_status_for_openface(tmp_path: Path) -> None:
    fine, note = Check("disk", True, ""), Check("gpu", None, "none")
    missing, broken = Check("corpus", False, ""), Check("OpenFace", False, "", tests_openface=True)
    assert exit_status([fine, note]) == 0
    assert exit_status([fine, missing]) == 1
    assert exit_status([missing, broken, fine]) == OPENFACE_FAILED == 3
    assert "3  with --openface" in CliRunner().invoke(main, ["doctor", "--help"]).output


@pytest.mark.parametrize(
    ("openface", "status"),
    [({"runtime": "native", "native_binary": "true"}, 3), ({"native_binary": "/no/such"}, 3)],
)
def test_a_broken_openface_decides_the_exit_status(
    openface: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no corpus either
    assert exit_status(examine(make_config({"openface": openface}), with_openface=True)) == status
    assert exit_status(examine(make_config({"openface": openface}))) == 1


def test_no_runtime_is_red() -> None:
    settings = OpenFaceSettings(runtime="native", native_binary="/no/such")
    (check,) = check_openface(config(settings))
    assert check.ok is False and "does not exist" in check.found


def test_imported_csvs_are_counted_and_the_first_is_read(tmp_path: Path) -> None:
    settings = OpenFaceSettings(runtime="import", import_folder=DEMO)
    folder, first = check_openface(config(settings))
    assert folder.found.startswith("30 in") and "714 columns" in first.found
    (tmp_path / "v").mkdir()
    settings = OpenFaceSettings(runtime="import", import_folder=tmp_path)
    (empty,) = check_openface(config(settings))
    assert empty.ok is False and "no VIDEO/CLIP.csv" in empty.found
    (tmp_path / "v" / "1.csv.gz").write_bytes(real_csv("edge_no_AU_models_679cols.csv.gz"))
    assert "679 columns" in check_openface(config(settings))[-1].found
