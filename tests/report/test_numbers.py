"""Statistics, packing, findings and comparisons behind the page."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import krippendorff
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from pipeline.config import Config, make_config
from pipeline.corpus import LABEL_OF, MODALITIES
from pipeline.report.corpus import alpha_ordinal, kept_columns, lengths, vote_counts, votes_by_clip
from pipeline.report.findings import Finding, Infos, findings
from pipeline.report.methods import methods
from pipeline.report.palette import DARK, LIGHT
from pipeline.report.provenance import costs, differences
from pipeline.report.read import read_build
from pipeline.report.results import Results, compare, result_tables
from pipeline.report.signals import (
    ALPHABET,
    film_strip,
    fitting_detail,
    fitting_rows,
    pack,
    resample,
)
from pipeline.train.metrics import METRICS
from pipeline.train.paper_tables import PAPER_RESULTS

BLANK = {"mean": dict.fromkeys(METRICS, 0.0), "std": dict.fromkeys(METRICS, 0.0)}
RAW_DEMO = Path(__file__).parents[2] / "raw" / "demo"


def test_alpha_is_that_of_krippendorffs_worked_example() -> None:
    """The example of Krippendorff (2011), part E: four observers, twelve units, ordinal."""
    nan = math.nan
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    units = [[v for v in unit if not math.isnan(v)] for unit in zip(*observers, strict=True)]
    assert alpha_ordinal(units) == pytest.approx(0.815, abs=0.0005)


def test_alpha_is_that_of_the_reference_library_on_any_votes() -> None:
    rng = np.random.default_rng(5)
    compared = 0
    for _ in range(200):
        votes = rng.integers(-1, 2, (5, int(rng.integers(2, 30)))).astype(float)
        votes[rng.random(votes.shape) < rng.choice([0, 0.3, 0.7])] = math.nan
        units = [[v for v in unit if not math.isnan(v)] for unit in votes.T]
        ours = alpha_ordinal(units)
        pairable = {v for unit in units if len(unit) > 1 for v in unit}
        if len(pairable) < 2:
            assert math.isnan(ours)
            continue
        theirs = krippendorff.alpha(votes, level_of_measurement="ordinal", value_domain=[-1, 0, 1])
        assert ours == pytest.approx(theirs, abs=1e-9)
        compared += 1
    assert compared > 150


def test_votes_are_counted_and_listed() -> None:
    votes = pd.DataFrame(
        [("v/1", "M", "a", 1.0), ("v/1", "M", "b", -1.0), ("v/1", "T", "a", 0.0)],
        columns=["clip", "modality", "annotator", "vote"],
    )
    counts = vote_counts(votes)
    assert list(counts) == ["M", "T"]
    assert (counts["M"].clips, counts["M"].annotators) == (1, 2)
    assert (counts["M"].negative, counts["M"].neutral, counts["M"].positive) == (1, 0, 1)
    assert votes_by_clip(votes) == {"v/1": "Votes: M -1 1, T 0"}


def test_kept_columns_are_described_by_their_range_or_their_words() -> None:
    clips = pd.DataFrame(
        {
            "arousal": [0.5, math.nan, 1.0],
            "emotion": ["joy", "", "joy"],
            "note": [None, None, None],
        }
    )
    arousal, emotion, note = kept_columns(clips, ["arousal", "emotion", "note"])
    assert (arousal.clips, arousal.content) == (2, "0.5 to 1, mean 0.75")
    assert (emotion.clips, emotion.content) == (2, "joy (2)")
    assert (note.clips, note.content) == (0, "")
    many = pd.DataFrame({"speaker": [f"s{n}" for n in range(9)]})
    (speaker,) = kept_columns(many, ["speaker"])
    assert speaker.content == "s0 (1), s1 (1), s2 (1), s3 (1), s4 (1), s5 (1) and 3 more"


def test_alpha_is_one_when_all_agree_and_undefined_when_nothing_varies() -> None:
    assert alpha_ordinal([[1, 1], [0, 0], [-1, -1]]) == 1
    assert math.isnan(alpha_ordinal([[1, 1], [1, 1]]))


def test_the_common_length_is_the_datasets_or_that_of_the_formula() -> None:
    steps = [10, 10, 10, 10, 50]
    assert lengths("text", "tokens", steps, 1, None).limit == (18 + 16)
    known = lengths("text", "tokens", steps, 3, 40)
    assert (known.limit, known.cut) == (40, 1)


def test_a_packed_signal_keeps_its_shape_to_a_64th() -> None:
    values = np.linspace(0, 1, 64)
    assert pack(values, 0, 1) == ALPHABET
    assert pack(np.array([np.nan, -5.0, 5.0]), 0, 1) == f".{ALPHABET[0]}{ALPHABET[-1]}"


def test_resampling_averages_what_is_there() -> None:
    values = np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan])
    assert resample(values, 3)[:2].tolist() == [2.0, 5.0]
    assert math.isnan(resample(values, 3)[2])
    assert resample(values[:2], 48).tolist() == [1.0, 3.0]


def test_2281_clips_fit_into_15_megabytes() -> None:
    detail = fitting_detail(2281, 15, 350 * 2281)
    assert detail.clips == 2281
    strip = film_strip(_real_crops(6), detail.pixels, detail.quality)
    tracks = (3 + 1 + 1 + 3 + 4 + 1 + 20 + 12) * detail.columns
    names_and_row = 900
    assert (len(strip) + tracks + names_and_row) * 2281 < 14.5e6


def test_few_clips_are_drawn_finely_and_very_many_only_the_worst() -> None:
    assert fitting_detail(30, 15, 10_000).pixels > fitting_detail(2281, 15, 800_000).pixels
    assert 0 < fitting_detail(9000, 15, 3_000_000).clips < 9000


@pytest.mark.parametrize("clips", [50_000, 1_000_000])
def test_however_many_clips_the_worst_have_pictures(clips: int) -> None:
    rows = fitting_rows([250] * clips, 15)
    assert rows == min(clips, 36_000)
    assert fitting_detail(rows, 15, 250 * rows).clips > 500
    assert fitting_rows([], 15) == 0


def test_a_broken_crop_is_a_blank_not_an_error() -> None:
    assert film_strip([b"no jpeg", None], 16, 50)


def _real_crops(count: int) -> list[bytes | None]:
    """Cut the middle out of frames of a demo clip, where its face is."""
    import av
    from PIL import Image

    crops: list[bytes | None] = []
    with av.open(str(RAW_DEMO / "video_0001" / "0001.mp4")) as media:
        for frame in media.decode(video=0):
            image = Image.fromarray(frame.to_ndarray(format="rgb24"))
            side = min(image.size)
            left = (image.width - side) // 2
            buffer = io.BytesIO()
            image.crop((left, 0, left + side, side)).save(buffer, "JPEG", quality=95)
            crops.append(buffer.getvalue())
            if len(crops) == count:
                break
    return crops


FINE: Infos = {
    "frames": None,
    "faces": {"face_share": 1.0, "second_face_share": 0.0},
    "openface": {"notes": []},
    "vision": {"success_share": 1.0, "mean_confidence": 0.97, "notes": []},
    "audio": {"voiced_share": 0.6, "loudness_db": -20.0},
    "text": {"unknown": 0},
}


def found(config: Config, **changed: dict[str, object] | None) -> list[Finding]:
    return findings(config, {**FINE, **changed}, [], [])


def test_a_good_clip_has_no_findings() -> None:
    assert found(make_config({})) == []


def test_each_limit_gives_a_finding_in_words_and_the_gravest_comes_first() -> None:
    config = make_config({})
    lost = found(config, faces={"face_share": 0.4, "second_face_share": 0.5})
    assert [item.kind for item in lost] == ["face", "second"]
    assert lost[0].text == "face in 40% of the frames"
    assert [item.kind for item in found(config, audio={"voiced_share": 0.0})] == ["voice"]
    assert [i.kind for i in found(config, audio={"loudness_db": -60})] == ["quiet"]
    damaged = found(config, audio={"errors": 3})
    assert damaged[0].text == "ffmpeg met 3 errors in its sound"
    assert found(config, text={"unknown": 2})[0].text == "2 unknown tokens"
    assert found(config, text=None)[0].text == "not made yet: text"
    assert found(config, audio={"voiced_share": None}) == []  # zero-crossing rates have no voicing


def test_the_limits_are_settings() -> None:
    faces: dict[str, object] = {"face_share": 0.8, "second_face_share": 0.0}
    assert found(make_config({}), faces=faces)
    assert not found(make_config({"report": {"face_share": 0.7}}), faces=faces)


def test_a_difference_is_compared_with_the_spread_of_the_seeds() -> None:
    assert compare("acc2", (80.0, 1.0), (81.0, 0.5)).verdict == "within"
    assert compare("acc2", (90.0, 1.0), (81.0, 0.5)).verdict == "better"
    assert compare("mae", (50.0, 1.0), (40.0, 0.5)).verdict == "worse"
    assert compare("mae", (30.0, 1.0), (40.0, 0.5)).verdict == "better"
    assert compare("acc2", None, (40.0, 0.5)).verdict == ""
    assert compare("acc2", (50.0, 1.0), (40.0, None)).difference == 10


def test_the_papers_f1_is_not_compared_since_it_swaps_truth_and_prediction() -> None:
    """Of its EF-LSTM, which gives all clips one class (Acc-2 69.37), it prints 81.91."""
    truth, predicted = np.r_[np.zeros(317), np.ones(140)], np.zeros(457)
    paper = PAPER_RESULTS["table2"]["ef_lstm"]
    assert round(100 * accuracy_score(truth, predicted), 2) == paper["acc2"]
    assert round(100 * f1_score(predicted, truth, average="weighted"), 2) == paper["f1"]
    assert compare("f1", (56.82, 0.0), (paper["f1"], 0.0)).verdict == ""


@pytest.mark.parametrize("absent", MODALITIES)
def test_tasks_of_an_absent_modality_are_in_no_table(absent: str) -> None:
    rows = {
        name: [{"variant": v, "main": True, "seeds": [1], "test": BLANK} for v in variants]
        for name, variants in (("table4", ["T-by-M"]), ("table5", ["M"]))
    }
    results = Results({name: {"rows": found, "seeds": [1]} for name, found in rows.items()})
    slots = [m for m in MODALITIES if m != absent]
    label = LABEL_OF[absent]
    two, four, five = result_tables(results, slots)
    reason = f"the dataset has no {absent} features"
    assert four.left_out == (f"{label}, label {label}; {label}, label M: {reason}",)
    assert five.left_out[0].endswith(f"M, T, A, V: {reason}")
    assert len(five.left_out[0].split("; ")) == 4
    assert two.left_out == ()
    assert not [name for name, _ in five.rows if label in name]
    assert len(five.rows) == 4
    if label != "T":  # what was trained all the same stays
        assert not [name for name, _ in four.rows if name.startswith(label)]
    _, whole, _ = result_tables(results, MODALITIES)
    assert len(whole.rows) == 6
    assert whole.left_out == ()


def test_table_2_says_which_tasks_are_missing_and_why() -> None:
    row = {"variant": "mlf_dnn", "main": True, "seeds": [1], "test": BLANK, "tasks": ["M", "T"]}
    results = Results({"table2": {"rows": [row], "seeds": [1]}})
    (two,) = result_tables(results, ["text"])
    assert two.left_out == (
        "all models: they fuse modalities, and the dataset has text features only",
        "task A of MLF-DNN: the dataset has no audio features",
        "task V of MLF-DNN: the dataset has no vision features",
    )


def test_costs_are_summed_by_stage_in_the_order_of_the_data() -> None:
    runs = [
        {"stage": "text", "computed": 2, "seconds": 4, "peak_mb": 100},
        {"stage": "faces", "computed": 3, "seconds": 3, "peak_mb": 900},
        {"stage": "text", "computed": 0, "seconds": 1, "peak_mb": 300},
    ]
    faces, text = costs(runs)
    assert (faces.stage, text.stage) == ("faces", "text")
    assert (text.jobs, text.computed, text.seconds, text.peak_mb) == (2, 2, 5, 300)
    assert text.seconds_per_clip == 2.5


def test_only_settings_off_their_defaults_are_listed() -> None:
    assert differences(make_config({})) == []
    (item,) = differences(make_config({"audio": {"mfcc_htk": True}}))
    assert (item.key, item.default, item.value) == ("audio.mfcc_htk", "false", "true")
    silent = make_config({"audio": {"mfcc_htk": True}, "features": {"audio": "none"}})
    assert [item.key for item in differences(silent)] == ["features.audio"]
    speech = make_config({"features": {"audio": "speech"}, "speech": {"model": "moved/hubert"}})
    assert [item.key for item in differences(speech)] == ["features.audio"]


def test_the_methods_describe_only_what_ran(build: Config) -> None:
    whole = read_build(build)
    text, bibtex = methods(whole, {"librosa": "0.11.0"}, ["lf_dnn", "tfn"])
    assert "librosa 0.11.0" in text
    assert "untrained text model" in text
    assert "LF-DNN, TFN were trained with 2 seeds (1, 12), as the paper describes it" in text
    assert "zadeh2017tfn" in bibtex
    assert "devlin2019bert" not in bibtex
    assert bibtex.count("@") == len(set(bibtex.split("@")[1:]))


def test_the_methods_name_the_openface_that_made_the_features(build: Config) -> None:
    whole = read_build(build)
    vars(whole)["openface_programs"] = ["image sha256:1f, /bin/FeatureExtraction"]
    text, _ = methods(whole, {}, [])
    assert "2018; image sha256:1f, /bin/FeatureExtraction)" in text
    vars(whole)["openface_programs"] = []
    assert "the features do not say which" in methods(whole, {}, [])[0]


@pytest.mark.parametrize(
    ("vision", "expected", "not_said"),
    [
        ({}, "found no face are zero and marked as invalid", "mean of"),
        ({"invalid": "drop"}, "found no face were left out", "mean of"),
        (
            {"pool": 5},
            "5 successive frames in which OpenFace found a face; spans without any are zero",
            "left out",
        ),
        (
            {"pool": 5, "invalid": "drop"},
            "the mean of those among 5 successive frames in which OpenFace found a face; spans "
            "without any were left out",
            "zero and",
        ),
        (
            {"pool": 5, "invalid": "keep", "rows": "csv"},
            "5 successive rows of OpenFace's output, those in which OpenFace found no face",
            "left out",
        ),
    ],
)
def test_the_methods_say_what_became_of_frames_without_a_face(
    build: Config, vision: dict[str, object], expected: str, not_said: str
) -> None:
    whole = read_build(build)
    settings = whole.made_with.model_copy(
        update={"vision": whole.made_with.vision.model_copy(update=vision)}
    )
    vars(whole)["made_with"] = settings
    text, _ = methods(whole, {}, [])
    (sentence,) = re.findall(r"The vision feature[^.]*\.", text)
    assert expected in sentence
    assert not_said not in sentence


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_text_can_be_read_on_every_ground(colours: dict[str, str]) -> None:
    grounds = ("page", "card", "sunken")
    for name in ("ink", "soft", "accent", "good", "warn", "bad"):
        for ground in grounds:
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for kind in ("good", "warn", "bad", "accent"):
        assert _contrast(colours["ink"], colours[f"{kind}-soft"]) >= 4.5


def _contrast(first: str, second: str) -> float:
    """Return the contrast of WCAG 2.1 between two colours."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
