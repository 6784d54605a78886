"""Deciding on a re-opening: the same problem, or a different one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from incidents.models import Incident
from incidents.services import calls, conversation, reopening
from incidents.services.common import KeyReused, TextMissing, TextTooLong
from points.models import Charge
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import again, answered, at_once, key, opened, steps

HOUR = timedelta(hours=1)
# A working day at 10:00 in New York.
LATER = datetime(2026, 12, 3, 15, 0, tzinfo=UTC)

pytestmark = pytest.mark.rule("D16")


def asked(cast: Cast, at: datetime, *, answer_after: timedelta = HOUR) -> Incident:
    """A closed incident whose owner asks to re-open it."""
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + answer_after, then="closed")
    _write(incident, cast, at=LATER)
    return again(incident)


def _write(incident: Incident, cast: Cast, *, at: datetime) -> conversation.Added:
    return conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="It is back.", via="mail", at=at, key=key()
    )


@pytest.mark.rule("R13", "D12")
@pytest.mark.parametrize(("answer_after", "outcome"), [(HOUR, "met"), (5 * HOUR, "breached")])
def test_the_same_problem_is_open_again_with_a_fresh_clock(
    cast: Cast, at: datetime, answer_after: timedelta, outcome: str
):
    incident = asked(cast, at, answer_after=answer_after)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=LATER)
    now = again(incident)
    assert (now.status, now.closed_at, now.reopen_asked_at) == ("open", None, None)
    assert now.first_closed_at == at + answer_after
    first, fresh = (link.clock for link in incident.clocks.order_by("id"))
    assert first.outcome == outcome
    assert (fresh.outcome, fresh.due_at) == ("running", datetime(2026, 12, 3, 19, 0, tzinfo=UTC))
    assert incident.clocks.get(current=True).clock == fresh
    assert Charge.objects.count() == 1, "no charge"
    assert OutgoingMail.objects.filter(kind="incident_reopened").count() == 1

    answered(incident, cast.technician, at=LATER + 5 * HOUR)
    first.refresh_from_db()
    fresh.refresh_from_db()
    assert (first.outcome, fresh.outcome) == (outcome, "breached")


def test_a_decision_on_a_reopening_is_made_once(cast: Cast, at: datetime):
    incident = asked(cast, at)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=LATER)
    with pytest.raises(reopening.NothingToDecide):
        reopening.accept(incident_id=incident.pk, user=cast.colleague, at=LATER)
    with pytest.raises(reopening.NothingToDecide):
        reopening.refuse(incident_id=incident.pk, reason="Other", user=cast.colleague, at=LATER, key=key())
    assert incident.clocks.count() == 2


def test_a_different_problem_stays_closed_and_says_why(cast: Cast, at: datetime):
    incident = asked(cast, at)
    for reason, refusal in ((" ", TextMissing), ("x" * 100_001, TextTooLong)):
        with pytest.raises(refusal):
            reopening.refuse(incident_id=incident.pk, reason=reason, user=cast.technician, at=LATER, key=key())
    reopening.refuse(incident_id=incident.pk, reason="Another disk.", user=cast.technician, at=LATER, key=key())
    now = again(incident)
    assert (now.status, now.reopen_asked_at) == ("closed", None)
    mail = OutgoingMail.objects.get(kind="incident_reopening_refused")
    assert "Another disk." in mail.text
    assert "/report/" in mail.text, "a new report is offered"
    assert steps(incident)[-1] == "reopen_refused"
    assert incident.clocks.count() == 1


def test_a_refusals_form_cannot_be_sent_for_a_second_request(cast: Cast, at: datetime):
    """The browser's history holds the form of the first one."""
    incident = asked(cast, at)
    reopening.refuse(incident_id=incident.pk, reason="Another disk.", user=cast.technician, at=LATER, key="one key")
    _write(incident, cast, at=LATER + HOUR)
    with pytest.raises(KeyReused):
        reopening.refuse(incident_id=incident.pk, reason="Again", user=cast.technician, at=LATER + HOUR, key="one key")
    assert again(incident).reopen_asked_at == LATER + HOUR


def test_several_messages_are_one_request(cast: Cast, at: datetime):
    incident = asked(cast, at)
    assert _write(incident, cast, at=LATER + HOUR).outcome == "request"
    assert again(incident).reopen_asked_at == LATER
    assert steps(incident).count("reopen_asked") == 1


@pytest.mark.rule("R13", "D20")
def test_what_is_added_to_a_request_after_the_window_is_not_too_late(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + HOUR, then="closed")
    # The last instant of day 90 in New York, and the day after.
    last = datetime(2027, 3, 2, 4, 59, tzinfo=UTC)
    assert _write(incident, cast, at=last).outcome == "request"
    assert _write(incident, cast, at=last + HOUR).outcome == "request"
    said = calls.log_call(
        incident_id=incident.pk,
        contact=cast.owner,
        direction="in",
        text="Again.",
        user=cast.technician,
        at=last + 2 * HOUR,
        key=key(),
        reopen=True,
    )
    assert said.outcome == "request"
    assert again(incident).reopen_asked_at == last
    assert not OutgoingMail.objects.filter(kind="incident_reopening_too_late").exists()


@pytest.mark.rule("R13")
def test_a_later_closure_does_not_extend_the_window(cast: Cast, at: datetime):
    incident = asked(cast, at)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=LATER)
    answered(incident, cast.technician, at=LATER + timedelta(days=60), then="closed")
    # First closed on 1 December: day 90 ends with 1 March in New York.
    assert _write(incident, cast, at=datetime(2027, 3, 2, 5, 0, tzinfo=UTC)).outcome == "too_late"


def test_two_who_decide_at_once_make_one_decision(committed_cast: Cast, at: datetime):
    incident = asked(committed_cast, at)
    made = at_once(
        *[lambda: reopening.accept(incident_id=incident.pk, user=committed_cast.technician, at=LATER)] * 2,
        *[
            lambda: reopening.refuse(
                incident_id=incident.pk, reason="Other", user=committed_cast.colleague, at=LATER, key=key()
            )
        ]
        * 2,
    )
    assert sum(isinstance(result, reopening.NothingToDecide) for result in made) == 3
    assert sum(isinstance(result, Incident) for result in made) == 1
    assert len({"reopened", "reopen_refused"} & set(steps(incident))) == 1
