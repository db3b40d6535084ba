"""The corpora of the family are read as they are downloaded, to the clip."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from pipeline.config import Config, make_config
from pipeline.corpus import CLASSES, LABELS, PAPER_TABLE3, characters, class_of, table3
from pipeline.errors import BuildError
from pipeline.manifest.build import build_manifest, read_manifest
from pipeline.manifest.find import find_corpus
from pipeline.manifest.sheet import read_sheet
from tests.downloads import CH_SIMS, V2_SHAPE, Row, lay_out, published, sheet, unlabelled

V2S, V2U = "CH-SIMS v2(s)", "CH-SIMS v2(u)"


@pytest.fixture(scope="session")
def clips(media: Path) -> list[Path]:
    """Two small clips."""
    return [media / "plain.mp4", media / "film.mkv"]


def config_of(raw: Path) -> Config:
    return make_config({"raw": str(raw), "processed": str(raw.parent / "processed")})


def test_ch_sims_without_a_header_gives_tables_1_and_3_to_the_clip(
    tmp_path: Path, clips: list[Path]
) -> None:
    rows = published("ch-sims.csv")
    lay_out(tmp_path / "CH-SIMS", "label.csv", sheet(rows, header=False), rows, clips)
    config = config_of(tmp_path / "CH-SIMS")
    (note,) = build_manifest(config, progress=False)
    assert "has no header line" in note
    table = read_manifest(config.processed)
    members = [(mode, CLASSES[class_of(m)]) for mode, m in table[["mode", "M"]].to_numpy()]
    assert {part: tuple(n) for part, n in table3(members, list(PAPER_TABLE3)).items()} == dict(
        PAPER_TABLE3
    )
    assert table["video_id"].nunique() == 60
    assert round(table["text"].map(characters).mean()) == 15
    assert table["text"].map(len).mean() == pytest.approx(15.8, abs=0.05)
    assert table["clip"].tolist() == [f"{row.video_id}/{row.clip_id}" for row in rows]
    assert table["M"].tolist() == [float(row.label) for row in rows]


def test_v2s_gives_its_parts_to_the_clip(tmp_path: Path, clips: list[Path]) -> None:
    rows = published("ch-sims-v2.csv")
    lay_out(tmp_path / V2S, "meta.csv", sheet(rows, header=True), rows, clips)
    config = config_of(tmp_path / V2S)
    assert build_manifest(config, progress=False) == ()
    table = read_manifest(config.processed)
    assert Counter(table["mode"]) == {"train": 2722, "valid": 647, "test": 1034}
    assert table["video_id"].nunique() == 145
    assert table["clip"].tolist() == [f"{row.video_id}/{row.clip_id}" for row in rows]
    assert table["media"][0] == "Raw/aqgy3_0001/00000.mp4"
    assert sum(any("off the grid" in w for w in warnings) for warnings in table["warnings"]) == 1


def test_a_sheet_without_labels_and_mode_is_read(tmp_path: Path, clips: list[Path]) -> None:
    rows = unlabelled(published("ch-sims-v2.csv"))
    content = sheet(rows, header=True, columns=CH_SIMS[:-1])
    lay_out(tmp_path / V2U, "meta.csv", content, rows, clips)
    config = config_of(tmp_path / V2U)
    build_manifest(config, progress=False)
    table = read_manifest(config.processed)
    assert len(table) == 4403
    assert table[list(LABELS)].isna().all().all()


@pytest.mark.parametrize("columns", [CH_SIMS, CH_SIMS[:-1]])
def test_v2u_may_lack_its_header_too(columns: tuple[str, ...], tmp_path: Path) -> None:
    content = sheet(unlabelled(V2_SHAPE), header=False, columns=columns)
    lay_out(tmp_path / V2U, "meta.csv", content, (), ())
    read = read_sheet(config_of(tmp_path / V2U))
    assert "has no header line" in read.notes[0]
    assert [(row.clip, row.text) for row in read.rows] == [
        (f"{row.video_id}/{row.clip_id}", row.text) for row in V2_SHAPE
    ]


@pytest.mark.parametrize("inner", ["", "Raw", "RAW"])
def test_ids_of_every_shape_find_their_media(inner: str, tmp_path: Path, clips: list[Path]) -> None:
    lay_out(tmp_path / V2S, "meta.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    if inner != "Raw":
        for video in sorted((tmp_path / V2S / "Raw").iterdir()):
            (tmp_path / V2S / inner).mkdir(exist_ok=True)
            shutil.move(video, tmp_path / V2S / inner / video.name)
        (tmp_path / V2S / "Raw").rmdir()
    config = config_of(tmp_path / V2S)
    build_manifest(config, progress=False)
    assert read_manifest(config.processed)["clip"].tolist() == [
        "aqgy3_0001/00000",
        "aqgy3_0001/0001",
        "aqgy3_0001/00008_0",
        "aqgy3_0012/00000",
    ]


@pytest.mark.parametrize("above", ["", "zip", "zip/inner"])
def test_the_one_corpus_below_raw_is_taken_and_named(
    above: str, tmp_path: Path, clips: list[Path]
) -> None:
    folder = tmp_path / "raw" / above
    if not above:
        folder = tmp_path / "raw" / V2S
    lay_out(folder, "meta.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    (tmp_path / "raw" / "__MACOSX").mkdir()
    (tmp_path / "raw" / "__MACOSX" / "meta.csv").write_text("of an archive")
    config = config_of(tmp_path / "raw")
    (note,) = build_manifest(config, progress=False)
    inner = folder.relative_to(config.raw)
    assert f"the corpus in its folder {inner} was taken" in note
    media = read_manifest(config.processed)["media"][0]
    assert (config.raw / media).samefile(folder / "Raw" / "aqgy3_0001" / "00000.mp4")


def test_two_corpora_below_raw_are_a_choice(tmp_path: Path, clips: list[Path]) -> None:
    for name in (V2S, V2U):
        lay_out(tmp_path / "raw" / name, "meta.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    with pytest.raises(BuildError) as caught:
        read_sheet(config_of(tmp_path / "raw"))
    assert V2S in str(caught.value)
    assert f"--set 'raw={tmp_path / 'raw' / V2S}'" in str(caught.value)


def test_videos_in_raw_without_a_sheet_do_not_lead_elsewhere(
    tmp_path: Path, clips: list[Path]
) -> None:
    lay_out(tmp_path / "raw" / "demo", "label.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    lay_out(tmp_path / "raw" / "mine", "notes.txt", "", V2_SHAPE, clips)
    shutil.move(tmp_path / "raw" / "mine" / "Raw", tmp_path / "raw" / "Raw")
    with pytest.raises(BuildError, match=r"no label sheet: expected label\.csv"):
        find_corpus(config_of(tmp_path / "raw"))


def test_label_csv_is_read_before_meta_csv_and_says_so(tmp_path: Path, clips: list[Path]) -> None:
    folder = lay_out(tmp_path / "c", "label.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    (folder / "meta.csv").write_text("something else")
    assert (
        "there are label.csv and meta.csv; label.csv was read"
        in read_sheet(config_of(folder)).notes
    )


def test_raw_itself_is_pointed_one_folder_up(tmp_path: Path, clips: list[Path]) -> None:
    folder = lay_out(tmp_path / V2S, "meta.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    with pytest.raises(BuildError, match=r"meta\.csv lies one folder up: --set 'raw="):
        find_corpus(config_of(folder / "Raw"))


def test_a_sheet_named_in_a_subfolder_has_its_media_in_raw(
    tmp_path: Path, clips: list[Path]
) -> None:
    folder = lay_out(tmp_path / "c", "labels.csv", sheet(V2_SHAPE, header=True), V2_SHAPE, clips)
    (folder / "sheets").mkdir()
    shutil.move(folder / "labels.csv", folder / "sheets" / "labels.csv")
    config = make_config(
        {
            "raw": str(folder),
            "processed": str(tmp_path / "processed"),
            "manifest": {"sheet": "sheets/labels.csv"},
        }
    )
    build_manifest(config, progress=False)
    assert len(read_manifest(config.processed)) == 4


def test_videos_without_a_sheet_are_built_if_nothing_reads_transcripts(
    tmp_path: Path, clips: list[Path]
) -> None:
    lay_out(tmp_path / "raw", "notes.txt", "", V2_SHAPE, clips)
    shutil.copyfile(clips[0], tmp_path / "raw" / "alone.mp4")
    (tmp_path / "raw" / "._alone.mp4").write_text("what macOS leaves")
    config = config_of(tmp_path / "raw")
    with pytest.raises(BuildError, match=r"no label sheet.*\n.*features\.text=none"):
        build_manifest(config, progress=False)
    features = config.features.model_copy(update={"text": "none"})
    without_text = config.model_copy(update={"features": features})
    (note,) = build_manifest(without_text, progress=False)
    assert "without transcripts and labels" in note
    assert read_manifest(config.processed)["clip"].tolist() == [
        "aqgy3_0001/00000",
        "aqgy3_0001/00008_0",
        "aqgy3_0001/0001",
        "aqgy3_0012/00000",
        "raw/alone",
    ]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["0", "0.2", "1"], "none of 21 labels is negative (they run from 0 to 1)"),
        (["-1", "-0.4", "0"], "none of 21 labels is positive (they run from -1 to 0)"),
        (["-1", "0", "0.2"], ""),
    ],
)
def test_labels_of_one_sign_only_are_pointed_out(
    labels: list[str], said: str, tmp_path: Path
) -> None:
    rows = [Row("v", f"{n:04d}", "没有问题", labels[n % 3], "train") for n in range(21)]
    lay_out(tmp_path / V2U, "meta.csv", sheet(rows, header=True), (), ())
    notes = read_sheet(config_of(tmp_path / V2U)).notes
    assert [said in note for note in notes] == [True] * bool(said)


def test_one_label_for_all_clips_is_pointed_out(tmp_path: Path) -> None:
    rows = [Row("v", f"{number:04d}", "没有问题", "0", "train") for number in range(20)]
    lay_out(tmp_path / V2U, "meta.csv", sheet(rows, header=True), (), ())
    (note,) = read_sheet(config_of(tmp_path / V2U)).notes
    assert "all 20 clips have the label 0; if nobody has labelled them" in note
