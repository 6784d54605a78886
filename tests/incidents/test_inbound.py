"""Where an incoming mail goes, with real mails: evidence, decision and effect together (D26, D28, D29)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents import inbound
from incidents.access import held_for, messages_for
from incidents.inbound import carrying
from incidents.models import HeldMail, Incident, Message
from incidents.numbers import grouped
from incidents.services import conversation, reopening
from incidents.tasks import file_mails
from supportdesk import clock
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.tokens import reply_address
from supportdesk.people.models import Contact
from supportdesk.people.scope import scope_of, scope_of_contact
from supportdesk.people.services import sign_in_for
from tests.cast import Cast
from tests.incidents_helpers import (
    DESK,
    again,
    answered,
    at_once,
    delivered,
    mailed,
    opened,
    raw_mail,
    steps,
    why_held,
)

OLIVE, RUFUS, OTTO = "Olive <olive@acme.example>", "rufus@acme.example", "otto@other.example"
HOUR = timedelta(hours=1)


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    made = opened(cast.owner, at=at)
    answered(made, cast.technician, at=at + HOUR, then="waiting")
    return again(made)


@pytest.fixture
def later(at: datetime) -> datetime:
    return at + 2 * HOUR


def _untouched(incident: Incident) -> None:
    now = again(incident)
    assert (now.status, now.wrote_at, now.last_at) == (incident.status, incident.wrote_at, incident.last_at)
    assert now.messages.count() == 2
    assert now.contact == incident.contact


def _added(incident: Incident, raw: RawMail, by: Contact, at: datetime) -> None:
    assert (raw.outcome, why_held(raw)) == ("added", "")
    message = Message.objects.get(raw_mail=raw)
    assert (message.incident, message.contact, message.kind, message.via) == (incident, by, "customer", "mail")
    assert (message.at, message.text) == (at, "It works now.")
    assert again(incident).status == "open"


@pytest.mark.rule("D26", "R7")
def test_by_the_signed_reply_address(cast: Cast, incident: Incident, later: datetime):
    to = reply_address(incident_id=incident.pk, contact_id=cast.owner.pk)
    _added(incident, mailed(sender=OLIVE, at=later, to=to), cast.owner, later)


@pytest.mark.rule("D26")
@pytest.mark.parametrize("field", ["In_Reply_To", "References"])
def test_by_the_mail_that_it_answers(cast: Cast, incident: Incident, later: datetime, field: str):
    ours = OutgoingMail.objects.get(kind="incident_answered").message_id
    raw = delivered(raw_mail(sender=OLIVE, at=later, **{field: f"<other@x.example> {ours}"}), at=later)
    _added(incident, raw, cast.owner, later)


@pytest.mark.rule("D26", "R7", "D9")
@pytest.mark.parametrize("written", ["{0}", "Re: [{1}] We have your report", "AW: Ticket #{0}, again", "Fwd: ({0})"])
def test_by_the_number_in_the_subject(cast: Cast, incident: Incident, later: datetime, written: str):
    subject = written.format(incident.number, grouped(incident.number))
    _added(incident, mailed(sender="OLIVE@ACME.example", at=later, subject=subject), cast.owner, later)


@pytest.mark.rule("D26", "D21")
def test_a_colleague_who_sees_the_incident_may_write(cast: Cast, incident: Incident, later: datetime):
    mate = Contact.objects.create(customer=cast.acme, name="Mia Mate", email="mia@acme.example")
    _added(incident, mailed(sender="mia@acme.example", at=later, subject=incident.number), mate, later)
    assert again(incident).contact == cast.owner


@pytest.mark.rule("D26", "D21", "D22")
@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("nobody@strange.example", "unknown_sender"),
        (OTTO, "not_theirs"),
        (RUFUS, "not_theirs"),
        ("tess@desk.example", "staff"),
        ("olive@acme.example, nobody@strange.example", "several_senders"),
        ('"olive@acme.example" <nobody@strange.example>', "unknown_sender"),
        ("olive@acme.example.strange.example", "unknown_sender"),
    ],
)
@pytest.mark.parametrize("way", ["subject", "reply address", "references", "body"])
def test_whoever_may_not_see_it_is_held(
    cast: Cast, incident: Incident, later: datetime, sender: str, reason: str, way: str
):
    sent = OutgoingMail.objects.exclude(kind="not_filed").count()
    mail = {
        "subject": {"subject": f"Re: [{grouped(incident.number)}]", "cc": "nobody@strange.example"},
        "reply address": {"to": reply_address(incident_id=incident.pk, contact_id=cast.owner.pk)},
        "references": {"References": OutgoingMail.objects.get(kind="incident_answered").message_id},
        "body": {"text": f"About {incident.number}"},
    }[way]
    raw = mailed(sender=sender, at=later, **mail)
    assert (raw.outcome, why_held(raw)) == ("held", reason)
    assert HeldMail.objects.get(raw_mail=raw).incident == incident
    _untouched(incident)
    assert OutgoingMail.objects.exclude(kind="not_filed").count() == sent


@pytest.mark.rule("D26", "D27")
def test_the_answer_to_a_held_mail_tells_nothing(cast: Cast, incident: Incident, later: datetime):
    """Once a day, the same words whoever wrote, and none of theirs or of the incident's."""
    for sender in ("nobody@strange.example", OTTO, RUFUS):
        for text in ("CANARY one", "CANARY two"):
            mailed(sender=sender, at=later, subject=f"CANARY {incident.number}", text=text)
    told = OutgoingMail.objects.filter(kind="not_filed")
    assert sorted(mail.to_address for mail in told) == ["nobody@strange.example", OTTO, RUFUS]
    assert len({(mail.subject, mail.text, mail.html) for mail in told}) == 1
    (words,) = {mail.subject + mail.text + mail.html for mail in told}
    for secret in ("CANARY", incident.number, grouped(incident.number), incident.subject, "Acme", "Olive"):
        assert secret not in words
    assert all(mail.automatic for mail in told)


@pytest.mark.rule("D26")
def test_what_names_two_or_none_for_sure_is_held(cast: Cast, incident: Incident, at: datetime, later: datetime):
    other = opened(cast.owner, at=at)
    for mail, reason, means in (
        ({"text": f"About {incident.number}"}, "body_number", incident),
        ({"subject": f"{incident.number} and {other.number}"}, "two_incidents", None),
        ({"subject": incident.number, "text": ""}, "no_text", incident),
        ({"subject": incident.number, "text": "x" * 200_000}, "too_long", incident),
    ):
        raw = mailed(sender=OLIVE, at=later, **mail)
        assert (raw.outcome, why_held(raw)) == ("held", reason), mail
        assert HeldMail.objects.get(raw_mail=raw).incident == means, mail
    _untouched(incident)


@pytest.mark.rule("D26", "D27")
def test_what_is_no_ticket_number_names_no_incident(cast: Cast, incident: Incident, later: datetime):
    wrong = str(int(incident.number) + 1)
    for mail in (
        {"subject": "Hello"},
        {"subject": f"Ticket {wrong}"},
        {"subject": "Ticket #732: received", "text": "Call +1 866 722 5492"},
        # A quoted line says what somebody else wrote.
        {"text": f"Hello\n\n> about {incident.number}\n"},
    ):
        assert mailed(sender=OLIVE, at=later, **mail).outcome == "draft", mail
    _untouched(incident)


@pytest.mark.rule("D26")
def test_a_mail_that_fails_dmarc_is_held(cast: Cast, incident: Incident, later: datetime):
    failed = {"Authentication_Results": "support.quillmark.example; dmarc=fail"}
    assert why_held(mailed(sender=OLIVE, at=later, subject=incident.number, **failed)) == "dmarc"
    foreign = {"Authentication_Results": "mx.strange.example; dmarc=fail"}
    assert mailed(sender=OLIVE, at=later, subject=incident.number, text="Another", **foreign).outcome == "added"


@pytest.mark.rule("D26")
def test_a_contact_who_left_is_a_stranger(cast: Cast, incident: Incident, later: datetime):
    cast.owner.removed_at = later
    cast.owner.save()
    assert why_held(mailed(sender=OLIVE, at=later, subject=incident.number)) == "unknown_sender"


@pytest.mark.rule("D21", "D26")
def test_a_reseller_writes_for_the_customer_whose_incident_it_is(cast: Cast, incident: Incident, later: datetime):
    both = [
        Contact.objects.create(customer=customer, name="Rea Seller", email="rea@reseller.example")
        for customer in (cast.other, cast.acme)
    ]
    for contact in both:
        sign_in_for(contact=contact)
    _added(incident, mailed(sender="rea@reseller.example", at=later, subject=incident.number), both[1], later)


AUTOMATIC = [
    ({"Auto_Submitted": "auto-replied"}, {}),
    ({"Precedence": "bulk"}, {}),
    ({"X_Autoreply": "yes"}, {}),
    ({"List_Id": "<x.example>"}, {}),
    ({}, {"mail_from": ""}),
]


@pytest.mark.rule("D28", "D11")
@pytest.mark.parametrize("status", ["waiting", "closed"])
@pytest.mark.parametrize(("headers", "envelope"), AUTOMATIC)
def test_automatic_mail_is_kept_and_does_nothing(
    cast: Cast, at: datetime, later: datetime, status: str, headers: dict[str, str], envelope: dict[str, str]
):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + HOUR, then=status)
    before, sent = again(incident), OutgoingMail.objects.count()
    ours = OutgoingMail.objects.filter(kind__in=("incident_answered", "incident_closed")).get()
    source = raw_mail(sender=OLIVE, at=later, In_Reply_To=ours.message_id, text="CANARY I am away.", **headers)
    raw = delivered(source, at=later, **envelope)
    assert raw.outcome == "automatic"
    message = incident.messages.get(raw_mail=raw)
    assert (message.kind, message.text.strip()) == ("automatic", "CANARY I am away.")
    now = again(incident)
    assert (now.status, now.reopen_asked_at, now.wrote_at) == (before.status, None, None)
    assert OutgoingMail.objects.count() == sent
    assert message not in messages_for(scope_of_contact(cast.owner), incident)
    assert message in messages_for(scope_of(cast.technician), incident)


@pytest.mark.rule("D28", "D11")
def test_an_automatic_mail_before_the_answer_leaves_the_clock_running(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    to = reply_address(incident_id=incident.pk, contact_id=cast.owner.pk)
    assert mailed(sender=OLIVE, at=at, to=to, Auto_Submitted="auto-replied").outcome == "automatic"
    assert incident.clocks.get().clock.outcome == "running"
    assert again(incident).status == "new"


@pytest.mark.rule("D28")
def test_automatic_mail_that_belongs_nowhere_for_sure_is_held_unanswered(
    cast: Cast, incident: Incident, later: datetime
):
    sent = OutgoingMail.objects.count()
    raw = mailed(sender=OLIVE, at=later, subject=f"Away {incident.number}", Auto_Submitted="auto-replied")
    assert why_held(raw) == "automatic"
    assert OutgoingMail.objects.count() == sent
    _untouched(incident)


@pytest.mark.rule("D16")
def test_a_mail_on_a_closed_incident_asks_to_reopen_it(cast: Cast, incident: Incident, at: datetime, later: datetime):
    answered(incident, cast.technician, at=at + HOUR, then="closed")
    raw = mailed(sender=OLIVE, at=later, subject=incident.number)
    assert raw.outcome == "request"
    assert again(incident).reopen_asked_at == later
    over = at + timedelta(days=92)
    raw = mailed(sender=OLIVE, at=over, subject=incident.number, text="Still here?")
    assert raw.outcome == "request", "it was asked in time, and nobody has decided"
    reopening.refuse(incident_id=incident.pk, reason="Another one.", user=cast.technician, at=over, key="refused-once")
    raw = mailed(sender=OLIVE, at=over, subject=incident.number, text="And now?")
    assert (raw.outcome, raw.reason) == ("added", "too_late")
    assert OutgoingMail.objects.filter(kind="incident_reopening_too_late").count() == 1


@pytest.mark.rule("D29")
def test_the_same_mail_again_changes_nothing(cast: Cast, incident: Incident, later: datetime):
    source = raw_mail(sender=OLIVE, at=later, subject=incident.number)
    first = delivered(source, at=later)
    told = steps(incident)
    for copy in (source, b"Received: by mx\r\n" + source):
        delivered(copy, at=later + HOUR)
        assert inbound.file_mail(raw_id=first.pk, at=later + HOUR) == ""
    assert incident.messages.filter(via="mail").count() == 1
    assert steps(incident) == told
    assert not HeldMail.objects.exists()


LESSER = {
    "automatic": {"Auto-Submitted": "auto-generated"},
    "by a mailing list": {"List-Id": "<all.acme.example>"},
    "failing DMARC": {"Authentication-Results": "support.quillmark.example; dmarc=fail"},
}


@pytest.mark.rule("D29", "D26", "D28")
@pytest.mark.parametrize("headers", LESSER.values(), ids=LESSER)
def test_a_copy_that_is_only_held_or_kept_does_not_stand_for_the_mail_itself(
    cast: Cast, incident: Incident, later: datetime, headers: dict[str, str]
):
    """Its file, too, is there with each of them."""
    to = reply_address(incident_id=incident.pk, contact_id=cast.owner.pk)
    source = raw_mail(sender=OLIVE, at=later, to=to).replace(
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nIt works now.",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n"
        b"--cut\r\n\r\nIt works now.\r\n--cut\r\n"
        b"Content-Type: text/plain; name=log.txt\r\n\r\nboom\r\n--cut--",
    )
    lesser = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + source
    assert delivered(lesser, at=later, to=to).outcome in ("held", "automatic")
    assert delivered(b"Received: by mx1\r\n" + lesser, at=later, to=to).outcome == "duplicate"
    raw = delivered(source, at=later + HOUR, to=to)
    _added(incident, raw, cast.owner, later + HOUR)
    assert [file.name for file in Message.objects.get(raw_mail=raw).files.all()] == ["log.txt"]
    for copy in (source, lesser):
        copied = delivered(b"Received: by mx2\r\n" + copy, at=later + HOUR, to=to)
        assert copied.outcome == "duplicate"


@pytest.mark.rule("D29")
@pytest.mark.parametrize("headers", LESSER.values(), ids=LESSER)
def test_a_lesser_copy_of_a_mail_that_came_before_is_another_delivery(
    cast: Cast, incident: Incident, later: datetime, headers: dict[str, str]
):
    source = raw_mail(sender=OLIVE, at=later, subject=incident.number)
    first = delivered(source, at=later)
    lesser = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + source
    copy = delivered(lesser, at=later + HOUR)
    assert (copy.outcome, copy.reason) == ("duplicate", str(first.pk))
    assert RawMail.objects.get(pk=first.pk).deliveries == 2


@pytest.mark.rule("D29")
def test_one_mail_in_parallel_workers_is_one_message(committed_cast: Cast, at: datetime):
    incident = opened(committed_cast.owner, at=at)
    source = raw_mail(sender=OLIVE, at=at, subject=incident.number)
    raw, _new = store_raw(source=source, mail_from=RUFUS, rcpt_to=[DESK], at=at, via="smtp")
    made = at_once(*[lambda: inbound.file_mail(raw_id=raw.pk, at=at)] * 6)
    assert sorted(made) == ["", "", "", "", "", "added"]
    assert incident.messages.filter(via="mail").count() == 1


@pytest.mark.rule("D29")
def test_a_bad_mail_is_held_and_the_next_one_flows(
    cast: Cast, incident: Incident, later: datetime, monkeypatch: pytest.MonkeyPatch
):
    bad = raw_mail(sender=OLIVE, at=later, subject=incident.number, text="boom")
    good = raw_mail(sender=OLIVE, at=later, subject=incident.number)
    for source in (bad, good):
        store_raw(source=source, mail_from=RUFUS, rcpt_to=[DESK], at=later, via="smtp")
    real = conversation.customer_message

    def stumbles(**given):
        if given["text"].strip() == "boom":
            raise KeyError("boom")
        return real(**given)

    monkeypatch.setattr(carrying, "customer_message", stumbles)
    for minutes in range(5):
        with clock.set_to(later + timedelta(minutes=2 * minutes)):
            file_mails()
    assert incident.messages.filter(via="mail").get().text == "It works now."
    held = held_for(scope_of(cast.technician)).get()
    assert (held.reason, held.text.strip()) == ("unreadable", "boom")
    assert "KeyError" in held.raw_mail.last_error
