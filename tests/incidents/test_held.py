"""Held mail: a technician attaches it or puts it away, once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.access import held_for, messages_for
from incidents.inbound import AlreadySettled, attach_held, discard_held
from incidents.models import HeldMail, Incident, Message
from incidents.services.common import TextMissing
from supportdesk.mail.models import RawMail
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents_helpers import again, answered, at_once, mailed, opened

pytestmark = pytest.mark.rule("D26")
HOUR = timedelta(hours=1)


def held(*, at: datetime, sender: str = "nobody@strange.example", **mail: str) -> HeldMail:
    return HeldMail.objects.get(raw_mail=mailed(sender=sender, at=at, **mail))


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    made = opened(cast.owner, at=at)
    answered(made, cast.technician, at=at + HOUR, then="waiting")
    return again(made)


def test_held_mail_is_for_the_desk_alone(cast: Cast, at: datetime):
    mail = held(at=at, text="CANARY")
    assert held_for(scope_of(cast.technician)).get() == mail
    assert mail.text.strip() == "CANARY"
    for contact in (cast.owner, cast.stranger):
        assert not held_for(scope_of_contact(contact)).exists()


@pytest.mark.rule("D10")
def test_attached_it_is_a_message_of_the_incidents_contact(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at, text="From my private address.")
    later = at + 2 * HOUR
    message = attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=later, confirmed=True)
    assert (message.contact, message.text, message.via) == (cast.owner, "From my private address.", "mail")
    assert again(incident).status == "open"
    mail.refresh_from_db()
    assert (mail.settled_by, mail.attached_to, mail.settled_at) == (cast.technician, incident, later)
    assert not held_for(scope_of(cast.technician)).exists()
    assert RawMail.objects.filter(pk=mail.raw_mail_id).exists()


@pytest.mark.rule("D21")
def test_of_another_contact_of_the_customer_it_is_that_contacts(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at, sender="rufus@acme.example", subject=incident.number)
    message = attach_held(
        held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at + 2 * HOUR, confirmed=True
    )
    assert message.contact == cast.restricted


def test_a_mail_without_text_stays_held(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at, text="")
    with pytest.raises(TextMissing):
        attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    assert held_for(scope_of(cast.technician)).get() == mail


@pytest.mark.rule("D28")
@pytest.mark.parametrize("status", ["waiting", "closed"])
def test_an_automatic_mail_stays_automatic_when_it_is_attached(
    cast: Cast, at: datetime, incident: Incident, status: str
):
    """The technician says where it belongs, not that a person wrote it."""
    if status == "closed":
        answered(incident, cast.technician, at=at + HOUR, then="closed")
    mail = held(at=at + HOUR, sender="olive@acme.example", text="I am away.", Auto_Submitted="auto-replied")
    message = attach_held(
        held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at + 2 * HOUR, confirmed=True
    )
    now = again(incident)
    assert (message.kind, now.status, now.wrote_at, now.reopen_asked_at) == ("automatic", status, None, None)
    assert message not in messages_for(scope_of_contact(cast.owner), incident)
    mail.refresh_from_db()
    assert mail.attached_to == incident


def test_put_away_it_has_no_effect_and_its_source_stays(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at)
    discard_held(held_ids=[mail.pk], user=cast.technician, at=at)
    mail.refresh_from_db()
    assert (mail.settled_by, mail.attached_to) == (cast.technician, None)
    assert RawMail.objects.filter(pk=mail.raw_mail_id).exists()
    assert not Message.objects.filter(via="mail").exists()


def test_what_was_settled_stays_settled(cast: Cast, at: datetime, incident: Incident):
    """Two technicians with the same page: the second act changes nothing."""
    other = opened(cast.owner, at=at)
    mail = held(at=at)
    attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    discard_held(held_ids=[mail.pk], user=cast.colleague, at=at + HOUR)
    with pytest.raises(AlreadySettled):
        attach_held(held_id=mail.pk, incident_id=other.pk, user=cast.colleague, at=at + HOUR, confirmed=True)
    mail.refresh_from_db()
    assert (mail.settled_by, mail.attached_to, mail.settled_at) == (cast.technician, incident, at)

    gone = held(at=at + HOUR)
    discard_held(held_ids=[gone.pk], user=cast.technician, at=at + HOUR)
    with pytest.raises(AlreadySettled):
        attach_held(held_id=gone.pk, incident_id=incident.pk, user=cast.colleague, at=at + HOUR, confirmed=True)
    assert Message.objects.filter(via="mail").count() == 1


def test_two_who_attach_at_once_attach_it_once(committed_cast: Cast, at: datetime):
    one, two = (opened(committed_cast.owner, at=at) for _time in range(2))
    mail = held(at=at)
    made = at_once(
        *[
            lambda to=to: attach_held(
                held_id=mail.pk, incident_id=to.pk, user=committed_cast.technician, at=at, confirmed=True
            )
            for to in (one, two, one)
        ]
    )
    assert Message.objects.filter(via="mail").count() == 1
    assert sorted(type(result).__name__ for result in made) == ["AlreadySettled", "AlreadySettled", "Message"]
    mail.refresh_from_db()
    assert mail.attached_to == Message.objects.get(via="mail").incident
