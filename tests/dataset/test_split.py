"""6:2:2 within the classes, to the clip; groups stay together; the sheet's split is kept."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from pipeline.corpus import CLASSES, class_of
from pipeline.dataset.settings import DatasetSettings
from pipeline.dataset.split import PARTS, SplitClip, natural_order, part_sizes, split_clips
from pipeline.errors import BuildError
from tests.conftest import SHARED

TABLE_3 = {
    "train": [452, 290, 207, 208, 211],
    "valid": [151, 97, 69, 69, 70],
    "test": [151, 97, 69, 69, 71],
}


def clips_of(totals: list[int], speakers: int = 7) -> list[SplitClip]:
    return [
        SplitClip(
            f"video_{i % 60:04d}/{k}{i:04d}", k, None, f"s{(i * 31 + k) % speakers}", f"v{i % 60}"
        )
        for k, total in enumerate(totals)
        for i in range(total)
    ]


def table(clips: list[SplitClip], part_of: dict[str, str]) -> dict[str, list[int]]:
    counts = Counter((part_of[clip.clip], clip.label_class) for clip in clips)
    return {part: [counts[part, k] for k in range(len(CLASSES))] for part in PARTS}


def test_the_papers_class_totals_give_table_3() -> None:
    clips = clips_of([754, 484, 345, 346, 352])
    split = split_clips(clips, DatasetSettings())
    assert table(clips, split.part_of) == TABLE_3
    assert split.warnings == ()


@pytest.mark.parametrize("lacking", [1, 3, 10, 101])
def test_clips_without_m_are_split_on_their_own_and_move_no_other(lacking: int) -> None:
    clips = clips_of([754, 484, 345, 346, 3])
    without = [SplitClip(f"u/{i:04d}", None, None, None, "u") for i in range(lacking)]
    before = split_clips(clips, DatasetSettings())
    split = split_clips([*clips, *without], DatasetSettings())
    assert {clip: split.part_of[clip] for clip in before.part_of} == before.part_of
    counts = Counter(split.part_of[clip.clip] for clip in without)
    assert tuple(counts[part] for part in PARTS) == part_sizes(lacking)


def test_auto_takes_the_sheets_parts_where_every_clip_has_one() -> None:
    clips = clips_of([754, 484, 345, 346, 352])
    part_of = split_clips(clips, DatasetSettings(seed=5)).part_of
    given = [replace(clip, mode=part_of[clip.clip]) for clip in clips]
    split = split_clips(given, DatasetSettings())
    assert (split.kind, split.part_of, split.warnings) == ("given", part_of, ())
    assert split.reason == "the label sheet names a part for every clip"
    assert table(given, split.part_of) == TABLE_3
    chosen = split_clips(given, DatasetSettings(split="stratified"))
    assert chosen.kind == "stratified"
    assert table(given, chosen.part_of) == TABLE_3
    assert chosen.part_of != part_of


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        (["train", "valid", "test", None] * 5, "names a part for 15 of 20 clips only"),
        (["train", "valid"] * 10, "names no test clips"),
        (["train", "valid", "test", "extra"] * 5, "other than train, valid and test: extra"),
    ],
)
def test_auto_says_why_the_sheets_parts_are_not_used(modes: list[str | None], words: str) -> None:
    clips = [SplitClip(f"v/{i}", i % 5, mode, None, "v") for i, mode in enumerate(modes)]
    split = split_clips(clips, DatasetSettings())
    assert split.kind == "stratified"
    assert words in split.reason
    assert any(words in warning for warning in split.warnings)


def test_auto_without_parts_is_stratified_without_a_warning() -> None:
    split = split_clips(clips_of([10] * 5), DatasetSettings())
    assert (split.kind, split.warnings) == ("stratified", ())
    assert split.reason == "the label sheet names no parts"


@pytest.mark.parametrize("kind", ["auto", "stratified"])
def test_the_real_sheet_gives_table_3_to_the_clip(kind: str) -> None:
    sheet = SHARED / "corpus" / "ch-sims.csv"
    if not sheet.is_file():
        pytest.skip(f"{sheet} is not here: it is no part of the project")
    with sheet.open(encoding="utf-8", newline="") as stream:
        clips = [
            SplitClip(
                f"{row['video_id']}/{row['clip_id']}",
                class_of(float(row["label"])),
                row["mode"],
                None,
                row["video_id"],
            )
            for row in csv.DictReader(stream)
        ]
    split = split_clips(clips, DatasetSettings.model_validate({"split": kind}))
    assert split.kind == {"auto": "given"}.get(kind, kind)
    assert table(clips, split.part_of) == TABLE_3


def test_natural_order_compares_numbers_as_numbers() -> None:
    ordered = ["v1/0002", "v1/2", "v1/2_b", "v1/10", "v2/1", "v10/1", "中/1"]
    assert sorted(sorted(ordered), key=natural_order) == ordered
    assert sorted(["v/a2", "v/a"], key=natural_order) == ["v/a", "v/a2"]


def test_part_sizes_are_the_rounded_products() -> None:
    for n in range(5, 3000):
        train, valid, test = part_sizes(n)
        assert (train, valid) == (round(0.6 * n), round(0.2 * n))
        assert train + valid + test == n


def test_the_shuffle_depends_on_the_seed_and_not_on_the_order() -> None:
    clips = clips_of([40, 40, 40, 40, 40])
    first = split_clips(clips, DatasetSettings(seed=1)).part_of
    assert split_clips(clips[::-1], DatasetSettings(seed=1)).part_of == first
    assert split_clips(clips, DatasetSettings(seed=2)).part_of != first


@pytest.mark.parametrize("each", [1, 2, 3, 4])
def test_small_classes_still_fill_every_part_with_a_warning(each: int) -> None:
    clips = clips_of([each] * 5)
    split = split_clips(clips, DatasetSettings())
    sizes = Counter(split.part_of.values())
    assert [sizes[part] for part in PARTS] == list(part_sizes(5 * each))
    assert min(sizes[part] for part in PARTS) >= 1
    (warning,) = split.warnings
    assert "classes of fewer than 5 clips (NG " in warning
    assert f"PS {each})" in warning


def test_an_empty_part_is_warned_of() -> None:
    split = split_clips(clips_of([2, 0, 0, 0, 0]), DatasetSettings())
    assert any("valid part has no clip" in warning for warning in split.warnings)


def test_the_sheets_own_split_is_kept() -> None:
    clips = [SplitClip(f"v/{i}", 0, PARTS[i % 3], None, "v") for i in range(9)]
    split = split_clips(clips, DatasetSettings(split="given"))
    assert split.part_of == {clip.clip: clip.mode for clip in clips}


def test_a_clip_without_mode_is_named() -> None:
    clips = [SplitClip("v/1", 0, "train", None, "v"), SplitClip("v/2", 0, "dev2", None, "v")]
    with pytest.raises(BuildError, match=r"1 of 2 clips have none: v/2"):
        split_clips(clips, DatasetSettings(split="given"))


@pytest.mark.parametrize(
    ("split", "attribute"), [("by_speaker", "speaker"), ("by_video", "video_id")]
)
def test_groups_stay_together_near_the_shares_of_every_class(split: str, attribute: str) -> None:
    clips = clips_of([754, 484, 345, 346, 352], speakers=474)
    settings = DatasetSettings.model_validate({"split": split})
    part_of = split_clips(clips, settings).part_of
    parts = defaultdict(set)
    for clip in clips:
        parts[getattr(clip, attribute)].add(part_of[clip.clip])
    assert all(len(found) == 1 for found in parts.values())
    for part, wanted in TABLE_3.items():
        found = table(clips, part_of)[part]
        assert all(abs(f - w) <= 12 for f, w in zip(found, wanted, strict=True)), (part, found)
    assert split_clips(clips[::-1], settings).part_of == part_of


def test_groups_share_out_clips_without_m() -> None:
    clips = [
        SplitClip(f"v{i}/{k}", None if k % 2 else 2, None, None, f"v{i}")
        for i in range(30)
        for k in range(6)
    ]
    part_of = split_clips(clips, DatasetSettings(split="by_video")).part_of
    counts = Counter(part_of[clip.clip] for clip in clips if clip.label_class is None)
    assert [counts[part] for part in PARTS] == [54, 18, 18]


def test_three_videos_give_three_parts() -> None:
    clips = [SplitClip(f"v{i % 3}/{i}", i % 5, None, None, f"v{i % 3}") for i in range(30)]
    part_of = split_clips(clips, DatasetSettings(split="by_video")).part_of
    assert Counter(part_of.values()) == {"train": 10, "valid": 10, "test": 10}


def test_too_few_groups_and_unknown_speakers_stop_the_build() -> None:
    clips = [SplitClip(f"v{i % 2}/{i}", 0, None, None, f"v{i % 2}") for i in range(10)]
    with pytest.raises(BuildError, match=r"2 video\(s\)"):
        split_clips(clips, DatasetSettings(split="by_video"))
    with pytest.raises(BuildError, match="by_video"):
        split_clips(clips, DatasetSettings(split="by_speaker"))
