"""A customer closes their incident: withdrawn, or a breach past the deadline; the points stay spent (D12)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.services.common import KeyReused, NotAllowed, TextTooLong
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.ending import clock_of, closed_by, declined, everything, step_of, wrote
from tests.incidents_helpers import again, answered, key, opened, steps

pytestmark = pytest.mark.rule("D12")
HOUR = timedelta(hours=1)


@pytest.mark.rule("D10")
@pytest.mark.parametrize(
    ("after", "outcome"), [(4 * HOUR, "withdrawn"), (4 * HOUR + timedelta(microseconds=1), "breached")]
)
def test_unanswered_it_is_withdrawn_until_the_deadline(cast: Cast, at: datetime, after: timedelta, outcome: str):
    incident = opened(cast.owner, at=at)
    closed_by(cast.owner, incident, at=at + after)
    now, clock = again(incident), clock_of(incident)
    assert (now.status, now.closed_at, now.first_closed_at) == ("closed", at + after, at + after)
    assert (clock.outcome, clock.ended_at, clock.answered_at) == (outcome, at + after, None)
    step = step_of(incident, "customer_closed")
    assert (step.contact, step.user, step.data["outcome"]) == (cast.owner, None, outcome)
    assert balance(customer_id=cast.acme.pk, at=at + after) == 0, "the points stay spent"


def test_what_was_answered_keeps_its_answer(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + HOUR)
    wrote(cast.owner, incident, at=at + 2 * HOUR)
    closed_by(cast.owner, incident, at=at + 3 * HOUR)
    now = again(incident)
    assert (clock_of(incident).outcome, now.wrote_at, now.waits_since) == ("met", None, None)


def test_a_last_word_stands_in_the_conversation_once(cast: Cast, at: datetime):
    incident, once = opened(cast.owner, at=at), key()
    closed_by(cast.owner, incident, at=at, text=" Found it myself. ", key_=once)
    before = everything()
    closed_by(cast.owner, incident, at=at + HOUR, text="Found it myself.", key_=once)
    with pytest.raises(KeyReused):
        closed_by(cast.owner, incident, at=at + HOUR, text="Other", key_=once)
    assert everything() == before
    assert incident.messages.filter(kind="customer").count() == 2
    assert incident.messages.get(key=once).text == "Found it myself."
    assert steps(incident)[-1] == "customer_closed"


def test_without_a_word_sent_twice_it_is_one(cast: Cast, at: datetime):
    incident, once = opened(cast.owner, at=at), key()
    closed_by(cast.owner, incident, at=at, key_=once)
    before = everything()
    closed_by(cast.owner, incident, at=at, key_=once, text="  ")
    with pytest.raises(KeyReused):
        closed_by(cast.owner, incident, at=at, key_=once, text="A word")
    with pytest.raises(NotAllowed):
        closed_by(cast.owner, incident, at=at)
    assert everything() == before


def test_refusals_change_nothing(cast: Cast, at: datetime):
    incident, gone = opened(cast.owner, at=at), opened(cast.owner, at=at)
    declined(gone, cast.technician, at=at)
    used = wrote(cast.owner, incident, at=at).message.key
    before = everything()
    with pytest.raises(TextTooLong):
        closed_by(cast.owner, incident, at=at, text="x" * 100_001)
    with pytest.raises(NotAllowed):
        closed_by(cast.owner, gone, at=at)
    with pytest.raises(KeyReused):
        closed_by(cast.owner, incident, at=at, key_=used)
    assert everything() == before


@pytest.mark.rule("D38")
def test_who_closed_it_gets_no_mail_and_whose_it_is_does(cast: Cast, at: datetime):
    mine, his = opened(cast.owner, at=at), opened(cast.restricted, at=at)
    closed_by(cast.owner, mine, at=at)
    assert not OutgoingMail.objects.filter(kind="incident_customer_closed").exists()
    closed_by(cast.owner, his, at=at)
    mail = OutgoingMail.objects.get(kind="incident_customer_closed")
    assert mail.to_address == "rufus@acme.example"
    assert "Olive Owner closed this incident" in mail.text
    assert "until 1 Mar 2027" in mail.text


@pytest.mark.rule("R13", "D16")
def test_it_is_re_opened_for_90_days_like_any_other(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    closed_by(cast.owner, incident, at=at)
    assert wrote(cast.owner, incident, at=at + timedelta(days=90)).outcome == "request"
