"""What is replied to mail that nobody vouches for has a budget; what people's acts cause has none (D27, D28)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from incidents.inbound import file_mail
from incidents.inbound.replies import network_from
from incidents.models import Draft, HeldMail
from incidents.services import mail_drafts, opening
from incidents.services.drafting import state_of
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import DESK, a_release, answered, at_once, mailed, opened, raw_mail, why_held, with_points

pytestmark = pytest.mark.rule("D28")

OLIVE = "olive@acme.example"
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
MOST = POLICY.unauthenticated_mails_an_hour


def sent_from(peer: str, *, at: datetime, sender: str, **mail: str) -> RawMail:
    """A mail that our own server took from ``peer``."""
    raw, _new = store_raw(
        source=raw_mail(sender=sender, at=at, **mail), mail_from=sender, rcpt_to=[DESK], at=at, via="smtp"
    )
    RawMail.objects.filter(pk=raw.pk).update(peer=peer)
    file_mail(raw_id=raw.pk, at=at)
    raw.refresh_from_db()
    return raw


def kinds() -> Counter[str]:
    return Counter(OutgoingMail.objects.values_list("kind", flat=True))


@pytest.mark.rule("D27")
def test_a_thousand_forged_mails_are_a_handful_of_mails(cast: Cast, at: datetime):
    """Each of them is kept: those past the budget before the technicians. Nothing is charged."""
    with_points(cast.acme, 100, at=at)
    for number in range(60):
        raw = mailed(sender=OLIVE, at=at + number * timedelta(hours=2), text=f"CANARY {number}")
    assert why_held(raw) == "too_many"
    assert kinds() == {"draft_made": POLICY.mail_drafts_waiting_max}
    assert Draft.objects.count() == POLICY.mail_drafts_waiting_max
    assert Draft.objects.count() + HeldMail.objects.count() == 60
    assert not any("CANARY" in mail.text + mail.html for mail in OutgoingMail.objects.all())


@pytest.mark.rule("D27")
def test_an_address_gets_ten_an_hour_however_it_is_written(cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch):
    release = a_release()
    for number in range(MOST):
        mailed(sender=OLIVE.upper() if number % 2 else OLIVE, at=at, text=str(number))
        draft = Draft.objects.first()
        assert draft is not None
        # What somebody has looked at does not count as waiting; the mails of the hour do.
        mail_drafts.finish_draft(
            draft_id=draft.pk,
            contact_id=cast.owner.pk,
            kind="operation",
            release_id=release.pk,
            seen=state_of(draft),
            at=at,
        )
    assert why_held(mailed(sender=OLIVE, at=at + HOUR - TICK, text="late")) == "too_many"
    assert kinds()["draft_made"] == MOST
    assert mailed(sender=OLIVE, at=at + HOUR, text="later").outcome == "draft"


def test_a_network_gets_ten_an_hour_whoever_it_says_to_be(cast: Cast, at: datetime):
    for number in range(MOST):
        sent_from(f"2001:db8:1:2::{number:x}", at=at, sender=f"nobody{number}@strange.example")
    assert kinds() == {"not_filed": MOST}
    assert why_held(sent_from("2001:db8:1:2:ffff::1", at=at, sender="one@more.example")) == "unknown_sender"
    assert why_held(sent_from("2001:db8:1:2::1", at=at, sender=OLIVE)) == "too_many"
    assert kinds() == {"not_filed": MOST}
    assert sent_from("2001:db8:1:3::1", at=at, sender=OLIVE, text="Elsewhere").outcome == "draft"
    assert sent_from("2001:db8:1:2::1", at=at + HOUR, sender=OLIVE, text="Later").outcome == "draft"


def test_where_it_came_from_is_taken_as_our_server_says_it(at: datetime):
    for peer, network in (("203.0.113.7", "203.0.113.7"), ("2001:db8::1", "2001:db8::/64"), ("", ""), ("odd", "odd")):
        assert network_from(RawMail(peer=peer)) == network


@pytest.mark.rule("D27")
@pytest.mark.parametrize("sender", ["nobody@strange.example", "rufus@acme.example", OLIVE, "otto@other.example"])
def test_a_number_that_is_not_theirs_is_answered_once_a_day_in_the_same_words(cast: Cast, at: datetime, sender: str):
    number = opened(cast.owner, at=at).number
    for hours in (0, 1, 23):
        mailed(sender=sender, at=at + hours * HOUR, text=f"{hours} about {number}")
    assert kinds()["not_filed"] == 1
    mailed(sender=sender, at=at + 24 * HOUR, text=f"about {number}")
    first, second = OutgoingMail.objects.filter(kind="not_filed")
    assert (first.text, first.subject) == (second.text, second.subject)


@pytest.mark.rule("R7", "D27")
def test_a_budget_that_is_used_up_stops_no_ticket_number_and_no_answer(cast: Cast, at: datetime):
    """Ten forged mails, and the customer's day goes on: numbers, answers, their own answers."""
    with_points(cast.acme, 10, at=at)
    for number in range(MOST + 5):
        sent_from("203.0.113.7", at=at, sender=OLIVE, text=f"forged {number}")
    assert kinds() == {"draft_made": MOST}
    incident = opened(cast.owner, at=at)
    assert kinds()["incident_opened"] == 1
    answered(incident, cast.technician, at=at)
    ours = OutgoingMail.objects.get(kind="incident_answered")
    raw = sent_from("203.0.113.7", at=at, sender=OLIVE, text="Thank you.", In_Reply_To=ours.message_id)
    assert raw.outcome == "added"
    draft = Draft.objects.first()
    assert draft is not None
    mail_drafts.finish_draft(
        draft_id=draft.pk,
        contact_id=cast.owner.pk,
        kind="operation",
        release_id=a_release().pk,
        seen=state_of(draft),
        at=at,
    )
    opening.open_draft(draft_id=draft.pk, at=at)
    assert kinds()["incident_opened"] == 2


@pytest.mark.rule("D27")
def test_many_at_once_do_not_find_the_same_room(committed_cast: Cast, at: datetime):
    raws = [
        store_raw(
            source=raw_mail(sender=OLIVE, at=at, text=str(n)), mail_from=OLIVE, rcpt_to=[DESK], at=at, via="smtp"
        )[0]
        for n in range(MOST + 6)
    ]
    made = at_once(*[lambda pk=raw.pk: file_mail(raw_id=pk, at=at) for raw in raws])
    assert Counter(made) == {"draft": MOST, "held": 6}
    assert kinds() == {"draft_made": MOST}


@pytest.mark.rule("D27")
def test_whom_no_mail_reaches_has_no_draft(cast: Cast, at: datetime):
    Contact.objects.filter(pk=cast.owner.pk).update(email='"odd"@acme.example')
    assert mailed(sender=OLIVE, at=at).outcome == "held"
    assert not Draft.objects.exists()
