"""Slots: a modality set to none is taken out of everything."""

from __future__ import annotations

import itertools

import pytest

from pipeline.config import make_config
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError, NotHereError
from pipeline.runner.jobs import job_names, jobs_read, shards_of_job
from pipeline.stages import STAGES, extractors, slots, stage_called, wanted


def test_a_slot_names_its_stage() -> None:
    assert {slot: stage.name for slot, stage in slots(make_config({})).items()} == {
        "text": "text",
        "audio": "audio",
        "vision": "vision",
    }


@pytest.mark.parametrize(
    ("empty", "stages"),
    [
        ("vision", ["audio", "text"]),
        ("audio", ["frames", "faces", "openface", "vision", "text"]),
        ("text", ["frames", "faces", "openface", "vision", "audio"]),
    ],
)
def test_nothing_of_an_empty_slots_stages_is_needed(empty: str, stages: list[str]) -> None:
    config = make_config({"features": {empty: "none"}})
    assert empty not in slots(config)
    assert wanted(config) == stages
    with pytest.raises(BuildError, match=rf"features\.{empty} is none"):
        stage_called(config, empty)


def test_null_is_none_and_no_slot_at_all_is_refused() -> None:
    assert "audio" not in slots(make_config({"features": {"audio": None}}))
    with pytest.raises(BuildError, match="all three slots are none"):
        make_config({"features": dict.fromkeys(MODALITIES, "none")})


def test_an_unknown_extractor_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        BuildError, match=r"features\.audio: use one of librosa, opensmile.*none.*'hubert'"
    ):
        make_config({"features": {"audio": "hubert"}})


@pytest.mark.parametrize("slot", MODALITIES)
def test_every_extractor_says_what_it_gives(slot: str) -> None:
    config = make_config({})
    for name, stage in extractors(slot).items():
        assert stage.feature is not None
        assert (stage.feature.slot, stage.feature.extractor) == (slot, name)
        try:
            width = stage.feature.width_of(stage.settings(config)) or 5
            names = stage.feature.names(stage.settings(config), width)
        except NotHereError:
            continue  # a model that is not on this machine; its own tests make one
        assert len(set(names)) == len(names) == width


def test_figures_of_one_dataset_have_names_of_their_own() -> None:
    """Extractors of one slot may share a figure: a dataset has one of them."""
    for chosen in itertools.product(*(extractors(slot) for slot in MODALITIES)):
        config = make_config({"features": dict(zip(MODALITIES, chosen, strict=True))})
        names = [figure.name for stage in wanted(config) for figure in STAGES[stage].figures]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("kept", [False, True])
def test_a_job_reads_the_records_of_all_its_shards(kept: bool) -> None:
    """But not those of frames, which have jobs only if they are kept."""
    config = make_config({"frames": {"keep_frames": kept}})
    shards = [f"{number:04d}" for number in range(20)]
    for stage in STAGES:
        for job in job_names(stage, shards):
            read = jobs_read(config, stage, job, shards)
            assert kept or "frames" not in {name for name, _ in read}
            for earlier in STAGES[stage].inputs:
                if earlier.is_lent(config):
                    continue
                covered = {
                    shard
                    for name, other in read
                    if name == earlier.name
                    for shard in shards_of_job(name, other, shards)
                }
                assert covered >= set(shards_of_job(stage, job, shards))


def test_other_columns_of_openface_are_another_vision_feature_of_the_same_openface() -> None:
    imported = {"openface": {"runtime": "import", "import_folder": "raw/demo/openface"}}
    whole = make_config(imported)
    some = make_config({**imported, "vision": {"columns": ["pose", "au_r"]}})
    for name in ("frames", "faces", "openface"):
        assert STAGES[name].settings_digest(whole) == STAGES[name].settings_digest(some)
    assert STAGES["vision"].settings_digest(whole) != STAGES["vision"].settings_digest(some)
