"""chsims-build encoders: every extractor of every slot, and what it needs on this machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.commands import encoders as listed
from pipeline.commands.cli import main
from pipeline.commands.encoders import Encoder, encoders
from pipeline.config import load_config
from pipeline.corpus import MODALITIES
from pipeline.errors import BuildError
from pipeline.stage import Need
from pipeline.stages import STAGES, extractors
from tests.image.models import write_image_model
from tests.speech.models import write_speech_model
from tests.text.models import write_model

NOWHERE = ("text.model=nobody/no-such-model", "openface.native_binary=/nowhere/FeatureExtraction")


def found(*assignments: str) -> dict[str, Encoder]:
    return {encoder.name: encoder for encoder in encoders(load_config((), assignments))}


def test_every_extractor_of_the_table_of_stages_is_listed_with_what_it_computes() -> None:
    names = [name for slot in MODALITIES for name in extractors(slot)]
    assert list(found(*NOWHERE)) == names
    assert all(encoder.about for encoder in found(*NOWHERE).values())


def test_widths_and_steps_are_those_of_the_settings() -> None:
    here = found("text.model=demo", "opensmile.level=functionals", "vision.columns=[pose, au_r]")
    assert here["bert"].width == 768 and here["bert"].step == "token"
    assert (here["librosa"].width, here["librosa"].steps_per_second) == (33, 22050 / 512)
    assert (here["opensmile"].width, here["opensmile"].steps_per_second) == (88, None)
    assert here["opensmile"].step == "clip"
    assert (here["openface"].width, here["openface"].steps_per_second) == (6 + 17, 30)
    assert found("text.model=demo", "opensmile.set=ComParE_2016")["opensmile"].width == 65


def test_the_chosen_ones_are_marked_and_name_the_stages_they_run() -> None:
    here = found("text.model=demo", "features.audio=opensmile")
    assert here["opensmile"].chosen and not here["librosa"].chosen
    assert here["openface"].stages == ["frames", "faces", "openface", "vision"]


def test_a_missing_model_or_program_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    here = found(*NOWHERE, "openface.runtime=native")
    bert, openface = here["bert"].needs[0], here["openface"].needs[0]
    assert not here["bert"].here and not here["openface"].here
    assert bert.what == "text.model: nobody/no-such-model"
    assert "hf download nobody/no-such-model --local-dir no-such-model" in bert.remedy
    assert here["bert"].width is None
    assert "/nowhere/FeatureExtraction" in openface.found
    assert here["opensmile"].here and here["opensmile"].needs == []
    imported = ("openface.runtime=import", f"openface.import_folder={tmp_path}")
    assert found("text.model=demo", *imported)["openface"].here
    missing = ("openface.runtime=import", f"openface.import_folder={tmp_path / 'no'}")
    assert not found("text.model=demo", *missing)["openface"].here


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without(packages: tuple[str, ...]) -> dict[str, str]:
        if "opensmile" in packages:
            raise BuildError("the library opensmile is not installed", "pip install opensmile")
        return {}

    monkeypatch.setattr(listed, "package_versions", without)
    here = found("text.model=demo")
    assert [need.what for need in here["opensmile"].needs] == ["opensmile"]
    assert here["opensmile"].needs[0].remedy == "pip install opensmile"
    assert here["librosa"].here


def test_a_stage_of_another_package_needs_no_line_of_code_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent() -> None:
        raise BuildError("no licence file", "ask for one")

    audio = STAGES["audio"]
    assert audio.feature is not None
    other = dataclasses.replace(
        audio,
        about="what nobody here knows",
        needs=lambda settings: [Need("a licence", absent)],
        feature=dataclasses.replace(audio.feature, extractor="other"),
    )
    monkeypatch.setitem(STAGES, "audio", other)
    here = found("text.model=demo")["other"]
    assert (here.slot, here.about, here.width) == ("audio", "what nobody here knows", 33)
    assert here.needs[0].remedy == "ask for one"


def test_the_table_and_the_json_say_the_same() -> None:
    options = ["--set", "text.model=demo", "--set", NOWHERE[1], "--set", "openface.runtime=native"]
    table = CliRunner().invoke(main, ["encoders", *options], env={"COLUMNS": "160"})
    data = CliRunner().invoke(main, ["encoders", "--json", *options])
    assert table.exit_code == data.exit_code == 0, table.output + data.output
    rows = json.loads(data.output)
    for row in rows:
        assert row["name"] in table.output
        if row["width"]:
            assert str(row["width"]) in table.output
        for need in row["needs"]:
            assert need["here"] or need["remedy"].splitlines()[0] in table.output
    openface = next(row for row in rows if row["name"] == "openface")
    assert openface["here"] is False
    assert "missing" in table.output


def test_help_teaches_the_command() -> None:
    shown = CliRunner().invoke(main, ["encoders", "--help"]).output
    assert "Nothing is downloaded" in shown and "features.audio=opensmile" in shown
    assert "encoders" in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize(
    ("name", "kind", "width", "rate"),
    [
        ("bert", "bert", 48, None),
        ("speech", "hubert", 24, 50.0),
        ("speech", "whisper", 24, 50.0),
        ("image", "clip", 24, 5.0),
        ("image_frames", "resnet", 16, 5.0),
    ],
)
def test_the_width_of_an_encoder_is_that_of_its_model(
    tmp_path: Path, name: str, kind: str, width: int, rate: float | None
) -> None:
    stage = extractors({"bert": "text", "speech": "audio"}.get(name, "vision"))[name].name
    write = {"text": write_model, "speech": write_speech_model}.get(stage, write_image_model)
    write(tmp_path / "model", kind)
    here = found("text.model=demo", f"{stage}.model={tmp_path / 'model'}")[name]
    assert here.here and here.rate_known
    assert (here.width, here.steps_per_second) == (width, rate)
