"""A blocked sender's mail is put away unseen: no notice, no answer (D26, D28)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.access import held_for
from incidents.inbound import block_sender, blocking, bring_back, file_anew, unblock_sender
from incidents.models import BlockedSender, HeldMail, Notice
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.scope import scope_of
from tests.cast import Cast
from tests.incidents_helpers import at_once, mailed, opened

pytestmark = pytest.mark.rule("D26", "D28")
SPAM = "spam@shop.example"


@pytest.mark.parametrize("what", [SPAM, "SPAM@Shop.example ", "@shop.example"])
def test_what_comes_and_what_waits_is_put_away(cast: Cast, at: datetime, what: str):
    mailed(sender=SPAM, at=at)
    mailed(sender="friend@other-shop.example", at=at)
    Notice.objects.all().delete()
    answers = OutgoingMail.objects.count()
    assert block_sender(address=what, user=cast.technician, at=at) == 1
    raw = mailed(sender="Spam@SHOP.example", at=at, text="Buy")
    assert (raw.outcome, raw.reason) == ("held", "blocked")
    came = HeldMail.objects.get(raw_mail=raw)
    assert (came.settled_as, came.settled_at, came.settled_by, came.text.strip()) == ("blocked", at, None, "Buy")
    assert held_for(scope_of(cast.technician)).get().sender == "friend@other-shop.example"
    assert not Notice.objects.exists()
    assert OutgoingMail.objects.count() == answers
    assert RawMail.objects.count() == 3


@pytest.mark.parametrize("what", [SPAM, "@shop.example", f"{SPAM}."])
def test_a_dot_at_the_end_is_the_same_sender(cast: Cast, at: datetime, what: str):
    mailed(sender=f"{SPAM}.", at=at)
    assert block_sender(address=what, user=cast.technician, at=at) == 1
    assert BlockedSender.objects.get().address == what.rstrip(".")
    assert mailed(sender=f"{SPAM}.", at=at, text="Buy").reason == "blocked"


def test_a_blocked_sender_reaches_no_incident(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    block_sender(address="olive@acme.example", user=cast.technician, at=at, confirmed=True)
    mailed(sender="olive@acme.example", at=at, subject=incident.number)
    assert incident.messages.filter(via="mail").count() == 0


def test_a_domain_is_that_domain_alone(cast: Cast, at: datetime):
    block_sender(address="@shop.example", user=cast.technician, at=at)
    for other in ("a@mail.shop.example", "a@bigshop.example", "a@shop.example.org"):
        assert mailed(sender=other, at=at).reason == "unknown_sender"


def test_contacts_are_blocked_only_where_that_is_meant(cast: Cast, at: datetime):
    for what in ("olive@acme.example", "@acme.example"):
        with pytest.raises(blocking.BlocksContacts) as refused:
            block_sender(address=what, user=cast.technician, at=at)
        assert cast.owner in refused.value.contacts
    assert not BlockedSender.objects.exists()


@pytest.mark.parametrize("own", ["@support.quillmark.example", "x@Support.quillmark.example", "tess@desk.example"])
def test_we_do_not_block_ourselves(cast: Cast, at: datetime, own: str):
    with pytest.raises(blocking.OurOwn):
        block_sender(address=own, user=cast.technician, at=at, confirmed=True)
    with pytest.raises(blocking.OurOwn):
        block_sender(address="@desk.example", user=cast.technician, at=at, confirmed=True)


@pytest.mark.parametrize("none", ["", "@", "x", "@example", "a@b@c.example", "<a@b.example>", "a" * 300 + "@b.example"])
def test_what_is_no_sender_is_refused(cast: Cast, at: datetime, none: str):
    with pytest.raises(blocking.NotASender):
        block_sender(address=none, user=cast.technician, at=at)


def test_unblocked_it_comes_in_again_and_what_was_put_away_can_be_brought_back(cast: Cast, at: datetime):
    block_sender(address=SPAM, user=cast.technician, at=at)
    raw = mailed(sender=SPAM, at=at)
    blocked = BlockedSender.objects.get()
    assert unblock_sender(blocked_id=blocked.pk) == SPAM
    assert unblock_sender(blocked_id=blocked.pk) == ""
    mail = HeldMail.objects.get(raw_mail=raw)
    assert bring_back(held_ids=[mail.pk]) == 1
    assert file_anew(held_id=mail.pk, user=cast.technician, at=at + timedelta(hours=1)).reason == "unknown_sender"


def test_two_who_block_at_once_block_once(committed_cast: Cast, at: datetime):
    mailed(sender=SPAM, at=at)
    made = at_once(*[lambda: block_sender(address=SPAM, user=committed_cast.technician, at=at)] * 3)
    assert sorted(made) == [0, 0, 1]
    assert BlockedSender.objects.count() == 1
