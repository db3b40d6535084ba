"""One tree of settings: documented, checked, and the source of files and docs."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.commands.config_reference import as_markdown, as_yaml
from pipeline.config import Config, every_field, load_config, make_config
from pipeline.errors import BuildError
from pipeline.store.files import read_json
from tests.conftest import DEMO, ROOT, snakemake


def test_the_shipped_config_file_and_reference_are_made_from_the_tree() -> None:
    remedy = "run: make docs"
    assert (ROOT / "config" / "config.yaml").read_text("utf-8") == as_yaml(Config()), remedy
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == as_markdown(), remedy


def test_config_yaml_states_every_key_with_its_default() -> None:
    assert load_config((ROOT / "config" / "config.yaml",)) == Config()


@pytest.mark.parametrize("name", ["demo", "paper", "release"])
def test_the_other_config_files_state_differences_that_are_known_keys(name: str) -> None:
    load_config((ROOT / "config" / f"{name}.yaml",))


def test_every_setting_has_help() -> None:
    assert [name for name, field in every_field() if not field.description] == []


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("audio.fo=yin", "did you mean audio.f0?"),
        ("facse.margin=0.1", "did you mean faces"),
        ("audio.f0=swipe", "audio.f0"),
        ("train.seeds=many", "train.seeds"),
        ("max_quarantined=2", "max_quarantined"),
        ("train.models=lf_dnn", "give a list, e.g. [lf_dnn]"),
        ("train.models=[lf_dn]", "did you mean lf_dnn?"),
        ("train.recipe={poling: padded}", "recipe.poling: no such key; did you mean pooling?"),
        ("train.recipe={pooling: paded}", "did you mean padded?"),
        ("train.hyper={mlf_dnn: {learning_rat: 1}}", "did you mean learning_rate?"),
        ("audio.f0=[yin", "the value is not YAML"),
        ("audio..f0=yin", "not of the form key=value"),
        (
            "train.recipe={batch_size: 8}",
            "has 1 error(s):\n  train: recipe.batch_size: no such key",
        ),
        ("train.hyper={lf_dnn: {rank: 5}}", "hyper.lf_dnn.rank: no such key"),
        ("train.hyper={lmf: {factor_rat: 1}}", "did you mean factor_rate?"),
        ("train.seeds=[a]", "has 1 error(s):\n  train.seeds.0: "),
        ("train.search.grid={learning_rte: [1]}", "did you mean learning_rate?"),
        ("audio=yin", "audio: this is a group of settings"),
        ("faces.thresholds=[6, 7, 8]", "faces.thresholds.0"),
        ("audio.f0_min=3000", "f0_min below f0_max; found f0_min 3000, f0_max 2093"),
        ("audio.f0_max=30000", "within 10.8 and 11025 Hz"),
        ("audio.f0_max=70", "0.85 octaves apart"),
        ("manifest.rules.min_seconds=20", "min_seconds 20 is above max_seconds 10"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_meant(assignment: str, words: str) -> None:
    with pytest.raises(BuildError) as caught:
        load_config((), (assignment,))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("manifest.rules.duration=off", "off"),
        ("manifest.rules.no_face=off", "off"),
        ("manifest.sheet=2024", "2024"),
        ("manifest.sheet=0001", "0001"),
        ("manifest.sheet=2020-01-01", "2020-01-01"),
        ("manifest.sheet=1_0", "1_0"),
        ("manifest.sheet=no", "no"),
        ("manifest.sheet=null", None),
        ('manifest.sheet="null"', "null"),
        ("preset=on", "on"),
        ("preset=1e3", "1e3"),
        ("preset=12:30", "12:30"),
        ("raw=0010", Path("0010")),
        ("frames.keep_frames=yes", True),
        ("frames.keep_frames=off", False),
        ("max_quarantined=1e-1", 0.1),
        ("train.seeds=[3, 4]", (3, 4)),
    ],
)
@pytest.mark.parametrize("way", ["set", "file"])
def test_a_word_means_what_its_setting_says(
    assignment: str, expected: object, way: str, tmp_path: Path
) -> None:
    key, _, text = assignment.partition("=")
    if way == "set":
        value: object = load_config((), (assignment,))
    else:
        names = key.split(".")
        lines = [f"{'  ' * depth}{name}:" for depth, name in enumerate(names)]
        path = tmp_path / "words.yaml"
        path.write_text("\n".join(lines) + f" {text}\n", "utf-8")
        value = load_config((path,))
    for name in key.split("."):
        value = getattr(value, name)
    assert value == expected


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("shard_size=1_0", "shard_size: Input should be a valid integer (found '1_0')"),
        ("shard_size=010", "(found '010')"),
        ("shard_size=1:30", "(found '1:30')"),
        ("shard_size=true", "(found True)"),
        ("train.seeds=[0x10]", "(found '0x10')"),
        ("dataset.seed=yes", "(found 'yes')"),
        ("dataset.sigmas=on", "(found 'on')"),
        ("on_bad_clip=no", "(found 'no')"),
        ("raw=", "raw: this is a text, but YAML reads what stands there as None"),
    ],
)
def test_a_word_is_never_taken_for_a_number(assignment: str, words: str) -> None:
    with pytest.raises(BuildError) as caught:
        load_config((), (assignment,))
    assert words in str(caught.value)


def test_words_that_yaml_has_read_already_are_understood_or_named() -> None:
    """Snakemake's --config gives values, not words."""
    assert make_config({"manifest": {"rules": {"votes": False}}}).manifest.rules.votes == "off"
    with pytest.raises(BuildError, match=r"preset: this is a text, .* as 8: put it in quotation"):
        make_config({"preset": 8})
    with pytest.raises(BuildError, match=r"shard_size: .*\(found True\)"):
        make_config({"shard_size": True})


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("audio: {f0: yin}\nraw: here\naudio: {f0: zcr}\n", "utf-8")
    with pytest.raises(BuildError, match="the key 'audio' stands twice"):
        load_config((path,))


def test_snakemake_reads_the_words_of_a_config_file_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(
        f"raw: {DEMO}\nprocessed: {tmp_path / 'p'}\npreset: 0010\n"
        "manifest: {rules: {duration: off}}\n",
        "utf-8",
    )
    done = snakemake("manifest", "--configfile", str(path), cwd=tmp_path, cores=1)
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "p" / "settings" / "dataset.json")["preset"] == "0010"
    rules = read_json(tmp_path / "p" / "settings" / "manifest.json")["settings"]["rules"]
    assert rules["duration"] == "off"


NAMES = [name for name, _ in every_field()]
SCALARS = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from(["off", "0001", "1_0", "2020-01-01", "!!float x", "*a", "&a [*a]", "9" * 5000]),
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.one_of(
        SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(SCALARS, SCALARS, max_size=2)
    ),
)
def test_whatever_is_set_gives_a_configuration_or_an_error_with_words(
    name: str, value: object
) -> None:
    with suppress(BuildError):
        assert isinstance(load_config((), (f"{name}={value}",)), Config)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("abf0123 :,-_[]{}&*!#'\"|>\n\tofn.~%@`"), max_size=40))
def test_whatever_a_file_holds_gives_a_configuration_or_an_error_with_words(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_text(text, "utf-8")
        with suppress(BuildError):
            assert isinstance(load_config((path,)), Config)


def test_later_files_and_assignments_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("audio: {f0: yin, hop_length: 256}\n")
    second.write_text("audio: {hop_length: 1024}\n")
    audio = load_config((first, second), ("audio.mfcc_htk=true",)).audio
    assert (audio.f0, audio.hop_length, audio.mfcc_htk) == ("yin", 1024, True)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "\x00"])
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(BuildError, match=r"broken\.yaml"):
        load_config((path,))


def test_settings_that_only_change_speed_are_no_part_of_a_key() -> None:
    slow, fast = (load_config((), (f"faces.batch_frames={n}",)).faces for n in (1, 64))
    assert slow.defining() == fast.defining()
    assert load_config((), ("faces.margin=0.1",)).faces.defining() != fast.defining()
