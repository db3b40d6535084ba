"""Running OpenFace (the emulator) through every runtime of this machine: what is trusted."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import BuildError, ClipError
from pipeline.openface.call import Caller, CallResult, FaceFolder
from pipeline.openface.columns import CONFIDENCE, SUCCESS
from pipeline.openface.run import CropInputs, RunOpenFace
from pipeline.openface.settings import OpenFaceSettings
from pipeline.store.features import Features
from tests.openface.emulated import MARK, expected_table, face_images, marked
from tests.openface.harness import HARNESSES, Harness

Crops = list[bytes | None]


def run(
    settings: OpenFaceSettings, clips: list[Crops], work: Path, threads: int = 1
) -> list[Features | Exception]:
    inputs = [CropInputs(f"v/{i:04d}", crops, work) for i, crops in enumerate(clips)]
    results = RunOpenFace(settings, threads).extract_batch(inputs)
    assert not work.exists() or not any(work.iterdir())  # no scratch files are left
    return results


def check(result: Features | Exception, crops: Crops) -> None:
    assert isinstance(result, Features), result
    np.testing.assert_allclose(result.arrays["table"], expected_table(crops), atol=1e-4)


def failing(failure: str) -> dict[str, str]:
    return {"EMULATOR_FAIL": failure, "EMULATOR_MARK": MARK.decode()}


@pytest.mark.parametrize("threads", [1, 2])
def test_every_clip_gets_its_own_rows_in_order(harness: Harness, work: Path, threads: int) -> None:
    clips: list[Crops] = [list(face_images(count, count)) for count in (3, 1, 4)]
    results = run(harness.settings(), clips, work, threads)
    for result, crops in zip(results, clips, strict=True):
        check(result, crops)
    info = results[0].info
    assert info["runtime"] == harness.name and info["grid"] == "frame" and info["rows"] == 3
    assert all(value for value in info["identity"].values())


def test_a_batch_loads_the_models_once(
    harness: Harness, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    call = Caller.call

    def counted(
        self: Caller, clips: Sequence[FaceFolder], cancelled: Callable[[], bool]
    ) -> CallResult:
        calls.append(len(clips))
        return call(self, clips, cancelled)

    monkeypatch.setattr(Caller, "call", counted)
    clips: list[Crops] = [list(face_images(1, seed)) for seed in range(4)]
    results = run(harness.settings(), clips, work)
    assert calls == [4]  # OpenFace loads its models once per call
    for result, crops in zip(results, clips, strict=True):
        check(result, crops)


def test_frames_without_a_face_keep_their_row(harness: Harness, work: Path) -> None:
    faces = face_images(4, 0)
    gaps: Crops = [None, faces[0], None, None, faces[1], faces[2], faces[3], None]
    nothing: Crops = [None] * 3
    first, second = run(harness.settings(), [gaps, nothing], work)
    check(first, gaps)
    assert "4 of 8 frames had no face" in first.info["notes"][0]
    check(second, nothing)
    assert not second.arrays["table"][:, SUCCESS].any()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("crash", "OpenFace crashed (exit 139): OpenCV: terminate called in cv::resize"),
        ("oom", "OpenFace was killed, most likely for lack of memory (exit 137)"),
        ("no-csv", "OpenFace wrote no CSV; OpenFace ended (exit 0): Could not process"),
        ("killed", "was not finished"),
        ("disk-full", "cut off: its last line"),
        ("short", "2 rows for 3 face images"),
        ("nan", "line 2, column gaze_1_y: nan is not finite"),
    ],
)
def test_a_bad_clip_is_found_and_the_others_are_kept(
    harness: Harness, work: Path, failure: str, words: str
) -> None:
    clips: list[Crops] = [list(face_images(3, seed)) for seed in range(4)]
    clips[1] = list(marked(face_images(3, 1)))
    results = run(harness.settings(failing(failure)), clips, work)
    for index in (0, 2, 3):
        check(results[index], clips[index])
    assert isinstance(results[1], ClipError) and words in results[1].reason, results[1]


def test_unreadable_images_quarantine_their_clips_alone(harness: Harness, work: Path) -> None:
    clips: list[Crops] = [list(face_images(3, seed)) for seed in range(4)]
    clips[0][0] = b"not an image"  # crashes OpenFace
    clips[2][1] = b""  # ends the CSV early
    results = run(harness.settings(), clips, work)
    check(results[1], clips[1])
    check(results[3], clips[3])
    assert "crashed (SIGFPE) (exit 136)" in str(results[0])
    assert "1 rows for 3 face images" in str(results[2])


def test_a_clip_that_hangs_is_stopped_and_the_others_go_on(
    harness: Harness, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.openface.call.START_SECONDS", 1.5)
    clips: list[Crops] = [list(face_images(2, seed)) for seed in range(3)]
    clips[1] = list(marked(face_images(2, 1)))
    settings = harness.settings(failing("hang"), seconds_per_frame=0.1)
    results = run(settings, clips, work)
    check(results[0], clips[0])
    check(results[2], clips[2])
    assert isinstance(results[1], ClipError) and "stopped after 2 s" in results[1].reason


def test_a_clip_in_which_openface_finds_no_face_is_all_success_0(
    harness: Harness, work: Path
) -> None:
    (result,) = run(harness.settings(failing("no-face")), [list(marked(face_images(3, 0)))], work)
    assert isinstance(result, Features)
    assert result.arrays["table"].shape == (3, 714)
    assert not result.arrays["table"][:, SUCCESS].any()


def test_a_first_row_of_success_1_is_kept_with_its_low_confidence(
    harness: Harness, work: Path
) -> None:
    clips: list[Crops] = [list(marked(face_images(3, 0)))]
    (result,) = run(harness.settings(failing("low-confidence")), clips, work)
    assert isinstance(result, Features)
    assert result.arrays["table"][:, [CONFIDENCE, SUCCESS]].round(2).tolist() == [
        [pytest.approx(0.02), 1],
        [pytest.approx(0.02), 0],
        [pytest.approx(0.02), 0],
    ]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("no-landmark-models", "has no landmark models"),
        ("no-au-models", "without its action-unit models"),
        ("one-au-model", "the action-unit model of AU01_r is missing"),
        ("au-models-abort", "has no action-unit models: WARNING: no Action Unit models found"),
        ("no-validation", "does not work: it fails even on the face clip of the doctor"),
        ("no-cen-patches", "has no landmark models: Could not find CEN patch experts"),
        ("no-mtcnn", "does not look for faces with MTCNN, the detector that was asked for"),
        ("no-mtcnn-file", "INFO: defaulting to HOG-SVM face detector"),
        ("no-face", "tracks no face, not even in the face clip of the doctor"),
        ("low-confidence", "tracks no face, not even in the face clip of the doctor"),
        ("crash", "crashed (exit 139): OpenCV: terminate called in cv::resize"),
        ("no-csv", "does not work: it fails even on the face clip of the doctor"),
        ("oom", "killed even on the face clip of the doctor; the memory limit is 2048 MiB"),
    ],
)
def test_a_broken_installation_stops_the_build(
    harness: Harness, work: Path, failure: str, words: str
) -> None:
    clips: list[Crops] = [list(face_images(2, seed)) for seed in range(2)]
    with pytest.raises(BuildError) as caught:
        run(harness.settings({"EMULATOR_FAIL": failure}), clips, work)
    assert words in caught.value.problem
    assert ("openface.memory_mb" if failure == "oom" else "docs/openface.md") in caught.value.remedy


def test_clips_that_all_fail_are_to_blame_if_openface_itself_works(
    harness: Harness, work: Path
) -> None:
    clips: list[Crops] = [list(marked(face_images(2, seed))) for seed in range(2)]
    results = run(harness.settings(failing("crash")), clips, work)
    assert [str(result).count("crashed (exit 139)") for result in results] == [1, 1]


def test_the_detectors_line_is_found_among_many_others(work: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        native = HARNESSES["native"](work)
        if native.absent():
            pytest.skip(f"native: {native.absent()}")
        native.use(patch)
        settings = native.settings({"EMULATOR_FAIL": "no-mtcnn-file", "EMULATOR_TALK": "1"})
        with pytest.raises(BuildError, match="defaulting to HOG-SVM"):
            run(settings, [list(face_images(2, 0))], work)


def test_a_clip_in_hand_when_openface_was_killed_is_not_trusted(
    harness: Harness, work: Path
) -> None:
    clips: list[Crops] = [list(face_images(2, seed)) for seed in range(3)]
    clips[1] = list(marked(face_images(2, 1)))
    results = run(harness.settings(failing("killed-at-the-end")), clips, work)
    check(results[0], clips[0])
    check(results[2], clips[2])
    assert "ended before it had finished this clip's CSV" in str(results[1])
    assert isinstance(results[1], ClipError) and results[1].passing


def test_a_clip_without_frames_is_an_error_of_that_clip(harness: Harness, work: Path) -> None:
    crops: Crops = list(face_images(2, 0))
    empty, good = run(harness.settings(), [[], crops], work)
    assert isinstance(empty, ClipError)
    check(good, crops)
