"""dataset.h5 holds what the feature files hold, padded and described, the same bytes each time."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.audio.extractor import feature_names
from pipeline.config import Config
from pipeline.corpus import MODALITIES, NO_CLASS
from pipeline.dataset.check import dataset_fault
from pipeline.dataset.info import DatasetInfo
from pipeline.dataset.reader import open_dataset
from pipeline.dataset.split import PARTS
from pipeline.dataset.writer import build_dataset
from pipeline.errors import BuildError
from pipeline.openface.columns import FEATURE_NAMES
from pipeline.store.features import Store
from pipeline.store.files import file_digest, read_json, write_json
from pipeline.store.quarantine import read_quarantine
from tests.dataset.features import Given, balanced, build_folder


@pytest.fixture
def built(tmp_path: Path) -> Config:
    config = build_folder(tmp_path, balanced(30))
    build_dataset(config)
    return config


def every_clip(file: h5py.File) -> dict[str, tuple[h5py.Group, int]]:
    return {
        clip: (file[part], row)
        for part in PARTS
        for row, clip in enumerate(file[part]["id"].asstr()[:])
    }


def test_features_are_the_stores_zero_padded_at_the_back(built: Config) -> None:
    store = Store(built.processed)
    with h5py.File(built.processed / "dataset.h5") as file:
        clips = every_clip(file)
        assert len(clips) == 30
        for clip, (group, row) in clips.items():
            for modality in MODALITIES:
                features = store.read(modality, clip).arrays[modality]
                length = int(group[f"{modality}_lengths"][row])
                assert length == len(features)
                assert group[modality].dtype == np.float32
                np.testing.assert_array_equal(group[modality][row, :length], features)
                assert not group[modality][row, length:].any()
            assert group["vision_valid"][row].sum() == group["vision_lengths"][row]


def test_chunks_are_clips_compressed(built: Config) -> None:
    with h5py.File(built.processed / "dataset.h5") as file:
        for name in MODALITIES:
            array = file["train"][name]
            assert array.chunks == (1, *array.shape[1:])
            assert (array.compression, array.shuffle) == ("gzip", True)


def test_clips_stand_in_the_natural_order_of_their_ids(built: Config) -> None:
    with h5py.File(built.processed / "dataset.h5") as file:
        for part in PARTS:
            ids = list(file[part]["id"].asstr()[:])
            assert ids == sorted(ids)
            texts = file[part]["raw_text"].asstr()[:]
            numbers = [int(c[6:10]) * 10 + int(c[-4:]) for c in ids]
            assert list(texts) == [f"第{n}句话。" for n in numbers]


def test_a_sheet_in_another_order_gives_the_same_bytes(tmp_path: Path) -> None:
    clips = [Given(f"v{i % 3}/{i}", M=(-1.0, 0.0, 1.0)[i % 3], steps=(4, 9, 5)) for i in range(12)]
    for number, given in enumerate(clips):
        given.row = {"text": f"第{number}句", "row": 0}
    digests = []
    for name, order in (("a", clips), ("b", clips[::-1])):
        config = build_folder(tmp_path / name, order)
        store = Store(config.processed)
        for given in clips:  # the same features, whatever their place in the sheet
            for stage in ("text", "audio", "vision"):
                features = store.read(stage, given.clip)
                for values in features.arrays.values():
                    values[...] = 1
                store.write(stage, given.clip, str(store.key(stage, given.clip)), features)
        build_dataset(config)
        digests.append(file_digest(config.processed / "dataset.h5"))
        with h5py.File(config.processed / "dataset.h5") as file:
            for part in PARTS:
                ids = list(file[part]["id"].asstr()[:])
                assert ids == sorted(ids, key=lambda c: (c[:2], int(c[3:])))
    assert digests[0] == digests[1]


def test_a_clip_without_m_has_no_class_and_is_not_in_table_3(tmp_path: Path) -> None:
    clips = balanced(30)
    clips[0].row = {"M": math.nan, "T": 0.4}
    config = build_folder(tmp_path, clips)
    build_dataset(config)
    info = DatasetInfo(config.layout.dataset)
    row = info.clips.set_index("id").loc[clips[0].clip]
    assert math.isnan(row["M"])
    assert row["T"] == 0.4
    assert row["class"] is None
    assert info.table3()["total"].sum() == 29
    with h5py.File(config.layout.dataset) as file:
        group, place = every_clip(file)[clips[0].clip]
        assert group["class"][place] == NO_CLASS


NO_LABELS = {"M": math.nan, "T": math.nan, "A": math.nan}


def test_clips_without_labels_are_a_part_of_their_own_and_change_no_other(tmp_path: Path) -> None:
    labelled = balanced(30)
    bare = [Given(f"zoo/{i}", row=NO_LABELS, steps=(90, 90, 90)) for i in range(4)]
    build_dataset(build_folder(tmp_path / "a", labelled))
    build_dataset(build_folder(tmp_path / "b", [*labelled, *bare]))
    with h5py.File(tmp_path / "a/dataset.h5") as without, h5py.File(tmp_path / "b/dataset.h5") as f:
        assert "unlabelled" not in without
        for part in PARTS:
            assert f.attrs[f"digest_{part}"] == without.attrs[f"digest_{part}"]
        assert f.attrs["audio_length_statistics"] == without.attrs["audio_length_statistics"]
        group = f["unlabelled"]
        assert group["id"].asstr()[:].tolist() == ["zoo/0", "zoo/1", "zoo/2", "zoo/3"]
        assert group["audio"].shape[1:] == f["train/audio"].shape[1:]
        assert group["quality/audio_truncated"][:].tolist() == [1, 1, 1, 1]
        assert np.isnan(group["labels/M"][:]).all()
        assert group["class"][:].tolist() == [NO_CLASS] * 4


def test_unlabelled_clips_are_in_no_table_and_no_histogram(tmp_path: Path) -> None:
    bare = [Given(f"zoo/{i}", row=NO_LABELS) for i in range(4)]
    build_dataset(build_folder(tmp_path, [*balanced(30), *bare]))
    info = DatasetInfo(tmp_path / "dataset.h5")
    assert info.clips["part"].value_counts()["unlabelled"] == 4
    assert info.table1().clips == 30
    assert info.table3()["total"].sum() == 30
    assert info.label_histogram()["M"].sum() == 30


def test_a_sheet_may_put_labelled_clips_into_unlabelled(tmp_path: Path) -> None:
    clips = balanced(31)
    clips[4].row = {"mode": "unlabelled"}
    build_dataset(build_folder(tmp_path, clips))
    with h5py.File(tmp_path / "dataset.h5") as file:
        assert file["unlabelled/id"].asstr()[:].tolist() == [clips[4].clip]
        assert file["unlabelled/labels/M"][0] == 1.0


def test_a_corpus_without_labels_is_padded_by_its_own_lengths(tmp_path: Path) -> None:
    bare = [Given(f"zoo/{i}", row=NO_LABELS, steps=(5, 10 + i, 8)) for i in range(3)]
    config = build_folder(tmp_path, bare)
    split = build_dataset(config)
    assert (split.kind, split.reason) == ("none", "no clip has a label")
    with h5py.File(tmp_path / "dataset.h5") as file:
        assert [len(file[part]["id"]) for part in PARTS] == [0, 0, 0]
        assert file["unlabelled/audio"].shape[1] == int(11 + 3 * np.std([10, 11, 12]))
    assert dataset_fault(tmp_path / "dataset.h5", config) == ""
    assert len(DatasetInfo(tmp_path / "dataset.h5").clips) == 3


def test_labels_classes_and_quality_are_those_of_the_clip(built: Config) -> None:
    with h5py.File(built.processed / "dataset.h5") as file:
        group, row = every_clip(file)["video_0000/0001"]
        assert group["labels"]["M"][row] == np.float32(-0.4)
        assert math.isnan(group["labels"]["V"][row])
        assert group["class"][row] == 1
        quality = {name: values[row] for name, values in group["quality"].items()}
        assert quality["success_share"] == 0.75
        assert quality["loudness_db"] == -20.0
        assert quality["unknown_tokens"] == 1
        assert quality["duration"] == 2.5
        assert (quality["audio_steps"], quality["audio_truncated"]) == (11, 0)


def test_attributes_say_what_every_dimension_is_and_how_it_was_made(built: Config) -> None:
    with h5py.File(built.processed / "dataset.h5") as file:
        attributes = dict(file.attrs)
    assert tuple(json.loads(attributes["audio_names"])) == feature_names(built.audio)
    assert tuple(json.loads(attributes["vision_names"])) == FEATURE_NAMES
    assert json.loads(attributes["text_names"])[767] == "bert_767"
    assert json.loads(attributes["config"])["dataset"]["sigmas"] == 3.0
    assert {"python", "h5py", "ffmpeg", "torch"} <= json.loads(attributes["versions"]).keys()
    statistics = json.loads(attributes["audio_length_statistics"])
    assert statistics["mean"] == pytest.approx(np.mean([10 + i % 7 for i in range(30)]))
    assert attributes["preset"] == "paper"
    assert len({attributes[f"digest_{part}"] for part in PARTS}) == 3
    assert str(built.processed) not in str(attributes)


def test_a_rebuild_in_another_process_gives_the_same_bytes(built: Config) -> None:
    path = built.processed / "dataset.h5"
    before = file_digest(path)
    path.unlink()
    code = (
        "from pipeline.config import Config; from pipeline.dataset.writer import build_dataset;"
        f"build_dataset(Config.model_validate_json({built.model_dump_json()!r}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert file_digest(path) == before


def test_long_clips_lose_their_end_and_say_so(tmp_path: Path) -> None:
    clips = balanced(30)
    clips[3].steps = (5, 400, 8)
    config = build_folder(tmp_path, clips, dataset={"sigmas": 1.0})
    build_dataset(config)
    whole = Store(tmp_path).read("audio", clips[3].clip).arrays["audio"]
    with h5py.File(tmp_path / "dataset.h5") as file:
        group, row = every_clip(file)[clips[3].clip]
        length = group["audio"].shape[1]
        assert length < 400
        assert group["audio_lengths"][row] == length
        assert group["quality/audio_steps"][row] == 400
        assert group["quality/audio_truncated"][row] == 1
        np.testing.assert_array_equal(group["audio"][row], whole[:length])
        assert json.loads(file.attrs["audio_length_statistics"])["shortened"] == 1


def test_what_the_stages_found_sends_clips_to_quarantine_or_warns(tmp_path: Path) -> None:
    clips = balanced(30)
    clips[1].infos = {"faces": {"face_share": 0.0}}
    clips[2].infos = {"faces": {"second_face_share": 0.5}}
    clips[3].infos = {"faces": {"errors": 15}, "audio": {"errors": 2}}
    config = build_folder(tmp_path, clips)
    build_dataset(config)
    (entry,) = read_quarantine(config.layout.quarantine)
    assert (entry.clip, entry.stage) == (clips[1].clip, "dataset")
    assert entry.reason == "no face was found in any frame"
    with h5py.File(tmp_path / "dataset.h5") as file:
        found = every_clip(file)
        assert clips[1].clip not in found
        group, row = found[clips[2].clip]
        assert "second face in 50%" in group["quality/warnings"].asstr()[row]
        group, row = found[clips[3].clip]
        warned = group["quality/warnings"].asstr()[row]
        assert "ffmpeg met 15 errors in its video" in warned
        assert "ffmpeg met 2 errors in its sound" in warned


def test_the_quarantine_gathers_every_stage_and_names_a_clip_once(tmp_path: Path) -> None:
    clips = balanced(12)
    config = build_folder(tmp_path, clips)
    lost = {"clip": clips[5].clip, "stage": "faces", "reason": "broken", "remedy": "mend it"}
    for stage in ("vision", "audio"):
        path = tmp_path / "records" / stage / "0001.json"
        record = read_json(path)
        del record["clips"][clips[5].clip]
        write_json(path, {**record, "quarantine": [lost]})
    refused = {"clip": "v/9", "stage": "manifest", "reason": "no, file", "remedy": "add it"}
    write_json(tmp_path / "manifest_quarantine.json", [refused])
    build_dataset(config)
    found = read_quarantine(config.layout.quarantine)
    assert [entry.as_dict() for entry in found] == [refused, lost]


def test_a_demo_text_model_and_imported_csvs_are_warned_of(tmp_path: Path) -> None:
    label = "untrained text model: demo only"
    clips = balanced(30, infos={"text": {"model": label}})
    clips[0].infos = {**clips[0].infos, "openface": {"runtime": "import"}}
    build_dataset(build_folder(tmp_path, clips))
    with h5py.File(tmp_path / "dataset.h5") as file:
        warnings = json.loads(file.attrs["warnings"])
    assert label in warnings
    assert any("imported OpenFace CSVs" in warning for warning in warnings)


def test_the_dataset_says_which_openfaces_made_it(tmp_path: Path) -> None:
    programs = ["image sha256:1f, /bin/FeatureExtraction", "program sha256:2e, models sha256:3d"]
    clips = balanced(30, infos={"openface": {"made_by": programs[0]}})
    clips[0].infos = {**clips[0].infos, "openface": {"made_by": programs[1]}}
    build_dataset(build_folder(tmp_path, clips))
    with h5py.File(tmp_path / "dataset.h5") as file:
        assert json.loads(file.attrs["openface_programs"]) == programs
        warnings = json.loads(file.attrs["warnings"])
    assert any("come from 2 different OpenFaces" in warning for warning in warnings)


@pytest.mark.parametrize("stage", ["faces", "openface", "text"])
def test_no_dataset_is_made_where_a_file_is_gone(tmp_path: Path, stage: str) -> None:
    """Without its faces' figures, a clip without a face would pass."""
    clips = balanced(10)
    config = build_folder(tmp_path, clips)
    Store(tmp_path).path(stage, clips[3].clip).unlink()
    with pytest.raises(BuildError, match=f"{stage}/{clips[3].clip}.* is missing"):
        build_dataset(config)


def test_a_feature_file_of_another_key_stops_the_build(tmp_path: Path) -> None:
    clips = balanced(10)
    config = build_folder(tmp_path, clips)
    store = Store(tmp_path)
    store.write("audio", clips[4].clip, "other", store.read("audio", clips[4].clip))
    with pytest.raises(BuildError, match=r"audio/video_0000/0004\.safetensors was made from other"):
        build_dataset(config)


def test_features_of_other_settings_never_reach_a_file_that_states_these(tmp_path: Path) -> None:
    """Records and files that agree with each other, but not with the build's settings."""
    clips = balanced(10)
    made = build_folder(tmp_path, clips)
    asked = made.model_copy(update={"audio": made.audio.model_copy(update={"f0": "yin"})})
    with pytest.raises(BuildError, match=r"(?s)was made with other settings.*--stage audio"):
        build_dataset(asked)
    assert not (tmp_path / "dataset.h5").exists()


def test_an_unfinished_stage_and_a_lost_file_stop_the_build(tmp_path: Path) -> None:
    clips = balanced(10)
    config = build_folder(tmp_path, clips)
    Store(tmp_path).path("text", clips[0].clip).unlink()
    with pytest.raises(BuildError, match="missing or damaged"):
        build_dataset(config)
    (tmp_path / "records" / "audio" / "0001.json").unlink()
    with pytest.raises(BuildError, match=r"(?s)audio stage is not finished.*--stage audio"):
        build_dataset(config)


def test_features_that_are_no_numbers_never_reach_the_file(tmp_path: Path) -> None:
    clips = balanced(10)
    config = build_folder(tmp_path, clips)
    store = Store(tmp_path)
    features = store.read("audio", clips[4].clip)
    features.arrays["audio"][3, 2] = np.nan
    key = store.key("audio", clips[4].clip)
    assert key is not None
    store.write("audio", clips[4].clip, key, features)
    with pytest.raises(BuildError, match=r"audio feature of clip video_0000/0004 holds NaN"):
        build_dataset(config)
    assert not (tmp_path / "dataset.h5").exists()


def test_no_clip_left_says_why(tmp_path: Path) -> None:
    clips = [Given(f"v/{i}", infos={"faces": {"face_share": 0.0}}) for i in range(3)]
    with pytest.raises(BuildError, match=r"all 3 are in quarantine\n  3 x dataset: no face"):
        build_dataset(build_folder(tmp_path, clips))


FULL_DISK = """
import resource, sys
from pipeline.config import Config
from pipeline.dataset.writer import build_dataset
from pipeline.errors import BuildError
config, limit = Config.model_validate_json(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    build_dataset(config)
except BuildError as error:
    print(error.problem)
"""


@pytest.mark.parametrize("share", [0.01, 0.999])
def test_a_disk_that_fills_up_is_an_error_and_leaves_the_old_file(
    built: Config, share: float
) -> None:
    path = built.processed / "dataset.h5"
    before = file_digest(path)
    limit = str(int(path.stat().st_size * share))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, built.model_dump_json(), limit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (f"cannot write {path}: File too large", "")
    assert done.returncode == 0
    assert file_digest(path) == before
    assert not list(built.processed.glob(".*.tmp"))


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path: Path) -> None:
    peaks = []
    for count in (10, 35):
        clips = balanced(count)
        for clip in clips:
            clip.steps = (20, 200, 150)
        config = build_folder(tmp_path / str(count), clips)
        tracemalloc.start()
        build_dataset(config)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_clip = 4 * (20 * 768 + 200 * 33 + 150 * 709)
    assert peaks[1] - peaks[0] < 2 * one_clip


def test_hostile_texts_are_stored_as_they_are(tmp_path: Path) -> None:
    clips = balanced(10)
    text = "<script>alert(1)</script> \u202e😀 '\"; " + "长" * 5000
    clips[0].row = {"text": text}
    config = build_folder(tmp_path, clips)
    build_dataset(config)
    with h5py.File(tmp_path / "dataset.h5") as file:
        group, row = every_clip(file)[clips[0].clip]
        assert group["raw_text"].asstr()[row] == text


def test_kept_columns_reach_every_part_and_its_items(tmp_path: Path) -> None:
    clips = balanced(30)
    for number, clip in enumerate(clips):
        clip.row = {"emotion": "喜" if number % 2 else "", "arousal": number / 10}
    plain = build_folder(tmp_path / "plain", balanced(30))
    build_dataset(plain)
    manifest = {"keep_columns": ["emotion", "arousal"]}
    config = build_folder(tmp_path, clips, manifest=manifest)
    build_dataset(config)
    with h5py.File(config.layout.dataset) as file, h5py.File(plain.layout.dataset) as without:
        for part in PARTS:
            assert file[part]["columns/arousal"].dtype == np.float64
            assert file.attrs[f"digest_{part}"] == without.attrs[f"digest_{part}"]
            assert "columns" not in without[part]
        place = file["train/id"].asstr()[:].tolist().index(file["train/id"].asstr()[3])
    item = open_dataset(config.layout.dataset, "train")[place]
    number = int(item["id"][6:10]) * 10 + int(item["id"][-4:])
    assert item["columns"] == {"emotion": "喜" if number % 2 else "", "arousal": number / 10}
    assert dataset_fault(config.layout.dataset, config) == ""


def test_a_dataset_says_which_range_its_labels_had(tmp_path: Path) -> None:
    config = build_folder(tmp_path, balanced(30), manifest={"label_range": [-3, 3]})
    build_dataset(config)
    with h5py.File(config.layout.dataset) as file:
        assert json.loads(file.attrs["label_range"]) == [-3, 3]
        assert json.loads(file.attrs["config"])["manifest"]["label_range"] == [-3, 3]
