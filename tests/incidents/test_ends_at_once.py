"""Two who end an incident, or write to it, at the same instant: one of the two orders, and nothing in between."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.endings import ending_of
from incidents.models import Incident, Message
from incidents.services import ending, reopening
from incidents.services.common import NotAllowed
from points.models import Charge, GiveBack
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.ending import clock_of, closed_by, declined, taken_back, wrote
from tests.incidents_helpers import again, answered, at_once, key, opened, steps

HOUR = timedelta(hours=1)


@pytest.mark.rule("D12", "D16")
def test_the_customers_closure_and_a_message(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    closed, added = at_once(
        lambda: closed_by(cast.owner, incident, at=at + HOUR),
        lambda: wrote(cast.owner, incident, at=at + HOUR),
    )
    assert isinstance(closed, Incident)
    now = again(incident)
    asked = at + HOUR if added.outcome == "request" else None
    assert (now.status, now.wrote_at, now.reopen_asked_at) == ("closed", None, asked)
    assert clock_of(incident).outcome == "withdrawn"


@pytest.mark.rule("D15", "D11")
@pytest.mark.parametrize("then", ["waiting", "closed"])
def test_a_decline_and_an_answer(committed_cast: Cast, at: datetime, then: str):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    said, no = at_once(
        lambda: answered(incident, cast.technician, at=at + HOUR, then=then),
        lambda: declined(incident, cast.colleague, at=at + HOUR),
    )
    now = again(incident)
    if now.status == "declined":
        assert isinstance(no, Message)
        assert clock_of(incident).outcome == ("met" if isinstance(said, Message) else "declined")
        assert balance(customer_id=cast.acme.pk, at=at + HOUR) == 10
    else:
        assert (now.status, then, type(no)) == ("closed", "closed", NotAllowed)
        assert not GiveBack.objects.exists()


@pytest.mark.rule("D15", "D4")
def test_four_who_decline_at_once_decline_once(committed_cast: Cast, at: datetime):
    cast, once = committed_cast, key()
    same, others = opened(cast.owner, at=at), opened(cast.owner, at=at)
    made = at_once(*[lambda: declined(same, cast.technician, at=at, key=once)] * 4)
    assert made == [made[0]] * 4
    made = at_once(*[lambda: declined(others, cast.technician, at=at)] * 4)
    assert sum(isinstance(one, NotAllowed) for one in made) == 3
    assert (GiveBack.objects.count(), balance(customer_id=cast.acme.pk, at=at)) == (2, 20)
    assert OutgoingMail.objects.filter(kind="incident_declined").count() == 2


@pytest.mark.rule("D36", "D16")
def test_taking_back_and_re_opening(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    wrote(cast.owner, incident, at=at)
    back, anew = at_once(
        lambda: taken_back(incident, cast.technician, at=at + HOUR),
        lambda: reopening.accept(incident_id=incident.pk, user=cast.colleague, at=at + HOUR),
    )
    now = again(incident)
    assert (now.status, now.reopen_asked_at) == ("open", None)
    assert [type(back), type(anew)] in (
        [Incident, reopening.NothingToDecide],
        [NotAllowed, Incident],
        # Who looked for the end after it was re-opened found none.
        [AssertionError, Incident],
    )
    assert len({"taken_back", "reopened"} & set(steps(incident))) == 1
    assert incident.clocks.count() == (1 if isinstance(back, Incident) else 2)


@pytest.mark.rule("D36", "D15")
def test_four_who_take_a_decline_back_take_it_back_once(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at, points=30)
    declined(incident, cast.technician, at=at)
    found = ending_of(again(incident))
    assert found is not None
    made = at_once(
        *[lambda: ending.take_back(incident_id=incident.pk, step_id=found.step.pk, user=cast.technician, at=at + HOUR)]
        * 4
    )
    assert made == [again(incident)] * 4
    assert (Charge.objects.count(), balance(customer_id=cast.acme.pk, at=at + HOUR)) == (2, 20)
    assert steps(incident).count("taken_back") == 1
    assert OutgoingMail.objects.filter(kind="incident_taken_back").count() == 1


@pytest.mark.rule("D36", "D15")
def test_a_decline_taken_back_while_the_points_are_spent(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    declined(incident, cast.technician, at=at)
    at_once(
        lambda: taken_back(incident, cast.technician, at=at),
        lambda: opened(cast.owner, at=at, points=0),
    )
    assert balance(customer_id=cast.acme.pk, at=at) == 0
    assert again(incident).status == ("new" if Incident.objects.count() == 1 else "declined")
