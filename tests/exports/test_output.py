"""Where exports go: nothing of the user's is overwritten, and interrupted calls resume."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.commands.cli import main
from pipeline.errors import BuildError
from pipeline.exports import webdataset
from pipeline.exports.registry import FORMATS
from pipeline.exports.run import export
from tests.exports.corpus import Shape, dataset

FOLDER, FILE = "webdataset", "csv"


@pytest.mark.parametrize("form", [FOLDER, FILE])
def test_the_same_export_again_writes_nothing(form: str, tmp_path: Path) -> None:
    config = dataset(tmp_path / "build")
    first = export(config, form, tmp_path / "out")
    again = export(config, form, tmp_path / "out")
    assert not first.was_there and again.was_there


@pytest.mark.parametrize("form", [FOLDER, FILE])
def test_an_export_of_an_earlier_dataset_is_replaced(form: str, tmp_path: Path) -> None:
    export(dataset(tmp_path / "build"), form, tmp_path / "out")
    config = dataset(tmp_path / "build", Shape({"text": 3}))
    assert not export(config, form, tmp_path / "out").was_there
    assert export(config, form, tmp_path / "out").was_there
    assert sorted(p.name for p in tmp_path.iterdir() if "old" in p.name or ".out" in p.name) == []


@pytest.mark.parametrize("form", [FOLDER, FILE])
def test_something_else_is_never_overwritten_unasked(form: str, tmp_path: Path) -> None:
    config, out = dataset(tmp_path / "build"), tmp_path / "out"
    if form == FOLDER:
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        out.write_text("mine")
    with pytest.raises(BuildError, match="is not an unchanged export"):
        export(config, form, out)
    said: list[str] = []
    export(config, form, out, force=True, say=said.append)
    kept = tmp_path / "out.old"
    assert (kept / "mine.txt" if form == FOLDER else kept).read_text() == "mine"
    assert said == [f"{out} is now {kept}"]
    (out / "added" if form == FOLDER else out).write_text("mine, too")
    with pytest.raises(BuildError, match="would be renamed"):
        export(config, form, out, force=True)


def test_an_interrupted_export_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "SHARD_BYTES", 300)
    config, out = dataset(tmp_path / "build"), tmp_path / "out"
    written: list[str] = []
    write_shard = webdataset._write_shard

    def stop_at_third(path: Path, clips: object) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        write_shard(path, clips)  # type: ignore[arg-type]

    monkeypatch.setattr(webdataset, "_write_shard", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        export(config, FOLDER, out)
    assert not out.exists()
    monkeypatch.setattr(webdataset, "_write_shard", write_shard)
    whole = export(config, FOLDER, tmp_path / "whole").path
    damaged = next((tmp_path / ".out.export").glob("*.tar"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    resumed: list[str] = []

    def count(path: Path, clips: object) -> None:
        resumed.append(path.name)
        write_shard(path, clips)  # type: ignore[arg-type]

    monkeypatch.setattr(webdataset, "_write_shard", count)
    export(config, FOLDER, out)
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in out.iterdir()) == names
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in names)
    assert len(resumed) == len([n for n in names if n.endswith(".tar")]) - 1  # the damaged anew


def test_the_help_names_every_format_and_the_path_is_printed(tmp_path: Path) -> None:
    dataset(tmp_path / "build")
    told = CliRunner().invoke(main, ["export", "--help"])
    assert all(f"  {name} " in told.output for name in FORMATS)
    done = CliRunner().invoke(
        main, ["export", "--to", "csv", "--set", f"processed={tmp_path / 'build'}"]
    )
    assert done.exit_code == 0
    assert done.stdout.strip() == str(tmp_path / "build/exports/csv.csv")


def test_without_a_dataset_the_command_says_what_to_build(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", "--to", "csv", "--set", f"processed={tmp_path}"])
    assert done.exit_code == 2
    assert "chsims-build --stage dataset" in done.output
