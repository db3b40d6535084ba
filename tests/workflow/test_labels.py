"""Models that cannot be trained are named before any clip is computed; jobs know the labels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.build import build_manifest
from pipeline.manifest.folders import MediaFolders
from pipeline.manifest.sheet import Sheet, read_sheet
from pipeline.workflow.locks import let_go
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


HEADER = "video_id,clip_id,text,label"


def started(folder: Path, sheet: str = "", *, dry_run: bool = False) -> Start:
    """Start as the process that plans a build, which ends before the next one starts."""
    let_go()
    if sheet:
        (folder / "raw").mkdir(exist_ok=True)
        (folder / "raw" / "label.csv").write_text(f"{sheet}\n", "utf-8")
    return start(values(folder), main=True, dry_run=dry_run, say=print)


def in_job(folder: Path, **manifest: object) -> Start:
    """Start as the process of a job does."""
    return start(values(folder, manifest=manifest), main=False, dry_run=False, say=print)


def values(folder: Path, **more: object) -> dict[str, object]:
    """Return settings that need no program but ffmpeg."""
    folders = {"raw": str(folder / "raw"), "processed": str(folder / "processed")}
    return {**folders, "features": {"text": "none", "vision": "none"}, **more}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The sheets that are read from now on."""
    found = []

    def count(config: Config, folders: MediaFolders | None = None) -> Sheet:
        found.append(config.raw)
        return read_sheet(config, folders)

    monkeypatch.setattr("pipeline.workflow.labels.read_sheet", count)
    return found


def test_a_job_knows_the_labels_without_reading_the_sheet(
    tmp_path: Path, reads: list[Path]
) -> None:
    made = started(tmp_path, f"{HEADER},label_T\nv,1,好,0.2,")
    assert len(reads) == 1
    job = in_job(tmp_path)
    assert len(reads) == 1
    assert (job.labelled, job.labels, job.main) == (made.labelled, made.labels, False)
    assert (job.labelled, job.labels) == (True, {"M"})


@pytest.mark.parametrize("change", ["lost", "damaged", "setting", "edited", "votes"])
def test_a_job_reads_the_sheet_if_nothing_is_noted_of_it_as_it_is(
    tmp_path: Path, reads: list[Path], change: str
) -> None:
    started(tmp_path, f"{HEADER}\nv,1,好,0.2")
    note = tmp_path / "processed" / "logs" / "labels.json"
    sheet, settings = tmp_path / "raw" / "label.csv", {}
    if change == "lost":
        note.unlink()
    elif change == "damaged":
        note.write_text(note.read_text("utf-8").replace("true", "false"), "utf-8")
    elif change == "setting":
        settings = {"label_range": [-3, 3]}
    elif change == "edited":  # at equal size and time
        before = sheet.stat()
        sheet.write_text(f"{HEADER}\nv,1,好,   \n", "utf-8")
        os.utime(sheet, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert sheet.stat().st_size == before.st_size
    else:
        votes = "video_id,clip_id,modality,annotator,vote\nv,1,T,a,1\n"
        sheet.with_name("annotations.csv").write_text(votes, "utf-8")
    job = in_job(tmp_path, **settings)
    assert len(reads) == 2
    assert job.labelled == (change != "edited")
    assert job.labels == {"edited": set(), "votes": {"M", "T"}}.get(change, {"M"})


def test_a_dry_run_notes_nothing(tmp_path: Path) -> None:
    assert started(tmp_path, f"{HEADER}\nv,1,好,0", dry_run=True).labels == {"M"}
    assert not (tmp_path / "processed").exists()


def test_a_start_with_nothing_to_do_does_not_read_the_sheet(
    tmp_path: Path, reads: list[Path]
) -> None:
    made = started(tmp_path, f"{HEADER}\nv,1,好,0.2")
    for dry_run in (True, False):  # the manifest is due: it was not made
        assert started(tmp_path, dry_run=dry_run).written == ["0000"]
    assert len(reads) == 3
    build_manifest(made.config, progress=False)
    for dry_run in (True, False):
        again = started(tmp_path, dry_run=dry_run)
        assert (again.labels, again.written) == ({"M"}, [])
    assert len(reads) == 3


def test_a_build_that_was_killed_before_its_manifest_job_is_planned_as_before(
    tmp_path: Path,
) -> None:
    """The settings file is that of the edited sheet already, and the manifest is not."""
    made = started(tmp_path, f"{HEADER}\nv,1,好,0.2")
    build_manifest(made.config, progress=False)
    assert started(tmp_path, f"{HEADER}\nv,1,好,0.2\nv,2,好,0.4").written == ["0000"]
    assert started(tmp_path).written == ["0000"]
