"""How a verb is played: what the model knows reasons against is refused without a trace; sent twice it counts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from incidents.models import Proposal
from incidents.services import splitting
from incidents.services.common import KeyReused, NotAllowed, TextMissing
from supportdesk.mail.models import OutgoingMail
from tests.incidents.life_rows import Life, Plan
from tests.incidents.machine.comparing import Compared
from tests.points.ledger import TICK, sql

Why = set[type[Exception]]
TABLES = (
    *("incidents_incident", "incidents_message", "incidents_timelineentry", "incidents_incidentclock"),
    *("incidents_incidentcharge", "incidents_proposal", "incidents_proposalpart", "incidents_creditcase"),
    *("incidents_follower", "incidents_draft", "incidents_notice", "sla_responseclock", "points_purchase"),
    *("points_lot", "points_charge", "points_entry", "points_giveback"),
)

places = st.integers(0, 1_000)
staff = st.sampled_from(["technician", "colleague", "admin"])
people = st.sampled_from(["owner", "restricted"])
thens = st.sampled_from(["open", "waiting", "closed"])
words = st.sampled_from(["It works.", "No, it does not.", " ", "Thank you."])
agains = st.sampled_from(["", "", "same", "other"])


def digest() -> tuple[Any, ...]:
    """All that a refusal must not have changed, in one query."""
    parts = [
        f"SELECT '{name}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t.id), '')) FROM {name} t"
        for name in TABLES
    ]
    parts.append(f"SELECT 'mail', count(*), max(id)::text FROM {OutgoingMail._meta.db_table}")
    return tuple(sorted(sql(" UNION ALL ".join(parts))))


class Played(Compared):
    """What all verbs share."""

    def plays(self, why: Why, do: Callable[[], Any]) -> Any:
        """Does it; where the model knows reasons against it, it is refused for one of them, without a trace."""
        self.at += TICK
        if not why:
            return do()
        before = digest()
        with pytest.raises(tuple(why)):
            do()
        assert digest() == before, "a refusal has no effect"
        return None

    def sends_again(self, again: str, do: Callable[..., Any], was: Any) -> None:
        """The same key once more: with the same content it gives the first result, with other content it is refused."""
        if not again:
            return
        before = digest()
        if again == "same":
            assert do() == was
        else:
            with pytest.raises(KeyReused):
                do(text="Other words.")
        assert digest() == before, "what is sent twice counts once"

    def repeats(self, do: Callable[[], Any]) -> None:
        """The same once more, where that is no refusal, changes nothing."""
        before = digest()
        do()
        assert digest() == before

    def life(self, place: int, act: str = "") -> Life:
        """Any of them; three times in four one that allows the act, for by chance alone few come far."""
        lives = list(self.model.lives.values())
        able = [life for life in lives if act and life.may(act)]
        lives = able if able and place % 4 else lives
        return lives[place // 4 % len(lives)]

    def may(self, life: Life, act: str) -> Why:
        return set() if life.may(act) else {NotAllowed}

    def texts(self, text: str) -> Why:
        return set() if text.strip() else {TextMissing}

    def a_plan(self, place: int, kind: str) -> Plan:
        plans = [proposal for proposal in self.model.plans.values() if proposal.kind == kind]
        waiting = [proposal for proposal in plans if proposal.state == "waiting"]
        found = waiting if waiting and place % 4 else plans
        return found[place % len(found)]

    def settled(self, proposal: Plan) -> Why:
        if proposal.state == "accepted":
            return {splitting.ProposalAccepted}
        if proposal.state == "withdrawn":
            return {splitting.ProposalWithdrawn}
        return {splitting.ProposalLapsed} if proposal.until <= self.at + TICK or proposal.state == "lapsed" else set()

    def is_proposed(self, made: Proposal, kind: str, by: str) -> Plan:
        proposal = Plan(made.pk, made.incident_id, kind, self.model.after_days(self.at, 30), self.user(by).pk)
        self.model.plans[made.pk] = proposal
        return proposal
