"""Answers, notes, closures and what the customer writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from incidents.access import messages_for, timeline_for
from incidents.models import Incident, Message
from incidents.services import conversation, ownership
from incidents.services.common import KeyReused, NotAllowed, TextMissing, TextTooLong
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents_helpers import again, answered, key, opened, steps

HOUR = timedelta(hours=1)


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    return opened(cast.owner, at=at)


def _wrote(incident: Incident, cast: Cast, *, at: datetime, text: str = "It is back.") -> conversation.Added:
    return conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text=text, via="portal", at=at, key=key()
    )


@pytest.mark.rule("R6", "D11", "D12")
@pytest.mark.parametrize(
    ("after", "outcome"),
    [(4 * HOUR, "met"), (4 * HOUR + timedelta(microseconds=1), "breached"), (timedelta(0), "met")],
)
def test_the_first_answer_is_the_response(cast: Cast, at: datetime, incident: Incident, after: timedelta, outcome: str):
    answered(incident, cast.technician, at=at + after)
    clock = incident.clocks.get().clock
    assert (clock.outcome, clock.answered_at) == (outcome, at + after)
    answered(incident, cast.colleague, at=at + timedelta(days=2))
    clock.refresh_from_db()
    assert (clock.outcome, clock.answered_at) == (outcome, at + after)
    step = incident.timeline.filter(code="answered").first()
    assert step is not None
    assert step.data["outcome"] == outcome


@pytest.mark.rule("D11")
def test_what_is_no_response_leaves_the_clock_running(cast: Cast, at: datetime, incident: Incident):
    conversation.note(incident_id=incident.pk, text="A thought", user=cast.technician, at=at + HOUR, key=key())
    ownership.take(incident_id=incident.pk, user=cast.technician, at=at + HOUR)
    ownership.assign(incident_id=incident.pk, to=cast.colleague, user=cast.technician, at=at + HOUR)
    _wrote(incident, cast, at=at + HOUR)
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.restricted, text="Me, too", via="mail", at=at + HOUR, key=key()
    )
    clock = incident.clocks.get().clock
    assert (clock.outcome, clock.answered_at) == ("running", None)
    assert again(incident).status == "new"


@pytest.mark.rule("D10", "D30")
@pytest.mark.parametrize("then", ["open", "waiting", "closed"])
def test_an_answer_says_what_comes_then_and_is_mailed(cast: Cast, at: datetime, incident: Incident, then: str):
    answered(incident, cast.technician, at=at + HOUR, then=then, text="Look <here>")
    now = again(incident)
    assert (now.status, now.owner, now.wrote_at) == (then, cast.technician, None)
    assert now.closed_at == now.first_closed_at == (at + HOUR if then == "closed" else None)
    mail = OutgoingMail.objects.get(kind="incident_closed" if then == "closed" else "incident_answered")
    assert (mail.to_address, "Look <here>" in mail.text, mail.automatic) == ("olive@acme.example", True, False)
    assert "Look &lt;here&gt;" in mail.html


def test_an_answer_leaves_no_other_status(cast: Cast, at: datetime, incident: Incident):
    for then in ("new", "declined"):
        with pytest.raises(ValueError, match="answer"):
            answered(incident, cast.technician, at=at, then=then)
    assert Message.objects.count() == 1


def test_an_answer_sent_twice_is_one(cast: Cast, at: datetime, incident: Incident):
    def send(text: str) -> Message:
        return conversation.answer(
            incident_id=incident.pk, text=text, then="closed", user=cast.technician, at=at + HOUR, key="a form's key"
        )

    first = send("Try this.")
    assert send("Try this.") == first
    with pytest.raises(KeyReused):
        send("Try that.")
    assert OutgoingMail.objects.filter(kind="incident_closed").count() == 1
    assert steps(incident).count("answered") == 1


def test_a_text_is_needed_and_may_be_too_long(cast: Cast, at: datetime, incident: Incident):
    for text, refusal in ((" \x00\n", TextMissing), ("x" * 100_001, TextTooLong)):
        with pytest.raises(refusal):
            answered(incident, cast.technician, at=at, text=text)
        with pytest.raises(refusal):
            _wrote(incident, cast, at=at, text=text)
        with pytest.raises(refusal):
            conversation.note(incident_id=incident.pk, text=text, user=cast.technician, at=at, key=key())
    assert Message.objects.count() == 1


@pytest.mark.rule("R6")
def test_nobody_is_closed_off_without_an_answer(cast: Cast, at: datetime, incident: Incident):
    with pytest.raises(conversation.NoAnswerYet):
        conversation.close(incident_id=incident.pk, user=cast.technician, at=at)
    assert again(incident).status == "new"

    answered(incident, cast.technician, at=at + HOUR)
    closed = conversation.close(incident_id=incident.pk, user=cast.technician, at=at + 2 * HOUR)
    assert (closed.status, closed.closed_at, closed.first_closed_at) == ("closed", at + 2 * HOUR, at + 2 * HOUR)
    assert OutgoingMail.objects.filter(kind="incident_closed").count() == 1
    with pytest.raises(NotAllowed):
        conversation.close(incident_id=incident.pk, user=cast.technician, at=at + 3 * HOUR)
    with pytest.raises(NotAllowed):
        answered(incident, cast.technician, at=at + 3 * HOUR)
    assert OutgoingMail.objects.filter(kind="incident_closed").count() == 1


@pytest.mark.rule("D10")
def test_a_customer_who_writes_makes_a_waiting_incident_open(cast: Cast, at: datetime, incident: Incident):
    answered(incident, cast.technician, at=at + HOUR, then="waiting")
    added = _wrote(incident, cast, at=at + 2 * HOUR)
    now = again(incident)
    assert (added.outcome, now.status, now.wrote_at) == ("added", "open", at + 2 * HOUR)
    _wrote(incident, cast, at=at + 3 * HOUR)
    assert again(incident).wrote_at == at + 2 * HOUR, "they wait since their first message"
    assert steps(incident)[-3:] == ["customer_wrote", "status", "customer_wrote"]


def test_a_message_sent_twice_is_one(cast: Cast, at: datetime, incident: Incident):
    def send(text: str) -> conversation.Added:
        return conversation.customer_message(
            incident_id=incident.pk, contact=cast.owner, text=text, via="portal", at=at, key="a form's key"
        )

    assert send("One\r\ntwo").message == send("One\ntwo").message
    with pytest.raises(KeyReused):
        send("Three")
    assert Message.objects.count() == 2


@pytest.mark.rule("R13", "D16")
@pytest.mark.parametrize(
    ("later", "outcome"),
    [
        # Closed on 1 December 2026 at 11:00 in New York: day 90 is 1 March 2027.
        (datetime(2026, 12, 1, 17, 0, tzinfo=UTC), "request"),
        (datetime(2027, 3, 2, 4, 59, 59, tzinfo=UTC), "request"),
        (datetime(2027, 3, 2, 5, 0, tzinfo=UTC), "too_late"),
        (datetime(2028, 1, 1, 5, 0, tzinfo=UTC), "too_late"),
    ],
)
def test_writing_on_a_closed_incident_asks_to_reopen_for_90_days(
    cast: Cast, at: datetime, incident: Incident, later: datetime, outcome: str
):
    answered(incident, cast.technician, at=at + HOUR, then="closed")
    added = _wrote(incident, cast, at=later)
    now = again(incident)
    assert (added.outcome, now.status) == (outcome, "closed")
    assert now.reopen_asked_at == (later if outcome == "request" else None)
    assert incident.messages.filter(pk=added.message.pk).exists(), "kept in every case"
    told = OutgoingMail.objects.filter(kind="incident_reopening_too_late")
    assert told.count() == (outcome == "too_late")


@pytest.mark.rule("D22")
def test_notes_are_shown_to_the_desk_alone(cast: Cast, at: datetime, incident: Incident):
    conversation.note(incident_id=incident.pk, text="CANARY", user=cast.technician, at=at, key=key())
    ownership.take(incident_id=incident.pk, user=cast.technician, at=at)
    answered(incident, cast.technician, at=at + HOUR)
    for scope, texts in (
        (scope_of_contact(cast.owner), ["Each night at two it stops.", "Try this."]),
        (scope_of_contact(cast.restricted), []),
        (scope_of_contact(cast.stranger), []),
        (scope_of(cast.technician), ["Each night at two it stops.", "CANARY", "Try this."]),
    ):
        assert [message.text for message in messages_for(scope, incident)] == texts
        inside = {"noted", "taken"} & {step.code for step in timeline_for(scope, incident)}
        assert inside == ({"noted", "taken"} if scope.desk else set())
    assert not any("CANARY" in mail.text + mail.html + mail.subject for mail in OutgoingMail.objects.all())


@pytest.mark.rule("D10")
def test_notes_may_be_kept_on_a_closed_incident(cast: Cast, at: datetime, incident: Incident):
    answered(incident, cast.technician, at=at, then="closed")
    conversation.note(incident_id=incident.pk, text="For next time", user=cast.technician, at=at, key=key())
    assert again(incident).status == "closed"
