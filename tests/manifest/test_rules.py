"""Each corpus rule finds what it is about, and its action decides."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pipeline.manifest.row import SheetRow
from pipeline.manifest.rules import findings, judge, unusable
from pipeline.manifest.settings import CorpusRules
from pipeline.manifest.streams import Probe

ROW = SheetRow(0, 2, "v", "0001", text="你好", M=0.2, T=0.2, A=-1.0, V=1.0)
PROBE = Probe(3.0, 25.0, 320, 240, 0, "h264", "aac", 44100, 2)


def broken(row: SheetRow, probe: Probe) -> list[str]:
    return [finding.rule for finding in findings(row, probe, CorpusRules())]


def test_a_good_clip_breaks_no_rule() -> None:
    assert broken(ROW, PROBE) == []


@pytest.mark.parametrize(
    ("seconds", "rules"),
    [(0.99, ["duration"]), (1.0, []), (10.0, []), (10.01, ["duration"])],
)
def test_a_clip_is_one_to_ten_seconds_long(seconds: float, rules: list[str]) -> None:
    assert broken(ROW, replace(PROBE, duration=seconds)) == rules


def test_each_missing_stream_is_named() -> None:
    (finding,) = findings(ROW, replace(PROBE, audio_codec=None), CorpusRules())
    assert finding.reason == "the file has no audio stream"


def test_labels_lie_on_the_grid_of_five_votes() -> None:
    assert broken(replace(ROW, V=-0.4, A=math.nan), PROBE) == []
    assert broken(replace(ROW, V=0.5), PROBE) == ["label_grid"]


def test_an_empty_transcript_and_lacking_votes_are_found() -> None:
    row = replace(ROW, text="", vote_problems=("no vote on M by a4",))
    assert broken(row, PROBE) == ["transcript", "votes"]


def test_the_action_decides_what_a_finding_means() -> None:
    short = replace(PROBE, duration=0.5)
    warned = judge(ROW, short, CorpusRules(duration="warn"))
    assert warned.warnings == ("0.50 s, shorter than 1 s",)
    assert warned.refusals == ()
    refused = judge(ROW, short, CorpusRules(duration="quarantine"))
    assert refused.warnings == ()
    assert refused.refusals[0].rule == "duration"
    off = judge(ROW, short, CorpusRules(duration="off"))
    assert (off.warnings, off.refusals) == ((), ())


@pytest.mark.parametrize(
    ("modality", "column"), [("M", "label"), ("T", "label_t"), ("A", "label_a"), ("V", "label_v")]
)
def test_no_rule_lets_a_label_outside_its_range_in(modality: str, column: str) -> None:
    row = replace(ROW, **{modality: -3.0})
    (finding,) = unusable(row, PROBE)
    assert finding.reason == f"column {column}: -3 is outside [-1, 1]"


def test_a_label_beyond_1_and_a_whole_film_are_unusable_whatever_the_rules() -> None:
    found = list(unusable(replace(ROW, M=1.2), replace(PROBE, duration=5400.0)))
    assert [finding.rule for finding in found] == ["label", "duration"]


@pytest.mark.parametrize(
    ("lacks", "needed"),
    [({"audio_codec": None}, "sound"), ({"video_codec": None}, "video")],
)
def test_a_clip_may_lack_what_no_filled_slot_is_made_from(
    lacks: dict[str, None], needed: str
) -> None:
    probe = replace(PROBE, **lacks)
    read = frozenset({"video", "sound", "text"})
    assert [f.rule for f in findings(ROW, probe, CorpusRules(), read)] == ["streams"]
    assert list(findings(ROW, probe, CorpusRules(), read - {needed})) == []


def test_a_transcript_is_asked_for_only_where_text_is_a_feature() -> None:
    silent = replace(ROW, text="")
    assert [f.rule for f in findings(silent, PROBE, CorpusRules())] == ["transcript"]
    assert list(findings(silent, PROBE, CorpusRules(), frozenset({"video", "sound"}))) == []
