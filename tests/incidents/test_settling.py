"""What a technician makes of held mail: each act whole or not at all, by whoever is first (D26, D27)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.access import held_for, messages_for, settled_for
from incidents.held import BECAUSE
from incidents.inbound import (
    AlreadySettled,
    attach_held,
    belongs_to,
    bring_back,
    discard_held,
    draft_held,
    file_anew,
    settling,
)
from incidents.models import Draft, HeldMail, HeldReason, Incident, Message
from incidents.services import merging
from supportdesk.mail.models import OutgoingMail
from supportdesk.people import services as people
from supportdesk.people.access import contacts_by_email, contacts_mailed_at
from supportdesk.people.models import Contact, ContactAddress
from supportdesk.people.scope import scope_of, scope_of_contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import again, at_once, mailed, opened

pytestmark = pytest.mark.rule("D26")
HOUR = timedelta(hours=1)
HOME = "olive@home.example"


def held(*, at: datetime, sender: str = "nobody@strange.example", **mail: str) -> HeldMail:
    return HeldMail.objects.get(raw_mail=mailed(sender=sender, at=at, **mail))


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    return opened(cast.owner, at=at)


@pytest.mark.rule("D22")
def test_of_another_customers_contact_it_is_attached_only_where_that_is_meant(
    cast: Cast, at: datetime, incident: Incident
):
    mail = held(at=at, sender="otto@other.example", subject=incident.number, text="CANARY of other")
    with pytest.raises(settling.FromElsewhere) as refused:
        attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at)
    assert refused.value.contacts == (cast.stranger,)
    assert held_for(scope_of(cast.technician)).get() == mail
    attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    shown: Any = messages_for(scope_of_contact(cast.owner), incident).get(text="CANARY of other")
    assert (shown.contact, shown.attached_by, shown.attached_from) == (
        cast.owner,
        "Tess Technician",
        "otto@other.example",
    )


@pytest.mark.rule("D22")
def test_what_names_another_incident_or_is_nobodys_is_attached_only_where_that_is_meant(
    cast: Cast, at: datetime, incident: Incident
):
    """By the subject, or by what it was held for; where a number was merged, by where it leads (D35)."""
    other, into = opened(cast.stranger, at=at), opened(cast.stranger, at=at)
    merging.merge(incident_id=other.pk, into_id=into.pk, user=cast.technician, at=at)
    for mail in (
        held(at=at, subject=f"Re: {other.number}", text="CANARY"),
        held(at=at, sender="olive@acme.example", text=f"About {other.number}"),
    ):
        with pytest.raises(settling.NamesAnother) as refused:
            attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at)
        assert refused.value.incidents == (into,)
        mail.refresh_from_db()
        assert mail.settled_at is None
    nobodys = held(at=at, subject=f"{other.number} or {incident.number}", text="Of nobody")
    with pytest.raises(settling.FromNobody):
        attach_held(held_id=nobodys.pk, incident_id=incident.pk, user=cast.technician, at=at)
    attach_held(held_id=nobodys.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)


def test_whose_message_it_is_can_be_chosen_among_the_customers_contacts(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at, text="Mine")
    for wrong in (cast.stranger.pk, 4_000_000):
        with pytest.raises(settling.NoContactOfIt):
            attach_held(
                held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at, contact_id=wrong, confirmed=True
            )
    Contact.objects.filter(pk=cast.restricted.pk).update(removed_at=at)
    with pytest.raises(settling.NoContactOfIt):
        attach_held(
            held_id=mail.pk,
            incident_id=incident.pk,
            user=cast.technician,
            at=at,
            contact_id=cast.restricted.pk,
            confirmed=True,
        )
    Contact.objects.filter(pk=cast.restricted.pk).update(removed_at=None)
    message = attach_held(
        held_id=mail.pk,
        incident_id=incident.pk,
        user=cast.technician,
        at=at,
        contact_id=cast.restricted.pk,
        confirmed=True,
    )
    assert message.contact == cast.restricted


@pytest.mark.rule("D35")
def test_attached_to_a_merged_incident_it_is_in_the_one_that_stays(cast: Cast, at: datetime, incident: Incident):
    into = opened(cast.owner, at=at)
    merging.merge(incident_id=incident.pk, into_id=into.pk, user=cast.technician, at=at)
    mail = held(at=at)
    message = attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    mail.refresh_from_db()
    assert message.incident == mail.attached_to == into


def test_attaching_mails_nobody_outside(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at)
    before = OutgoingMail.objects.count()
    attach_held(held_id=mail.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    assert OutgoingMail.objects.count() == before


@pytest.mark.rule("D27")
def test_a_draft_is_made_of_it_for_the_contact_that_was_chosen(cast: Cast, at: datetime):
    mail = held(at=at, sender=HOME, subject="At night", text="It stops.")
    draft = draft_held(held_id=mail.pk, contact_id=cast.owner.pk, user=cast.technician, at=at)
    mail.refresh_from_db()
    assert (draft.contact, draft.subject, mail.settled_as, mail.draft) == (cast.owner, "At night", "draft", draft)
    sent = OutgoingMail.objects.get(kind="draft_made")
    assert sent.to_address == "olive@acme.example"
    with pytest.raises(AlreadySettled):
        draft_held(held_id=mail.pk, contact_id=cast.owner.pk, user=cast.colleague, at=at)
    assert Draft.objects.count() == 1


def test_a_draft_of_nobody_leaves_it_held(cast: Cast, at: datetime):
    mail = held(at=at)
    Contact.objects.filter(pk=cast.owner.pk).update(removed_at=at)
    for gone in (cast.owner.pk, 4_000_000):
        with pytest.raises(settling.ContactGone):
            draft_held(held_id=mail.pk, contact_id=gone, user=cast.technician, at=at)
    assert held_for(scope_of(cast.technician)).get() == mail


def test_many_are_discarded_at_once_and_brought_back(cast: Cast, at: datetime, incident: Incident):
    mails = [held(at=at, text=f"{n}") for n in range(4)]
    attach_held(held_id=mails[3].pk, incident_id=incident.pk, user=cast.colleague, at=at, confirmed=True)
    ids = [mail.pk for mail in mails]
    assert discard_held(held_ids=ids, user=cast.technician, at=at) == ids[:3]
    desk = scope_of(cast.technician)
    assert not held_for(desk).exists()
    assert settled_for(desk).filter(settled_as="discarded", settled_by=cast.technician).count() == 3
    with pytest.raises(settling.NotPutAway):
        bring_back(held_ids=ids)
    assert not held_for(desk).exists(), "all or nothing"
    assert bring_back(held_ids=ids[:3]) == 3
    assert bring_back(held_ids=ids[:3]) == 0
    assert set(held_for(desk).values_list("pk", flat=True)) == set(ids[:3])
    with pytest.raises(settling.TooManyAtOnce):
        discard_held(held_ids=range(POLICY.held_at_once_max + 1), user=cast.technician, at=at)


def test_two_who_settle_one_mail_at_once_settle_it_once(committed_cast: Cast, at: datetime):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    mails = [held(at=at, text=f"{n}") for n in range(3)]
    ids = [mail.pk for mail in mails]
    made = at_once(
        lambda: discard_held(held_ids=ids, user=cast.technician, at=at),
        lambda: discard_held(held_ids=ids[::-1], user=cast.colleague, at=at),
        lambda: attach_held(held_id=ids[0], incident_id=incident.pk, user=cast.technician, at=at, confirmed=True),
        lambda: draft_held(held_id=ids[0], contact_id=cast.owner.pk, user=cast.colleague, at=at),
    )
    won = sum(len(result) if isinstance(result, list) else isinstance(result, Message | Draft) for result in made)
    assert won == 3, made
    ends = list(HeldMail.objects.order_by("pk").values_list("settled_as", flat=True))
    became = Message.objects.filter(via="mail").count() + Draft.objects.count()
    assert became == (ends[0] != "discarded")
    assert ends[1:] == ["discarded"] * 2


def test_an_address_belongs_to_a_contact_and_what_waits_of_it_is_decided_anew(
    cast: Cast, at: datetime, incident: Incident
):
    theirs = held(at=at, sender="Olive@Home.example", subject=incident.number, text="From home.")
    number_in_body = held(at=at, sender=HOME, text=f"About {incident.number}")
    done = belongs_to(held_id=theirs.pk, contact_id=cast.owner.pk, user=cast.technician, at=at + HOUR)
    assert (done.added, done.held, done.left) == (1, 1, 0)
    theirs.refresh_from_db()
    number_in_body.refresh_from_db()
    assert (theirs.attached_to, theirs.settled_by) == (incident, cast.technician)
    assert (number_in_body.reason, number_in_body.settled_at) == (HeldReason.BODY_NUMBER, None)
    assert incident.messages.get(text="From home.").contact == cast.owner
    known = ContactAddress.objects.get()
    assert (known.address, known.added_by) == (HOME, cast.technician)
    # From then on a mail from there is theirs.
    assert mailed(sender=HOME, at=at + HOUR, subject=incident.number).outcome == "added"
    mailed(sender=HOME, at=at + 48 * HOUR, text=f"Again about {incident.number}")
    assert HeldMail.objects.latest("pk").reason == HeldReason.BODY_NUMBER
    assert not OutgoingMail.objects.filter(to_address=HOME, queued_at__gt=at).exists()


@pytest.mark.rule("D25", "D33")
def test_by_a_further_address_one_writes_and_does_not_sign_in(cast: Cast, at: datetime):
    people.add_address(contact_id=cast.owner.pk, address=HOME, at=at, by=cast.technician)
    assert list(contacts_by_email("OLIVE@home.example ")) == [cast.owner]
    assert not contacts_mailed_at(HOME).exists()
    Contact.objects.filter(pk=cast.owner.pk).update(removed_at=at)
    assert not contacts_by_email(HOME).exists()


@pytest.mark.rule("D21")
def test_a_restricted_contact_has_the_same_rights_by_a_further_address(cast: Cast, at: datetime, incident: Incident):
    people.add_address(contact_id=cast.restricted.pk, address="rufus@home.example", at=at, by=None)
    mail = held(at=at, sender="rufus@home.example", subject=incident.number)
    assert mail.reason == HeldReason.NOT_THEIRS


def test_an_address_of_ours_or_of_a_colleague_belongs_to_nobody_else(cast: Cast, at: datetime):
    def add(contact: Contact, address: str, **given: bool) -> object:
        return people.add_address(contact_id=contact.pk, address=address, at=at, by=cast.technician, **given)

    for ours in ("tess@desk.example", "TESS@desk.example", "anybody@support.quillmark.example"):
        with pytest.raises(people.AddressIsOurs):
            add(cast.owner, ours, confirmed=True)
    for none in ("", "nobody", "a@b@c", "x y@acme.example", "<olive@home.example>"):
        with pytest.raises(people.NoSender):
            add(cast.owner, none)
    with pytest.raises(people.ContactExists):
        add(cast.owner, "rufus@acme.example", confirmed=True)
    with pytest.raises(people.AddressElsewhere):
        add(cast.owner, "otto@other.example")
    assert not ContactAddress.objects.exists()
    assert add(cast.owner, "Olive@acme.example") is None
    made = add(cast.owner, HOME)
    assert add(cast.owner, HOME) == made
    with pytest.raises(people.ContactExists):
        add(cast.restricted, HOME)
    with pytest.raises(people.ContactExists):
        people.add_contact(customer_id=cast.acme.pk, name="Second Olive", email=HOME)
    add(cast.owner, "otto@other.example", confirmed=True)


def test_filed_anew_it_goes_where_it_belongs_by_now(cast: Cast, at: datetime, incident: Incident):
    mail = held(at=at, sender="new@acme.example", subject=incident.number, text="I am new here.")
    assert file_anew(held_id=mail.pk, user=cast.technician, at=at).settled_at is None
    answered = OutgoingMail.objects.count()
    Contact.objects.create(customer=cast.acme, name="Nora New", email="new@acme.example")
    after = file_anew(held_id=mail.pk, user=cast.technician, at=at + HOUR)
    assert (after.settled_as, after.attached_to) == ("attached", incident)
    assert incident.messages.get(text="I am new here.").at == at, "it counts from when it came"
    with pytest.raises(AlreadySettled):
        file_anew(held_id=mail.pk, user=cast.colleague, at=at + HOUR)
    assert OutgoingMail.objects.count() == answered
    assert again(incident).last_at == at


def test_held_still_it_has_the_reason_of_now(cast: Cast, at: datetime):
    mail = held(at=at, sender="new@acme.example", text="No number")
    Contact.objects.create(customer=cast.acme, name="Nora New", email="new@acme.example", restricted=True)
    other = opened(cast.owner, at=at)
    body = held(at=at, sender="new@acme.example", text=f"About {other.number}")
    HeldMail.objects.filter(pk=body.pk).update(reason=HeldReason.UNKNOWN_SENDER)
    assert file_anew(held_id=body.pk, user=cast.technician, at=at).reason == HeldReason.NOT_THEIRS
    assert mail.reason == HeldReason.UNKNOWN_SENDER


def test_for_each_reason_the_page_says_what_to_do():
    assert set(BECAUSE) == set(HeldReason)


@pytest.mark.rule("D27")
def test_filed_anew_a_mail_that_names_nothing_is_a_draft(cast: Cast, at: datetime):
    mail = held(at=at, sender="new@acme.example", text="No number")
    Contact.objects.create(customer=cast.acme, name="Nora New", email="new@acme.example")
    after = file_anew(held_id=mail.pk, user=cast.technician, at=at + HOUR)
    assert (after.settled_as, after.draft) == ("draft", Draft.objects.get())
