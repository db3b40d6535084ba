"""Models that cannot be trained are named before any clip is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import BuildError
from pipeline.workflow.start import Start, start


def begun(folder: Path, header: str, line: str, **train: object) -> Start:
    (folder / "raw").mkdir()
    (folder / "raw" / "label.csv").write_text(f"{header}\n{line}\n", "utf-8")
    values = {"raw": str(folder / "raw"), "processed": str(folder / "processed"), "train": train}
    return start(values, main=True, dry_run=False, say=print)


def test_unimodal_labels_that_no_clip_has_are_named_and_stop_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = begun(tmp_path, "video_id,clip_id,text,label,label_A", "v,1,好,0.2,0")
    made.check_ready(["train"])
    told = capsys.readouterr().out
    assert (
        "no clip has a label T, V; models that learn several tasks (mlf_dnn) are trained on" in told
    )


def test_without_a_label_of_the_whole_clip_the_build_stops_at_its_start(tmp_path: Path) -> None:
    made = begun(tmp_path, "video_id,clip_id,text,label,label_T", "v,1,好,,0.2")
    with pytest.raises(BuildError, match="no clip has a label M") as error:
        made.check_ready(["train"])
    assert "--stage dataset" in str(error.value)
    made.check_ready(["dataset"])  # features and dataset need no labels


def test_single_task_models_need_the_label_of_the_whole_clip_alone(tmp_path: Path) -> None:
    made = begun(tmp_path, "video_id,clip_id,text,label", "v,1,好,0.2", models=["lf_dnn"])
    made.check_ready(["train"])


def test_one_labelled_clip_is_enough_to_begin(tmp_path: Path) -> None:
    header = "video_id,clip_id,text,label,label_T,label_A,label_V"
    begun(tmp_path, header, "v,1,好,0.2,0,0,0.2").check_ready(["train"])
