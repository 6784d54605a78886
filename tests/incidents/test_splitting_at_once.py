"""Two at once: one wins, the other is told, and the points are spent once (D8, D14)."""

from __future__ import annotations

from datetime import datetime

import pytest

from incidents.models import Incident, Proposal
from incidents.services import conversation, opening, splitting
from points.models import Charge
from points.queries import balance
from points.services import NotEnoughPoints
from tests.cast import Cast
from tests.incidents.splitting import divided, offspring, parts_of
from tests.incidents_helpers import a_report, at_once, key, opened, steps, with_points

pytestmark = pytest.mark.rule("D14", "R3")
TIMES = 3


def seen(incident: Incident) -> int:
    latest = incident.timeline.order_by("pk").last()
    assert latest is not None
    return latest.pk


@pytest.mark.parametrize("time", range(TIMES))
def test_two_technicians_split_at_once(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at, points=100)
    known, parts = seen(incident), parts_of(incident, "Calendars", "Search")
    made = at_once(
        lambda: divided(incident, cast.technician, at=at, parts=parts, seen=known),
        lambda: divided(incident, cast.colleague, at=at, parts=parts, seen=known),
    )
    assert sorted(type(thing).__name__ for thing in made) == ["Overtaken", "Proposal"]
    assert len(offspring(incident)) == 2
    assert steps(incident).count("split") == 1


def test_one_split_sent_by_four_at_once_is_one(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at, points=100)
    known, parts = seen(incident), parts_of(incident, "Calendars", "Search")
    made = at_once(
        *[lambda: divided(incident, cast.technician, at=at, parts=parts, seen=known, key="a key of the form")] * 4
    )
    assert made == [Proposal.objects.get()] * 4
    assert (len(offspring(incident)), Charge.objects.count()) == (2, 3)


@pytest.mark.rule("D8")
def test_two_incidents_split_at_once_on_the_points_of_one(committed_cast: Cast, at: datetime):
    cast = committed_cast
    first, second = opened(cast.owner, at=at), opened(cast.restricted, at=at)
    with_points(cast.acme, 30, at=at)
    made = at_once(lambda: divided(first, cast.technician, at=at), lambda: divided(second, cast.colleague, at=at))
    assert sorted(proposal.state for proposal in made) == ["accepted", "waiting"]
    assert balance(customer_id=cast.acme.pk, at=at) == 10


@pytest.mark.rule("D8")
def test_a_report_and_a_split_at_once_on_the_points_of_one(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at, points=20)
    report = a_report(cast.restricted)
    reported, split = at_once(
        lambda: opening.report_problem(report=report, at=at, key=key()),
        lambda: divided(incident, cast.technician, "Calendars", at=at),
    )
    assert (type(reported).__name__, split.state) in [("Incident", "waiting"), ("Draft", "accepted")]
    assert balance(customer_id=cast.acme.pk, at=at) == 0


@pytest.mark.parametrize("time", range(TIMES))
def test_a_split_and_a_message_of_the_customer_at_once(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at, points=30)
    known = seen(incident)
    split, added = at_once(
        lambda: divided(incident, cast.technician, at=at, seen=known),
        lambda: conversation.customer_message(
            incident_id=incident.pk, contact=cast.owner, text="One more", via="portal", at=at, key=key()
        ),
    )
    assert added.outcome == "added"
    order = [code for code in steps(incident) if code in ("split", "customer_wrote")]
    if isinstance(split, splitting.Overtaken):
        assert order == ["customer_wrote"]
        assert offspring(incident) == []
    else:
        assert order == ["split", "customer_wrote"]
        assert [part.messages.count() for part in offspring(incident)] == [1, 1]


@pytest.mark.rule("D8")
def test_a_proposal_accepted_by_four_at_once_is_carried_out_once(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    proposal = divided(incident, cast.technician, at=at)
    with_points(cast.acme, 100, at=at)
    works = [
        lambda: splitting.accept_proposal(proposal_id=proposal.pk, contact=cast.owner, at=at),
        lambda: splitting.accept_proposal(proposal_id=proposal.pk, user=cast.technician, at=at),
    ] * 2
    assert at_once(*works) == [proposal] * 4
    assert len(offspring(incident)) == 2
    assert balance(customer_id=cast.acme.pk, at=at) == 80


@pytest.mark.rule("D8")
@pytest.mark.parametrize("time", range(TIMES))
def test_accepted_and_withdrawn_at_once(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    proposal = divided(incident, cast.technician, at=at)
    with_points(cast.acme, 20, at=at)
    accept, withdraw = at_once(
        lambda: splitting.accept_proposal(proposal_id=proposal.pk, contact=cast.owner, at=at),
        lambda: splitting.withdraw_proposal(proposal_id=proposal.pk, user=cast.technician, at=at),
    )
    if isinstance(accept, Exception):
        assert isinstance(accept, splitting.ProposalWithdrawn)
        assert withdraw.state == "withdrawn"
        assert offspring(incident) == []
        divided(incident, cast.technician, at=at)
    else:
        assert isinstance(withdraw, splitting.ProposalAccepted)
    assert len(offspring(incident)) == 2
    assert balance(customer_id=cast.acme.pk, at=at) == 0


@pytest.mark.rule("D8")
def test_two_proposals_accepted_at_once_on_the_points_of_one(committed_cast: Cast, at: datetime):
    cast = committed_cast
    proposals = [divided(opened(cast.owner, at=at), cast.technician, at=at) for _time in range(2)]
    with_points(cast.acme, 20, at=at)
    made = at_once(
        *[
            lambda pk=proposal.pk: splitting.accept_proposal(proposal_id=pk, contact=cast.owner, at=at)
            for proposal in proposals
        ]
    )
    assert sorted(type(thing).__name__ for thing in made) == [NotEnoughPoints.__name__, "Proposal"]
    assert balance(customer_id=cast.acme.pk, at=at) == 0
    assert sorted(Proposal.objects.values_list("state", flat=True)) == ["accepted", "waiting"]
