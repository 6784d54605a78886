"""From a stored mail to one service call (D26, D28, D29): evidence in, decision by ``filing``, effect by a service."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction

from incidents import mails
from incidents.access import incidents_for
from incidents.filing import Decision, Evidence, decide
from incidents.models import HeldMail, HeldReason, Incident, IncidentMail, Message, NoticeCode, Via
from incidents.notices import everyone, owner_alone
from incidents.numbers import numbers_in
from incidents.queries import final_ids
from incidents.services.common import Refused
from incidents.services.conversation import customer_message, keep_automatic
from incidents.services.noticing import notify
from supportdesk.mail.addresses import address_mark
from supportdesk.mail.incoming import AlreadyHandled, claim, fail, read, record
from supportdesk.mail.models import Outcome, OutgoingMail, RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.quotes import unquoted
from supportdesk.mail.tokens import read_reply_address
from supportdesk.people.access import contacts_by_email, staff_has_email
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of_contact
from supportdesk.policy import POLICY

log = logging.getLogger(__name__)
HELD_CHARS = 20_000
DELIVERY_REPORT = "delivery report"
# How long after giving a mail up its row is still looked for; the index keeps that cheap.
GIVEN_UP_FOR = timedelta(days=30)


class AlreadySettled(Refused):
    """Somebody else has attached the mail, or put it away."""


# Not those that a machine or a forger may have sent, and not our own people (D26, D28).
ANSWERED_WHEN_HELD = frozenset(
    {
        HeldReason.UNKNOWN_SENDER,
        HeldReason.NOT_THEIRS,
        HeldReason.NO_INCIDENT,
        HeldReason.BODY_NUMBER,
        HeldReason.TWO_INCIDENTS,
        HeldReason.NO_TEXT,
        HeldReason.TOO_LONG,
    }
)


def file_mail(*, raw_id: int, at: datetime) -> str:
    """Files one stored mail, once, and says what became of it; empty where there was nothing to do.

    A message is dated by the instant at which our gateway took the mail, not by its Date header. Whatever
    the text lacks or exceeds, the raw source is kept and a technician finds it under held mail. A mail
    that cannot be filed is tried again, then held with the error; it never stops the next one (D29).
    """
    raw = claim(raw_id=raw_id, at=at)
    if raw is not None:
        try:
            return _file(raw, at=at)
        except AlreadyHandled:
            return ""
        except Exception as error:  # whatever a stranger's mail provokes, the others go on
            log.exception("Mail %s was not filed", raw_id)
            fail(raw_id=raw_id, error=repr(error), at=at)
    return Outcome.HELD if hold_given_up(at=at) else ""


def hold_given_up(*, at: datetime) -> int:
    """Puts the mails that were given up before the technicians, and gives how many (D29).

    Whoever gave one up may have died in the next moment, so every run looks for them. The row is made of what
    is stored; only then is the mail read once more, for it may have been what killed.
    """
    since = at - GIVEN_UP_FOR
    given_up = RawMail.objects.filter(outcome=Outcome.HELD, handled_at__gte=since, held=None).defer("source")
    count = 0
    for raw in given_up.order_by("handled_at")[:100]:
        held = hold(raw=raw, reason=HeldReason.UNREADABLE, at=at, sender=raw.mail_from)
        count += 1
        mail = read(raw)
        held.sender = (mail.from_address or raw.mail_from)[:320]
        held.subject, held.text = mail.subject[:400], mail.text[:HELD_CHARS]
        held.save(update_fields=["sender", "subject", "text"])
    return count


@transaction.atomic
def _file(raw: RawMail, *, at: datetime) -> str:
    mail = read(raw)
    senders = list(contacts_by_email(mail.from_address)) if mail.from_address else []
    decision = decide(_evidence(raw, mail, senders))
    outcome, reason = _carry_out(decision, raw=raw, mail=mail, senders=senders, at=at)
    record(raw_id=raw.pk, outcome=outcome, reason=reason, at=at)
    return outcome


def _carry_out(
    decision: Decision, *, raw: RawMail, mail: ParsedMail, senders: list[Contact], at: datetime
) -> tuple[Outcome, str]:
    if decision.action == "hold":
        hold(
            raw=raw,
            reason=decision.reason,
            sender=mail.from_address,
            subject=mail.subject,
            text=mail.text,
            at=at,
            incident=decision.incident,
        )
        if decision.reason in ANSWERED_WHEN_HELD:
            _answer_held(mail, raw=raw, at=at)
        return Outcome.HELD, decision.reason
    assert decision.incident is not None
    contact = _who(decision.incident, senders)
    if decision.action == "automatic":
        keep_automatic(incident_id=decision.incident, text=mail.text, contact=contact, at=raw.received_at, raw_mail=raw)
        if mail.bounced or mail.automatic == DELIVERY_REPORT:
            owner = Incident.objects.select_related("customer", "owner").get(pk=decision.incident)
            notify(NoticeCode.BOUNCE, to=owner_alone(owner.owner), incident=owner, at=at, key=f"raw:{raw.pk}")
        return Outcome.AUTOMATIC, mail.automatic
    assert contact is not None
    added = customer_message(
        incident_id=decision.incident,
        contact=contact,
        text=mail.text,
        via=Via.MAIL,
        at=raw.received_at,
        key=f"raw:{raw.pk}",
        raw_mail=raw,
    )
    if added.outcome == "request":
        return Outcome.REQUEST, ""
    return Outcome.ADDED, "" if added.outcome == "added" else added.outcome


def _answer_held(mail: ParsedMail, *, raw: RawMail, at: datetime) -> None:
    """Tells the sender once in 24 hours that a person looks at it, whatever stands behind a + in the address (D27)."""
    about = address_mark(mail.from_address)
    with connection.cursor() as cursor:
        # Two mails at once must not both find that nothing was answered yet.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [about])
    lately = OutgoingMail.objects.filter(about=about, kind=mails.NOT_FILED, queued_at__gt=at - timedelta(days=1))
    if lately.count() < POLICY.unknown_sender_answers_a_day:
        mails.not_filed(to_address=mail.from_address, about=about, in_reply_to=mail.message_id, key=raw.digest, at=at)


@transaction.atomic
def hold(
    *,
    raw: RawMail,
    reason: str,
    at: datetime,
    sender: str = "",
    subject: str = "",
    text: str = "",
    incident: int | None = None,
) -> HeldMail:
    """Puts a mail before the technicians, and tells them (D26, D39)."""
    held, made = HeldMail.objects.get_or_create(
        raw_mail=raw,
        defaults={
            "reason": reason,
            "sender": sender[:320],
            "subject": subject[:400],
            "text": text[:HELD_CHARS],
            "incident_id": incident,
            "held_at": at,
        },
    )
    if made:
        data = {"held": held.pk}
        notify(NoticeCode.MAIL_HELD, to=everyone(), at=at, key=f"held:{held.pk}", data=data)
    return held


@transaction.atomic
def attach_held(*, held_id: int, incident_id: int, user: User, at: datetime) -> Message:
    """Adds a held mail to an incident, as a message of the incident's contact: a technician says so (D26).

    Where the sender is another contact of the same customer, it is that contact's message. It counts from when
    our gateway took it: a re-opening asked for in time stays in time (D16). An automatic mail
    stays one, and does nothing (D28). Raises TextMissing, AlreadySettled.
    """
    held = HeldMail.objects.select_for_update(of=("self",)).select_related("raw_mail").get(pk=held_id)
    if held.settled_at is not None:
        raise AlreadySettled
    incident = Incident.objects.select_related("contact").get(pk=incident_id)
    mail = read(held.raw_mail)
    senders = list(contacts_by_email(mail.from_address)) if mail.from_address else []
    contact = _who(incident_id, senders)
    if mail.automatic:
        message = keep_automatic(
            incident_id=incident_id,
            text=mail.text,
            contact=contact,
            at=held.raw_mail.received_at,
            raw_mail=held.raw_mail,
        )
    else:
        message = customer_message(
            incident_id=incident_id,
            contact=contact or incident.contact,
            text=mail.text[: POLICY.text_max],
            via=Via.MAIL,
            at=held.raw_mail.received_at,
            key=f"raw:{held.raw_mail_id}",
            raw_mail=held.raw_mail,
            by=user,
        ).message
    _settle(held, user=user, at=at, attached_to=incident)
    return message


@transaction.atomic
def discard_held(*, held_id: int, user: User, at: datetime) -> None:
    """Settles a held mail without an effect; its raw source stays stored (D29). One that is settled stays as it is."""
    held = HeldMail.objects.select_for_update().get(pk=held_id)
    if held.settled_at is None:
        _settle(held, user=user, at=at)


def _settle(held: HeldMail, *, user: User, at: datetime, attached_to: Incident | None = None) -> None:
    held.settled_at, held.settled_by, held.attached_to = at, user, attached_to
    held.save(update_fields=["settled_at", "settled_by", "attached_to"])


def _evidence(raw: RawMail, mail: ParsedMail, senders: list[Contact]) -> Evidence:
    tokens = _tokens(raw, mail)
    # A delivery report brings back the mail that it is about, and often names it nowhere else (D28).
    ids = [*mail.in_reply_to, *mail.references, *([mail.returned_id] if mail.returned_id else [])]
    referenced = frozenset(
        IncidentMail.objects.filter(mail__message_id__in=ids).values_list("incident_id", flat=True)
    ) | frozenset(Message.objects.filter(raw_mail__message_id__in=ids).values_list("incident_id", flat=True))
    subject = _by_number(numbers_in(mail.subject))
    body = _by_number(numbers_in(unquoted(mail.text)[: POLICY.text_max])[:20])
    # A number that was merged leads on: what names both names one (D35).
    leads = final_ids({*referenced, *subject, *body, *tokens})
    tokens, referenced, subject, body = (
        frozenset(leads[incident] for incident in level) for level in (tokens, referenced, subject, body)
    )
    named = set(leads.values())
    allowed = {
        incident
        for contact in senders
        for incident in incidents_for(scope_of_contact(contact)).filter(pk__in=named).values_list("pk", flat=True)
    }
    return Evidence(
        senders=mail.from_count,
        from_staff=staff_has_email(mail.from_address),
        contact_ids=frozenset(contact.pk for contact in senders),
        allowed=frozenset(allowed),
        tokens=tokens,
        referenced=referenced,
        in_subject=subject,
        in_body=body,
        automatic=bool(mail.automatic),
        forged=mail.dmarc_failed,
        readable=mail.sound,
        has_content=bool(unquoted(mail.text).strip()),
        too_long=len(mail.text) > POLICY.text_max,
    )


def _tokens(raw: RawMail, mail: ParsedMail) -> frozenset[int]:
    """The incidents of the signed reply addresses that the mail was sent to (D26)."""
    addresses = (*raw.rcpt_to, *mail.delivered_to, *mail.to, *mail.cc)
    found = (read_reply_address(address) for address in dict.fromkeys(addresses))
    return frozenset(token.incident_id for token in found if token is not None)


def _by_number(numbers: tuple[str, ...]) -> frozenset[int]:
    return (
        frozenset(Incident.objects.filter(number__in=numbers).values_list("pk", flat=True)) if numbers else frozenset()
    )


def _who(incident_id: int, senders: list[Contact]) -> Contact | None:
    """The contact, of those with the sender's address, who belongs to the incident's customer (D21)."""
    customer = Incident.objects.values_list("customer_id", flat=True).get(pk=incident_id)
    return next((contact for contact in senders if contact.customer_id == customer), None)
