"""Feature files become datasets: clips, features, lengths, labels, and what is said of them."""

from __future__ import annotations

import doctest
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.adopt import content as content_module
from pipeline.adopt import known, run
from pipeline.adopt.known import Published
from pipeline.adopt.record import read_adopted
from pipeline.adopt.run import adopt
from pipeline.commands.cli import main
from pipeline.commands.verify import verify
from pipeline.config import Config
from pipeline.dataset.info import DatasetInfo
from pipeline.errors import BuildError
from pipeline.exports.run import export
from pipeline.openface.columns import FEATURE_NAMES
from pipeline.opensmile.extractor import feature_names as extracted_names
from pipeline.opensmile.settings import OpenSmileSettings
from tests.adopt import files, python2

Change = Callable[[dict[str, Any]], None]


def adopted(tmp_path: Path, content: Any, protocol: int = 4) -> tuple[Config, list[str]]:
    said: list[str] = []
    tmp_path.mkdir(exist_ok=True)
    path = files.write(tmp_path / "features.pkl", content, protocol)
    return adopt(path, tmp_path / "sims", say=said.append), said


def h5(config: Config) -> h5py.File:
    return h5py.File(config.layout.dataset)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_published_file_is_adopted_value_by_value(protocol: int, tmp_path: Path) -> None:
    content = files.published()
    config, said = adopted(tmp_path, content, protocol)
    with h5(config) as file:
        for name, part in content.items():
            group = file[name]
            assert group["id"].asstr()[:].tolist() == [i.replace("$_$", "/") for i in part["id"]]
            assert group["raw_text"].asstr()[:].tolist() == part["raw_text"]
            for modality in ("text", "audio", "vision"):
                np.testing.assert_array_equal(group[modality][:], part[modality])
            for modality in ("audio", "vision"):
                assert group[f"{modality}_lengths"][:].tolist() == part[f"{modality}_lengths"]
            assert (group["text_lengths"][:] == part["text_bert"][:, 1].sum(1)).all()
            for task, suffix in zip("MTAV", ("", "_T", "_A", "_V"), strict=True):
                np.testing.assert_array_equal(
                    group[f"labels/{task}"][:], part[f"regression_labels{suffix}"]
                )
            np.testing.assert_array_equal(group["text_bert"][:], part["text_bert"])
    words = "\n".join(said)
    assert "text: lengths from the mask of text_bert" in words
    assert "audio: lengths as the file states them" in words
    assert "33 dimensions, named as the 33 values of CH-SIMS' published recipe" in words
    assert "6 dimensions, of which no names are known" in words


def test_the_dataset_is_one_like_any_other(tmp_path: Path) -> None:
    config, _ = adopted(tmp_path, files.published())
    info = DatasetInfo(config.layout.dataset)
    assert info.digest and len(info.clips) == sum(files.COUNTS.values())
    assert info.attributes["vision_names"] == [
        name for name in FEATURE_NAMES if name in set(info.attributes["vision_names"])
    ]
    assert info.attributes["adopted"]["sha256"] == read_adopted(config.layout).digest  # type: ignore[union-attr]
    kinds = list(verify(config))
    assert not [fault for kind in kinds for fault in kind.faults]
    assert {kind.kind: kind.whole for kind in kinds}["dataset"] == 2
    again, _ = adopted(tmp_path / "again", files.published())
    assert info.digest == DatasetInfo(again.layout.dataset).digest


def test_the_output_of_mmsa_fet_is_adopted(tmp_path: Path) -> None:
    content = files.mmsa_fet()
    config, said = adopted(tmp_path, content, pickle.HIGHEST_PROTOCOL)
    with h5(config) as file:
        np.testing.assert_array_equal(
            file["valid/audio"][:], content["valid"]["audio"].astype(np.float32)
        )
        assert np.isnan(file["train/labels/T"][:]).all()
        assert not np.isnan(file["train/labels/M"][:]).any()
    words = "\n".join(said)
    assert "audio: float64 in the file, float32 here" in words
    assert "38 clips of train, valid and test have no label T" in words


def test_a_file_of_python_2_is_adopted(tmp_path: Path) -> None:
    content = files.published()
    (tmp_path / "old.pkl").write_bytes(python2.dumps(content))
    config = adopt(tmp_path / "old.pkl", tmp_path / "sims")
    with h5(config) as file:
        assert file["test/raw_text"].asstr()[:].tolist() == content["test"]["raw_text"]
        np.testing.assert_array_equal(file["test/vision"][:], content["test"]["vision"])


def test_values_that_are_no_numbers_become_zero_and_are_counted(tmp_path: Path) -> None:
    content = files.published()
    content["train"]["audio"][3, 1, :5] = -np.inf
    content["train"]["vision"][2, 0, 7] = np.nan
    content["test"]["vision"][2, 1, 7] = np.inf
    config, said = adopted(tmp_path, content)
    with h5(config) as file:
        assert (file["train/audio"][3, 1, :5] == 0).all() and file["train/audio"][3, 1, 5] != 0
        assert file["train/vision"][2, 0, 7] == 0
        warnings = json.loads(file.attrs["warnings"])
    for words in (
        "audio: 5 -inf in 1 clips became 0, as in the published code",
        "vision: 1 inf, 1 NaN in 2 clips became 0, as in the published code",
    ):
        assert words in said and words in warnings


def test_lengths_are_derived_where_the_file_states_none(tmp_path: Path) -> None:
    content, expected = files.published(), {}
    for name, part in content.items():
        expected[name] = part["audio_lengths"]
        del part["audio_lengths"], part["vision_lengths"], part["text_bert"]
    config, said = adopted(tmp_path, content)
    with h5(config) as file:
        for name, lengths in expected.items():
            assert file[f"{name}/audio_lengths"][:].tolist() == lengths
    assert "audio: lengths derived: everything up to the last row that is not all zeros" in said


def test_aligned_features_have_the_lengths_of_the_text(tmp_path: Path) -> None:
    content = files.published(steps={"audio": 7, "vision": 7})
    for part in content.values():
        del part["audio_lengths"], part["vision_lengths"]
        inside = part["text_bert"][:, 1] > 0
        for modality in ("audio", "vision"):
            part[modality] = part[modality] * inside[:, :, None]
    config, said = adopted(tmp_path, content)
    with h5(config) as file:
        tokens = content["train"]["text_bert"][:, 1].sum(1)
        assert (file["train/vision_lengths"][:] == tokens).all()
    assert "vision: lengths those of the text, to which the file aligns it" in said


def test_lengths_that_do_not_fit_the_values_are_put_right(tmp_path: Path) -> None:
    content = files.published()
    train = content["train"]
    train["audio_lengths"][0] = 400  # before it was cut
    train["audio"][1, :] = 1.0
    train["audio_lengths"][1] = 3
    front = np.zeros((12, 33), np.float32)
    front[8:] = 2.0
    train["audio"][2], train["audio_lengths"][2] = front, 4
    config, said = adopted(tmp_path, content)
    with h5(config) as file:
        lengths = file["train/audio_lengths"][:]
        assert lengths[:3].tolist() == [12, 12, 4]
        assert (file["train/audio"][2, :4] == 2).all() and not file["train/audio"][2, 4:].any()
    words = "\n".join(said)
    assert "1 clips have stated lengths beyond their 12 rows" in words
    assert "1 clips have values beyond their stated length" in words
    assert "1 clips were padded in front" in words


def test_lists_of_arrays_are_padded(tmp_path: Path) -> None:
    content = files.published()
    for part in content.values():
        lengths = part.pop("audio_lengths")
        part["audio"] = [rows[:n] for rows, n in zip(part["audio"], lengths, strict=True)]
        part["vision"] = np.array([*part["vision"], None], dtype=object)[:-1]
        del part["vision_lengths"]
        part["expected"] = lengths
    config, _ = adopted(tmp_path, content)
    with h5(config) as file:
        assert file["train/audio_lengths"][:].tolist() == content["train"]["expected"]


def test_parts_ids_and_keys_of_other_names_are_understood(tmp_path: Path) -> None:
    content = files.published()
    content = {"Train": content["train"], "dev": content["valid"], "TEST": content["test"]}
    content["dev"]["id"] = [f"03bSnISJMiM[{i}]" for i in range(6)]
    content["TEST"]["id"] = ["../etc/passwd", "a/b", "a/b", "x", "", "q_1", "q_2", "q_3"]
    content["TEST"]["visual"] = content["TEST"].pop("vision")
    content["TEST"]["visual_lengths"] = content["TEST"].pop("vision_lengths")
    config, said = adopted(tmp_path, content)
    with h5(config) as file:
        assert "03bSnISJMiM/3" in file["valid/id"].asstr()[:]
        ids = file["test/id"].asstr()[:].tolist()
    assert {"a/b", "a/b-2", "x/x", "q/1"} <= set(ids) and not any(".." in i for i in ids)
    words = "\n".join(said)
    assert "ids cannot be file names and were changed" in words
    assert "1 ids occur twice and were numbered" in words


def test_ids_and_transcripts_that_the_file_lacks_are_said(tmp_path: Path) -> None:
    content = files.published()
    del content["test"]["id"], content["valid"]["raw_text"]
    config, said = adopted(tmp_path, content)
    assert "test has no ids; they are numbers here" in said
    assert "valid has no transcripts; they are empty here" in said
    with h5(config) as file:
        assert file["test/id"].asstr()[0] == "test/00000"


def test_the_mixed_part_of_ch_sims_v2_gives_its_unlabelled_clips(tmp_path: Path) -> None:
    content = files.published()
    other = files.part("mixed", 30, np.random.default_rng(1))
    other["id"][:24] = content["train"]["id"]
    content["train_mix"] = {**other, "mask": np.array([1] * 24 + [0] * 6)}
    config, _ = adopted(tmp_path, content)
    with h5(config) as file:
        assert len(file["unlabelled/id"]) == 6
        assert np.isnan(file["unlabelled/labels/M"][:]).all()
        assert (file["unlabelled/class"][:] == -1).all()


def test_a_published_digest_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write(tmp_path / "x.pkl", files.published())
    digest = run.file_digest(path)
    facts = {digest: Published("the file of a test", {"audio": 43.0})}
    monkeypatch.setattr(run, "PUBLISHED", facts)
    config = adopt(path, tmp_path / "sims")
    with h5(config) as file:
        assert json.loads(file.attrs["modalities"])["audio"]["steps_per_second"] == 43
        assert "the file of a test" in file.attrs["warnings"]
    assert "c9e20c13ec0454d98bb9c1e520e490c75146bfa2dfeeea78d84de047dbdd442f" in known.PUBLISHED


def without(key: str) -> Change:
    return lambda content: content.pop(key)


def in_train(**values: Any) -> Change:
    return lambda content: content["train"].update(values)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without("test"), "no part test"),
        (in_train(audio=np.zeros((24, 33), np.float32)), "expected clips, steps"),
        (in_train(audio=np.zeros((23, 12, 33), np.float32)), "columns of different lengths"),
        (in_train(audio=np.zeros((24, 12, 5), np.float32)), "other widths in other parts"),
        (in_train(audio=["x"] * 24), "audio is no"),
        (in_train(regression_labels=[3.0] * 24), "reach 3; sentiments from -1 to 1"),
        (in_train(regression_labels=["x"] * 24), "are not numbers"),
        (in_train(audio_lengths=[1, 2]), "2 lengths for 24 clips"),
        (in_train(text=None, audio=None, vision=None), "no feature"),
        (in_train(vision=None), "has the features"),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(
    change: Change, named: str, tmp_path: Path
) -> None:
    content = files.published()
    change(content)
    with pytest.raises(BuildError, match="is not adopted") as refused:
        adopted(tmp_path, content)
    assert named in refused.value.problem
    assert not (tmp_path / "sims").exists()


ODD: tuple[Any, ...] = (
    *(None, -1, 2**70, "x", b"\xff", [], {}, [[1], [2]], np.zeros(0), np.array(5.0)),
    *(np.zeros((2, 0, 3)), np.array(["a", "b"]), np.array([None, [1]], dtype=object)),
    *([np.zeros((3, 2))] * 2, [np.zeros((0, 2))] * 2, np.full(2, np.nan), np.array([1e300, 0])),
)


@pytest.mark.parametrize("key", ["id", "raw_text", "audio", "audio_lengths", "text_bert", "part"])
def test_whatever_stands_in_a_column_is_read_or_refused(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "COUNTS", {"train": 3, "valid": 2, "test": 2})
    refused = 0
    for value in ODD:
        content: dict[str, Any] = files.published()
        if key == "part":
            content["train_mix"] = value
        else:
            content["valid"][key] = value
        try:
            adopt(files.write(tmp_path / "x.pkl", content), tmp_path / "sims", force=True)
        except BuildError:
            refused += 1
    assert refused or key == "text_bert"


def test_one_array_for_every_clip_is_no_feature_file(tmp_path: Path) -> None:
    array = np.ones((4000, 33), np.float32)
    content = files.published()
    for part in content.values():
        part["audio"] = [array] * len(part["id"])
        part["id"] = part["id"]
    content["train"] = {
        key: value * 60 if isinstance(value, list) else np.concatenate([value] * 60)
        for key, value in content["train"].items()
    }
    with pytest.raises(BuildError, match="whose features would take"):
        adopted(tmp_path, content)


def test_another_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "sims").mkdir()
    (tmp_path / "sims/dataset.h5").write_text("mine")
    with pytest.raises(BuildError, match=r"holds something else, e\.g\. dataset\.h5"):
        adopted(tmp_path, files.published())
    shutil.rmtree(tmp_path / "sims")
    adopted(tmp_path, files.published())
    adopted(tmp_path, files.published())  # the same file again
    other = files.write(tmp_path / "other.pkl", files.mmsa_fet())
    with pytest.raises(BuildError, match=r"of another file, features\.pkl"):
        adopt(other, tmp_path / "sims")
    adopt(other, tmp_path / "sims", force=True)


def test_settings_that_the_user_added_survive_another_adoption(tmp_path: Path) -> None:
    config, _ = adopted(tmp_path, files.published())
    path = config.layout.adopted_config
    mine = path.read_text("utf-8") + "train:\n  models: [lf_dnn]\n"
    path.write_text(mine, "utf-8")
    said: list[str] = []
    adopt(tmp_path / "features.pkl", config.processed, say=said.append)
    assert path.read_text("utf-8") == mine
    assert any("kept with the settings that you added" in words for words in said)


def test_what_was_exported_is_adopted_unchanged(tmp_path: Path) -> None:
    first, _ = adopted(tmp_path, files.published())
    path = export(first, "mmsa", tmp_path / "again.pkl").path
    second = adopt(path, tmp_path / "second")
    assert DatasetInfo(first.layout.dataset).digest == DatasetInfo(second.layout.dataset).digest


def test_the_command_prints_what_to_do_next(tmp_path: Path) -> None:
    path = files.write(tmp_path / "x.pkl", files.published())
    done = CliRunner().invoke(main, ["adopt", str(path), "--to", str(tmp_path / "sims")])
    assert done.exit_code == 0, done.output
    assert f"chsims-build --config {tmp_path / 'sims/config.yaml'}" in done.output
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refused = CliRunner().invoke(main, ["adopt", str(path), "--to", str(tmp_path / "other")])
    assert refused.exit_code == 2 and "os.system" in refused.output


def test_the_examples_of_the_docstrings_hold() -> None:
    found = doctest.testmod(content_module)
    assert found.attempted and not found.failed


def test_the_egemaps_names_are_those_of_opensmile() -> None:
    pytest.importorskip("opensmile", reason="opensmile is not installed")
    of_the_library = extracted_names(OpenSmileSettings())
    assert [name.rpartition("_sma3")[0] for name in of_the_library] == list(
        known.names_of("audio", 25)[0]
    )
