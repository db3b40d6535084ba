"""Whatever requests come in whatever order, the server allows what the paper's protocol allows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.annotate.rounds import PHASES
from pipeline.annotate.voting import RefusedError
from tests.annotate.conftest import Panel

PEOPLE, CLIPS = 2, 2
annotators = st.integers(0, PEOPLE - 1)
phases = st.sampled_from(PHASES)


class Requests(RuleBasedStateMachine):
    """Two annotators of two clips, next to a model of what they have done."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.panel = Panel(Path(self.folder.name), CLIPS, PEOPLE)
        self.closed = [0] * PEOPLE
        self.votes: dict[tuple[int, str, int], int | str] = {}

    def teardown(self) -> None:
        self.panel.database.close()
        self.folder.cleanup()

    @rule(
        who=annotators,
        whose=annotators,
        phase=phases,
        place=st.integers(0, CLIPS - 1),
        answer=st.sampled_from((-1, 0, 1, "cannot")),
    )
    def vote(self, who: int, whose: int, phase: str, place: int, answer: int | str) -> None:
        ticket = self.panel.ticket_of(whose, phase, place)
        is_allowed = who == whose and PHASES.index(phase) == self.closed[who]
        try:
            self.panel.voting.vote(self.panel.tokens[who], ticket, answer)
        except RefusedError:
            assert not is_allowed
        else:
            assert is_allowed
            self.votes[who, phase, place] = answer

    @rule(who=annotators, place=st.integers(0, CLIPS - 1))
    def vote_now(self, who: int, place: int) -> None:
        if self.closed[who] < len(PHASES):
            self.vote(who, who, PHASES[self.closed[who]], place, 1)

    @rule(who=annotators, phase=phases)
    def close(self, who: int, phase: str) -> None:
        is_complete = all((who, phase, place) in self.votes for place in range(CLIPS))
        is_allowed = PHASES.index(phase) == self.closed[who] and is_complete
        try:
            self.panel.voting.close(self.panel.tokens[who], phase)
        except RefusedError:
            assert not is_allowed
        else:
            assert is_allowed
            self.closed[who] += 1

    @invariant()
    def everybody_sees_their_own_phase_and_votes(self) -> None:
        for who, token in enumerate(self.panel.tokens):
            state = self.panel.voting.state(token)
            phase = PHASES[self.closed[who]] if self.closed[who] < len(PHASES) else None
            assert state["phase"] == phase
            answers = [self.votes.get((who, str(phase), place)) for place in range(CLIPS)]
            assert [t["answer"] for t in state["tasks"]] == (answers if phase else [])


Requests.TestCase.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
TestRequests = Requests.TestCase
