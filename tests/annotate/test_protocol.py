"""The protocol of sections 3.1 and 3.2, whatever an annotator's browser asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.annotate.database import Database
from pipeline.annotate.organiser import Organiser, corrections
from pipeline.annotate.rounds import PHASES, links, set_up
from pipeline.annotate.voting import CANNOT_JUDGE, RefusedError, Voting
from pipeline.errors import BuildError
from tests.annotate.conftest import Panel, listed


def refused(status: int) -> pytest.RaisesExc[RefusedError]:
    return pytest.RaisesExc(RefusedError, check=lambda error: error.status == status)


def test_the_phases_open_in_the_papers_order_and_never_again(panel: Panel) -> None:
    token = panel.tokens[0]
    for number, phase in enumerate(PHASES):
        assert panel.voting.state(token)["phase"] == phase
        for later in PHASES[number + 1 :]:
            with refused(403):
                panel.voting.vote(token, panel.ticket_of(0, later), 1)
        for earlier in PHASES[:number]:
            with refused(409):
                panel.voting.vote(token, panel.ticket_of(0, earlier), 1)
            with refused(409):
                panel.voting.clip(token, panel.ticket_of(0, earlier))
        panel.finish()
    state = panel.voting.state(token)
    assert (state["phase"], state["tasks"]) == (None, [])
    with refused(409):
        panel.voting.vote(token, panel.ticket_of(0, "M"), 1)


def test_a_phase_with_an_open_clip_cannot_be_closed(panel: Panel) -> None:
    token, tickets = panel.tokens[0], panel.tickets()
    for ticket in tickets[:-1]:
        panel.voting.vote(token, ticket, 0)
    with refused(409):
        panel.voting.close(token, "T")
    with refused(403):
        panel.voting.close(token, "A")
    panel.voting.vote(token, tickets[-1], CANNOT_JUDGE)
    assert panel.voting.close(token, "T")["phase"] == "A"
    with refused(409):
        panel.voting.close(token, "T")  # the button pressed twice closes one phase


def test_an_answer_can_be_changed_within_its_phase_and_the_last_one_counts(panel: Panel) -> None:
    token, (first, *_) = panel.tokens[0], panel.tickets()
    for answer in (1, CANNOT_JUDGE, -1, 0):
        panel.voting.vote(token, first, answer)
    answers = {t["ticket"]: t["answer"] for t in panel.voting.state(token)["tasks"]}
    assert answers[first] == 0
    assert list(answers.values()).count(None) == 2


@pytest.mark.parametrize("answer", [2, -2, 0.5, 1.0, True, "1", None, [], "kann nicht"])
def test_only_the_answers_of_the_paper_are_accepted(panel: Panel, answer: object) -> None:
    with refused(400):
        panel.voting.vote(panel.tokens[0], panel.tickets()[0], answer)


def test_what_one_annotator_does_changes_nothing_for_another(panel: Panel) -> None:
    before = panel.voting.state(panel.tokens[1])
    panel.finish(0)
    assert panel.voting.state(panel.tokens[1]) == before
    for phase in PHASES:
        with refused(404):
            panel.voting.vote(panel.tokens[1], panel.ticket_of(0, phase), 1)
        with refused(404):
            panel.voting.clip(panel.tokens[1], panel.ticket_of(0, phase))


def test_the_transcript_is_shown_in_the_phases_t_and_m_only(panel: Panel) -> None:
    shown = []
    for _ in PHASES:
        shown.append(sorted(panel.voting.clip(panel.tokens[0], panel.tickets()[0])))
        panel.finish()
    assert shown == [["text"], [], [], ["remark", "text"]]


def test_media_belong_to_the_open_phase_only(panel: Panel) -> None:
    for number, phase in enumerate(PHASES):
        for other in PHASES:
            ticket = panel.ticket_of(0, other)
            if other == phase != "T":
                assert panel.voting.media(panel.tokens[0], ticket).phase == phase
                continue
            with refused(409 if PHASES.index(other) < number else 403):
                panel.voting.media(panel.tokens[0], ticket)
        panel.finish()


def test_orders_differ_between_annotators_and_phases_and_survive_a_restart(tmp_path: Path) -> None:
    panel = Panel(tmp_path, clips=40, annotators=3)
    query = "SELECT annotator, phase, clip FROM tasks ORDER BY annotator, phase, place"

    def orders(database: Database) -> dict[tuple[int, str], list[int]]:
        found: dict[tuple[int, str], list[int]] = {}
        with database.reading() as db:
            for annotator, phase, clip in db.execute(query):
                found.setdefault((annotator, phase), []).append(clip)
        return found

    first = orders(panel.database)
    assert len({tuple(order) for order in first.values()}) == 3 * len(PHASES)
    assert all(sorted(order) == list(range(1, 41)) for order in first.values())
    panel.finish(0)
    panel.database.close()
    again = Database(tmp_path)
    assert set_up(again, listed(40)) == []
    assert orders(again) == first
    assert links(again) == panel.links
    assert Voting(again).state(panel.tokens[0])["phase"] == "A"


def test_no_phase_opens_before_every_clip_has_a_transcript(tmp_path: Path) -> None:
    panel = Panel(tmp_path)
    organiser = Organiser(panel.database)
    with panel.database.transaction() as db:
        db.execute("UPDATE clips SET text = '' WHERE id = 2")
    state = panel.voting.state(panel.tokens[0])
    assert (state["waiting"], state["tasks"]) == (True, [])
    with refused(403):
        panel.voting.vote(panel.tokens[0], panel.ticket_of(0, "T"), 1)
    organiser.set_transcript(panel.links.organiser, 2, " 你好。\n")
    assert not panel.voting.state(panel.tokens[0])["waiting"]
    panel.finish(0)
    with refused(409):  # somebody has voted on these words
        organiser.set_transcript(panel.links.organiser, 2, "再见。")
    assert organiser.transcripts(panel.links.organiser)[1]["text"] == "你好。"


def test_until_the_first_answer_the_round_follows_the_folder(tmp_path: Path) -> None:
    database = Database(tmp_path)
    set_up(database, listed(2, text=""), 2)
    token = links(database)
    Organiser(database).set_transcript(token.organiser, 2, "打好的字。")
    set_up(database, listed(4, text=""))
    assert links(database) == token
    texts = [row["text"] for row in Organiser(database).transcripts(token.organiser)]
    assert texts == ["", "打好的字。", "", ""]


def test_after_it_new_clips_wait_and_lost_ones_stop_the_round(panel: Panel) -> None:
    panel.voting.vote(panel.tokens[0], panel.tickets()[0], 1)
    (note,) = set_up(panel.database, listed(4))
    assert "v/0003" in note
    assert len(panel.tickets()) == 3
    with pytest.raises(BuildError, match=r"clip v/0002 .* cannot be used"):
        set_up(panel.database, listed(2))


def test_annotators_can_be_added_but_not_removed(panel: Panel) -> None:
    panel.finish(0)
    assert set_up(panel.database, listed(3), 3) == []
    assert list(links(panel.database).annotators.items())[:2] == list(
        panel.links.annotators.items()
    )
    panel.tokens = list(links(panel.database).annotators.values())
    assert len(panel.tickets(2)) == 3
    (note,) = set_up(panel.database, listed(3), 1)
    assert "removes none" in note
    assert len(links(panel.database).annotators) == 3


def test_remarks_belong_to_the_last_phase(panel: Panel) -> None:
    for phase in PHASES[:-1]:
        with refused(403):
            panel.voting.remark(panel.tokens[0], panel.ticket_of(0, phase), {"text": "别的。"})
        panel.finish()
    token, ticket = panel.tokens[0], panel.tickets()[0]
    for bad in ({"gender": "x"}, {"age": 121}, {"age": -1}, {"age": True}, {"text": "长" * 1001}):
        with refused(400):
            panel.voting.remark(token, ticket, bad)
    panel.voting.remark(token, ticket, {"text": "改了。", "gender": "female", "age": 30})
    assert panel.voting.clip(token, ticket)["remark"] == {
        "text": "改了。",
        "gender": "female",
        "age": 30,
    }


def test_a_correction_holds_if_most_wrote_it_or_the_organiser_chose_it(tmp_path: Path) -> None:
    panel = Panel(tmp_path, clips=1, annotators=3)
    organiser, link = Organiser(panel.database), panel.links.organiser

    def held() -> str:
        with panel.database.reading() as db:
            return corrections(db)[0].held

    for annotator, text in enumerate(("甲。", "甲。", "乙。")):
        for _ in range(3):
            panel.finish(annotator)
        ticket = panel.tickets(annotator)[0]
        panel.voting.remark(panel.tokens[annotator], ticket, {"text": text})
        assert held() == ("第0句。" if annotator == 0 else "甲。")
    organiser.decide(link, 1, "乙。")
    assert held() == "乙。"
    organiser.decide(link, 1, None)
    assert held() == "甲。"
    for call in (organiser.check, organiser.overview, organiser.transcripts):
        with refused(404):
            call(panel.tokens[0])  # an annotator's link is not the organiser's
