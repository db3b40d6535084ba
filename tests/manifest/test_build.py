"""The manifest holds the usable clips, the quarantine the others, each with its reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config import Config, make_config
from pipeline.errors import BuildError
from pipeline.manifest.build import build_manifest, read_manifest
from pipeline.store.files import file_digest, read_json
from pipeline.store.shards import read_shard

Corpus = Callable[..., Config]
HEADER = "video_id,clip_id,text,label\n"


def quarantine(config: Config) -> dict[str, str]:
    entries = read_json(config.processed / "manifest_quarantine.json")
    assert all(set(entry) == {"clip", "stage", "reason", "remedy"} for entry in entries)
    return {entry["clip"]: entry["reason"] for entry in entries}


def shards(config: Config) -> list[list[str]]:
    files = sorted((config.processed / "shards").glob("*.json"))
    return [[row["clip"] for row in read_json(file)["clips"]] for file in files]


def test_the_demo_corpus_is_whole(tmp_path: Path) -> None:
    config = make_config({"raw": "raw/demo", "processed": str(tmp_path)})
    build_manifest(config)
    table = read_manifest(tmp_path)
    assert len(table) == 30
    assert table["duration"].sum() == pytest.approx(94.8, abs=0.5)
    assert sorted(table["fps"].round(3).unique()) == [23.976, 25.0, 30.0]
    assert (table["warnings"].map(len) == 0).all()
    assert quarantine(config) == {}
    assert [len(clips) for clips in shards(config)] == [30]
    first = read_json(tmp_path / "shards" / "0000.json")["clips"][0]
    assert first == {
        "clip": "video_0001/0001",
        "media": "video_0001/0001.mp4",
        "media_digest": file_digest(config.raw / "video_0001" / "0001.mp4"),
        "seconds": table["duration"][0],
        "text": "我真的受够了，你走吧。",
        "streams": {
            "video": 0,
            "audio": 1,
            "origin": 0.0,
            "zero": 0.0,
            "width": 320,
            "height": 240,
            "announced": 4.16,
        },
    }


def test_good_clips_go_on_and_bad_ones_are_named(corpus: Corpus) -> None:
    files = {f"v/{i:04d}.mp4": "plain.mp4" for i in (1, 2, 3)} | {
        "v/0004.mp4": "silent.mp4",
        "v/0005.mp4": "short.mp4",
        "v/0006.mov": "phone.mov",
        "v/0006.mkv": "film.mkv",
    }
    lines = [
        "v,1,你好,0.2",
        "v,2,你好,0.25",
        "v,3,,0",
        "v,4,你好,0",
        "v,5,你好,0",
        "v,6,你好,0",
        "v,7,你好,0",
        "v,8,你好,",
        "../v,1,你好,0",
        "v,1\u202e,你好,0",
    ]
    config = corpus(files, HEADER + "\n".join(lines))
    build_manifest(config)
    table = read_manifest(config.processed)
    assert list(table["clip"]) == ["v/0001", "v/0002", "v/0005"]
    assert list(table["row"]) == [0, 1, 4]
    assert table["warnings"].tolist()[1:] == [
        ["labels off the grid -1.0, -0.8 ... 1.0: M 0.25"],
        ["0.40 s, shorter than 1 s"],
    ]
    found = quarantine(config)
    assert list(found) == ["v/0003", "v/0004", "v/0006", "v/7", "v/8", "../v/1", "v/1\\u202e"]
    assert found["v/0003"] == "line 4: column text: its transcript is empty"
    assert found["v/0004"] == "line 5: the file has no audio stream"
    assert found["v/8"].startswith("line 9: no media file")
    assert "0006.mkv, 0006.mov" in found["v/0006"]
    assert "no media file" in found["v/7"]
    assert "not an id" in found["../v/1"]


def test_a_doubled_id_is_refused_once_and_both_lines_are_named(corpus: Corpus) -> None:
    config = corpus(
        {"v/0001.mp4": "plain.mp4", "v/0002.mp4": "plain.mp4"},
        HEADER + "v,1,一,0\nv,2,二,0\nv,0001,三,1\n",
    )
    build_manifest(config)
    assert list(read_manifest(config.processed)["clip"]) == ["v/0002"]
    entries = read_json(config.processed / "manifest_quarantine.json")
    assert [entry["clip"] for entry in entries] == ["v/0001"]
    assert "lines 2, 4" in entries[0]["reason"]


def test_shards_are_cut_by_place_in_the_sheet(corpus: Corpus) -> None:
    files = {f"v/{i}.mp4": "plain.mp4" for i in range(5) if i != 1}
    sheet = HEADER + "".join(f"v,{i},好,0\n" for i in range(5))
    config = corpus(files, sheet, shard_size=2)
    build_manifest(config)
    assert shards(config) == [["v/0"], ["v/2", "v/3"], ["v/4"]]
    before = file_digest(config.processed / "shards" / "0000.json")
    (config.raw / "label.csv").write_text(HEADER + "v,0,好,0\nv,1,好,0\n", "utf-8")
    build_manifest(config)
    assert shards(config) == [["v/0"]]
    assert file_digest(config.processed / "shards" / "0000.json") == before


def test_the_same_inputs_give_the_same_bytes(corpus: Corpus, tmp_path: Path) -> None:
    config = corpus(
        {"v/1.mp4": "plain.mp4", "v/2.webm": "live.webm"}, HEADER + "v,1,好,0\nv,2,好,0\nv,3,好,0\n"
    )
    other = config.model_copy(update={"processed": tmp_path / "other"})
    build_manifest(config)
    build_manifest(other)
    names = ["manifest.parquet", "manifest_quarantine.json", "shards/0000.json"]
    for name in names:
        assert file_digest(config.processed / name) == file_digest(other.processed / name)


def test_votes_are_kept_as_a_table(corpus: Corpus) -> None:
    votes = "clip,modality,annotator,vote,text\n" + "".join(
        f"v/1,{modality},a{i},1,好\n" for modality in "MTAV" for i in range(5)
    )
    config = corpus({"v/1.mp4": "plain.mp4"}, votes, name="annotations.csv")
    build_manifest(config)
    table = pd.read_parquet(config.processed / "votes.parquet")
    assert list(table.columns) == ["clip", "modality", "annotator", "vote"]
    assert len(table) == 20
    assert read_manifest(config.processed)["M"].tolist() == [1.0]
    (config.raw / "annotations.csv").unlink()
    (config.raw / "label.csv").write_text(HEADER + "v,1,好,0\n", "utf-8")
    build_manifest(config)
    assert not (config.processed / "votes.parquet").exists()


def test_stop_names_every_bad_clip_at_once(corpus: Corpus) -> None:
    config = corpus({}, HEADER + "v,1,好,0\nv,2,好,0\n", on_bad_clip="stop")
    with pytest.raises(BuildError, match=r"2 clip\(s\) cannot") as caught:
        build_manifest(config)
    assert "clip v/1: line 2: no folder" in str(caught.value)
    assert "clip v/2: line 3: no folder" in str(caught.value)


def test_the_download_layout_with_a_folder_raw_is_understood(corpus: Corpus, media: Path) -> None:
    config = corpus({"Raw/video_0001/0001.mp4": "plain.mp4"}, HEADER + "video_0001,1,好,0\n")
    build_manifest(config)
    assert read_manifest(config.processed)["media"].tolist() == ["Raw/video_0001/0001.mp4"]


def test_five_hundred_rows_become_shards_of_32(corpus: Corpus, media: Path) -> None:
    names = [f"video_{i // 40:04d}/{i % 40:04d}" for i in range(500)]
    sheet = HEADER + "".join(f"{n.replace('/', ',')},好,0\n" for n in names)
    config = corpus({}, sheet)
    for name in names:
        target = config.raw / f"{name}.mp4"
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(media / "short.mp4", target)
    build_manifest(config)
    assert len(read_manifest(config.processed)) == 500
    assert len(shards(config)) == 16


def test_kept_columns_are_numbers_if_all_their_values_are(corpus: Corpus) -> None:
    sheet = (
        "video_id,clip_id,text,label,emotion,arousal,code,streams\n"
        "v,1,好,0,喜,0.5,007,a\nv,2,好,0,,,008,b\nv,3,好,0,怒,2,9,c\n"
    )
    files = {f"v/000{i}.mp4": "plain.mp4" for i in (1, 2, 3)}
    config = corpus(
        files, sheet, manifest={"keep_columns": ["emotion", "arousal", "code", "streams"]}
    )
    build_manifest(config, progress=False)
    assert read_shard(config.layout.shard("0000"))[0].streams.video == 0
    table = read_manifest(config.processed)
    assert table["emotion"].tolist() == ["喜", "", "怒"]
    assert table["arousal"].dtype == float
    assert table["arousal"].fillna(-1).tolist() == [0.5, -1, 2]
    assert table["code"].tolist() == ["007", "008", "9"]
    assert table["streams"].tolist() == ["a", "b", "c"]
