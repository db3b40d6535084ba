"""annotations.csv becomes labels, and what is missing in it is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest

from pipeline.config import Config
from pipeline.errors import BuildError
from pipeline.manifest.find import sheet_files
from pipeline.manifest.sheet import read_sheet, sheet_rows

Corpus = Callable[..., Config]
FIVE = ("a1", "a2", "a3", "a4", "a5")
VOTES = {"M": (-1, -1, -1, 0, -1), "T": (0, 0, 1, 0, 1), "A": (0,) * 5, "V": (1,) * 5}


def lines(clip: str, skip: Iterable[tuple[str, str]] = ()) -> str:
    """Return a clip's twenty votes but those in `skip`."""
    return "".join(
        f"{clip},{modality},{annotator},{vote},你好\n"
        for modality, votes in VOTES.items()
        for annotator, vote in zip(FIVE, votes, strict=True)
        if (modality, annotator) not in skip
    )


HEADER = "clip,modality,annotator,vote,text\n"


def test_a_label_is_the_mean_of_its_votes(corpus: Corpus) -> None:
    config = corpus({}, HEADER + lines("v1/0001"), name="annotations.csv")
    sheet = read_sheet(config)
    (row,) = sheet.rows
    assert (row.M, row.T, row.A, row.V) == (-0.8, 0.4, 0.0, 1.0)
    assert (row.clip, row.text, row.vote_problems) == ("v1/0001", "你好", ())
    assert sheet.votes is not None
    assert len(sheet.votes) == 20


def test_a_missing_vote_is_told_and_the_others_averaged(corpus: Corpus) -> None:
    sheet = HEADER + lines("v1/0001") + lines("v1/0002", skip=[("M", "a4")])
    whole, lacking = sheet_rows(corpus({}, sheet, name="annotations.csv"))
    assert whole.vote_problems == ()
    assert lacking.vote_problems == ("no vote on M by a4",)
    assert lacking.M == -1.0


def test_a_missing_modality_is_told(corpus: Corpus) -> None:
    skip = [("A", annotator) for annotator in FIVE]
    sheet = HEADER + lines("v1/0001") + lines("v1/0002", skip=skip)
    _, lacking = sheet_rows(corpus({}, sheet, name="annotations.csv"))
    assert lacking.vote_problems == ("no vote on A by a1, a2, a3, a4, a5",)
    assert math.isnan(lacking.A)


def test_a_second_vote_does_not_count_and_is_told(corpus: Corpus) -> None:
    sheet = HEADER + lines("v1/0001") + "v1/0001,M,a1,1,\n"
    (row,) = sheet_rows(corpus({}, sheet, name="annotations.csv"))
    assert row.M == -0.8
    assert "a1 voted -1 and then 1 on M" in row.vote_problems[0]


@pytest.mark.parametrize("bad", ["v1/0001,M,a6,2,\n", "v1/0001,X,a6,1,\n", "v1/0001,M,a6,yes,\n"])
def test_a_line_that_is_no_vote_makes_its_clip_unusable(corpus: Corpus, bad: str) -> None:
    (row,) = sheet_rows(corpus({}, HEADER + lines("v1/0001") + bad, name="annotations.csv"))
    assert "line 22" in row.problems[0]


def test_transcripts_come_from_a_sheet_beside_the_votes(corpus: Corpus) -> None:
    votes = "video_id,clip_id,modality,annotator,vote\nv1,1,M,a1,1\nv1,2,M,a1,0\nv1,3,M,a1,0\n"
    config = corpus({"v1/0001.mp4": "plain.mp4"}, votes, name="annotations.csv")
    (config.raw / "transcripts.csv").write_text(
        "clip,text\nv1/2,二\nv1/0001,一\nv1/4,四\n", "utf-8"
    )
    rows = sheet_rows(config)
    assert [(r.clip, r.text, r.row) for r in rows] == [
        ("v1/2", "二", 0),
        ("v1/0001", "一", 1),
        ("v1/4", "四", 2),
        ("v1/3", "", 3),
    ]
    assert (rows[2].problems, rows[2].vote_problems) == ((), ("it has no votes",))


def test_votes_without_transcripts_stop_the_build(corpus: Corpus) -> None:
    votes = "clip,modality,annotator,vote\nv1/1,M,a1,1\n"
    with pytest.raises(BuildError, match=r"transcripts\.csv"):
        sheet_rows(corpus({}, votes, name="annotations.csv"))


def test_a_fault_of_a_transcript_names_the_sheet_it_stands_in(corpus: Corpus) -> None:
    votes = "clip,modality,annotator,vote\nv1/1,M,a1,1\nv1/2,M,a1,1_0\n"
    config = corpus({}, votes, name="annotations.csv")
    (config.raw / "transcripts.csv").write_bytes("clip,text\nv1/1,你好\nv1/2,你\ue123好\n".encode())
    good, bad = sheet_rows(config)
    assert good.problems == ()
    assert bad.problems[0].startswith("transcripts.csv, line 3: column text: the character U+E123")
    assert bad.problems[1] == "annotations.csv, line 3: the vote '1_0' is not a number"


def test_the_encoding_of_the_votes_is_told_too(corpus: Corpus) -> None:
    config = corpus({}, "clip,text,label\nv1/0001,你好,0.6\n")
    (config.raw / "annotations.csv").write_bytes((HEADER + lines("v1/0001")).encode("utf-16"))
    assert read_sheet(config).notes == ("annotations.csv was recognised as UTF-16",)


def test_labels_stand_where_a_sheet_has_both_and_a_difference_is_told(corpus: Corpus) -> None:
    config = corpus({}, "clip,text,label\nv1/0001,你好,0.6\n")
    (config.raw / "annotations.csv").write_text(HEADER + lines("v1/0001"), "utf-8")
    sheet = read_sheet(config)
    assert sheet.rows[0].M == 0.6
    assert "its label M is 0.6, its votes' mean -0.8" in sheet.rows[0].vote_problems
    assert sheet.votes is not None


def test_a_label_that_is_missing_is_taken_from_the_votes(corpus: Corpus) -> None:
    config = corpus({}, "clip,text,label,label_T\nv1/0001,你好,,0.4\n")
    (config.raw / "annotations.csv").write_text(HEADER + lines("v1/0001"), "utf-8")
    (row,) = sheet_rows(config)
    assert (row.M, row.T, row.A, row.V) == (-0.8, 0.4, 0.0, 1.0)
    assert row.vote_problems == ()


def test_votes_without_m_label_what_was_voted_on(corpus: Corpus) -> None:
    votes = "clip,text,modality,annotator,vote\nv1/0001,你好,T,a1,1\n"
    sheet = read_sheet(corpus({}, votes, name="annotations.csv"))
    assert sheet.labelled
    assert sheet.rows[0].T == 1
    assert math.isnan(sheet.rows[0].M)


def test_a_label_sheet_without_labels_takes_them_from_the_votes(corpus: Corpus) -> None:
    config = corpus({}, "clip,text,speaker\nv1/0001,你好,anna\n")
    (config.raw / "annotations.csv").write_text(HEADER + lines("v1/0001"), "utf-8")
    (row,) = sheet_rows(config)
    assert (row.M, row.speaker) == (-0.8, "anna")
    assert [path.name for path in sheet_files(config)] == ["label.csv", "annotations.csv"]
