"""The table of where a mail belongs, cell by cell with real mails and people (D26)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.inbound.evidence import whose_draft
from incidents.models import Incident, Message
from incidents.services import declining, following, merging
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.tokens import reply_address
from supportdesk.people.models import Contact
from tests.cast import Cast
from tests.incidents_helpers import again, answered, key, mailed, opened, why_held

pytestmark = pytest.mark.rule("D26")

OLIVE, RUFUS, OTTO, MIA = "olive@acme.example", "rufus@acme.example", "otto@other.example", "mia@acme.example"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    Contact.objects.create(customer=cast.acme, name="Mia Mate", email=MIA)
    made = opened(cast.owner, at=at)
    answered(made, cast.technician, at=at + HOUR)
    return again(made)


def reply(incident: Incident, contact: Contact) -> str:
    return reply_address(incident_id=incident.pk, contact_id=contact.pk)


@pytest.mark.rule("D38")
@pytest.mark.parametrize(
    ("sender", "expected"),
    [(OLIVE, ""), (MIA, ""), (RUFUS, "not_theirs"), (OTTO, "not_theirs"), ("nobody@x.example", "unknown_sender")],
)
def test_a_signed_address_that_was_handed_on(cast: Cast, at: datetime, incident: Incident, sender: str, expected: str):
    """It says where the mail belongs, never who wrote it."""
    raw = mailed(sender=sender, at=at + 2 * HOUR, to=reply(incident, cast.owner))
    assert why_held(raw) == expected
    if not expected:
        contact = Message.objects.get(raw_mail=raw).contact
        assert contact is not None
        assert contact.email == sender


@pytest.mark.rule("D38")
def test_who_follows_writes_and_who_stopped_does_not(cast: Cast, at: datetime, incident: Incident):
    given: dict[str, Any] = {
        "incident_id": incident.pk,
        "contact_id": cast.restricted.pk,
        "at": at + HOUR,
        "by": cast.owner,
    }
    following.add_follower(**given)
    to = reply(incident, cast.restricted)
    assert mailed(sender=RUFUS, at=at + 2 * HOUR, to=to).outcome == "added"
    following.remove_follower(**given)
    assert why_held(mailed(sender=RUFUS, at=at + 3 * HOUR, to=to, text="Again.")) == "not_theirs"


def test_the_address_of_who_left_is_good_for_who_stayed(cast: Cast, at: datetime, incident: Incident):
    cast.owner.removed_at = at + HOUR
    cast.owner.save()
    to = reply(incident, cast.owner)
    assert why_held(mailed(sender=OLIVE, at=at + 2 * HOUR, to=to)) == "unknown_sender"
    assert mailed(sender=MIA, at=at + 2 * HOUR, to=to).outcome == "added"


def test_levels_that_disagree(cast: Cast, at: datetime, incident: Incident):
    """The signed address, then what it answers, then the subject; later levels are not looked at."""
    other, third = opened(cast.owner, at=at), opened(cast.owner, at=at)
    ours = OutgoingMail.objects.get(kind="incident_opened", about=f"incident:{other.pk}").message_id
    for mail, expected in (
        ({"to": reply(incident, cast.owner), "References": ours, "subject": third.number, "text": "One."}, incident),
        ({"References": ours, "subject": third.number}, other),
        ({"subject": third.number, "text": f"as in {other.number}"}, third),
    ):
        raw = mailed(sender=OLIVE, at=at + 2 * HOUR, **mail)
        assert Message.objects.get(raw_mail=raw).incident == expected
    two = {"to": f"{reply(incident, cast.owner)}, {reply(other, cast.owner)}", "text": "Both."}
    assert why_held(mailed(sender=OLIVE, at=at + 2 * HOUR, **two)) == "two_incidents"
    assert why_held(mailed(sender=OLIVE, at=at + 2 * HOUR, text=f"{other.number} {third.number}")) == "two_incidents"


def test_another_customers_thread_with_a_number_of_ones_own(cast: Cast, at: datetime, incident: Incident):
    own = opened(cast.stranger, at=at)
    ours = OutgoingMail.objects.filter(about=f"incident:{incident.pk}")[0].message_id
    raw = mailed(sender=OTTO, at=at + 2 * HOUR, References=ours, subject=own.number)
    assert why_held(raw) == "not_theirs"


@pytest.mark.rule("D35")
def test_what_was_merged_and_what_it_leads_to_are_one(cast: Cast, at: datetime, incident: Incident):
    twin = opened(cast.owner, at=at)
    merging.merge(incident_id=twin.pk, into_id=incident.pk, user=cast.technician, at=at + HOUR)
    for mail in (
        {"to": reply(twin, cast.owner)},
        {"subject": twin.number},
        {"subject": f"{twin.number} {incident.number}"},
    ):
        raw = mailed(sender=OLIVE, at=at + 2 * HOUR, text=str(mail), **mail)
        assert Message.objects.get(raw_mail=raw).incident == incident


@pytest.mark.rule("D16")
def test_answering_asks_to_reopen_until_the_window_is_over(cast: Cast, at: datetime, incident: Incident):
    answered(incident, cast.technician, at=at + 2 * HOUR, then="closed")
    to = reply(incident, cast.owner)
    late = mailed(sender=OLIVE, at=at + 92 * DAY, to=to)
    assert (late.outcome, late.reason) == ("added", "too_late")
    (told,) = OutgoingMail.objects.filter(kind="incident_reopening_too_late")
    assert told.to_address == OLIVE
    assert again(incident).reopen_asked_at is None


@pytest.mark.rule("D16")
def test_answering_by_the_signed_address_asks_to_reopen(cast: Cast, at: datetime, incident: Incident):
    answered(incident, cast.technician, at=at + 2 * HOUR, then="closed")
    assert mailed(sender=OLIVE, at=at + DAY, to=reply(incident, cast.owner)).outcome == "request"
    assert again(incident).reopen_asked_at == at + DAY


@pytest.mark.rule("D15")
def test_what_is_written_to_a_declined_incident_is_kept_with_it(cast: Cast, at: datetime, incident: Incident):
    declining.decline(
        incident_id=incident.pk, reason="tuning", text="No.", user=cast.technician, at=at + 2 * HOUR, key=key()
    )
    assert mailed(sender=OLIVE, at=at + 3 * HOUR, to=reply(incident, cast.owner)).outcome == "added"
    assert again(incident).status == "declined"


@pytest.mark.rule("D21", "D27")
def test_whose_draft_a_mail_becomes(cast: Cast):
    """One person's, of whatever customer; what may be several people's is nobody's."""
    shared = "all@acme.example"
    assert whose_draft([cast.owner], OLIVE) == cast.owner
    assert whose_draft([], OLIVE) is None
    assert whose_draft([cast.stranger, cast.owner], OLIVE.upper()) == cast.owner, "whose own it is"
    assert whose_draft([cast.owner], shared) == cast.owner
    assert whose_draft([cast.owner, cast.restricted], shared) is None
