"""Writing into an incident: the customer's message, our answer, a note in the house (D10, D11, D16)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import transaction

from incidents import mails
from incidents.models import Incident, Message, MessageKind, NoticeCode, TimelineCode, Via
from incidents.notices import owner_alone, owner_or_everyone
from incidents.services.common import (
    KeyReused,
    Refused,
    checked,
    lock_incident,
    lock_where_it_leads,
    message_before,
    move,
    must_allow,
    note_step,
    shut,
)
from incidents.services.files import attach, hush_repeated
from incidents.services.noticing import notify
from incidents.services.responding import respond
from incidents.statuses import Act, Status, after_answer, after_customer_message
from incidents.windows import may_reopen
from supportdesk.mail.clean_html import says_more
from supportdesk.mail.models import RawMail
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY

Outcome = Literal["added", "request", "too_late"]
# What a customer's message may change.
_BY_CUSTOMER = ["status", "waits_since", "reminded_at", "closed_at", "wrote_at", "reopen_asked_at", "last_at"]


class NoAnswerYet(Refused):
    """An incident is not closed without a word while its customer waits for one (R6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A customer's message, and what it did: ``request`` asks to re-open, ``too_late`` came after the window (D16)."""

    message: Message
    outcome: Outcome


@transaction.atomic
def customer_message(
    *,
    incident_id: int,
    contact: Contact,
    text: str,
    via: str,
    at: datetime,
    key: str,
    raw_mail: RawMail | None = None,
    files: Collection[str] = (),
    by: User | None = None,
    html: str = "",
    left: int = 0,
) -> Added:
    """Adds what a contact wrote. It is kept in every case; what it does depends on the status (D10, D16).

    What is written to a merged incident is written to the one that it leads to (D35). ``files`` are tokens of the
    contact's uploads, ``html`` is that of a mail, sanitised; ``left`` is how many files stayed in it (D31).
    ``by`` is the technician who adds it for them, where one does: they are not told of their own act (D39).

    Raises TextMissing, TextTooLong, KeyReused, FileRefused; then nothing has changed.
    """
    text = checked(text)
    incident = lock_where_it_leads(incident_id)
    must_allow(incident, Act.CUSTOMER_MESSAGE)
    before = message_before(key, incident_id=incident.pk, text=text, kind=MessageKind.CUSTOMER, files=files)
    if before is not None:
        return Added(message=before, outcome=_outcome_before(incident, before))
    message = Message.objects.create(
        incident=incident,
        kind=MessageKind.CUSTOMER,
        via=via,
        contact=contact,
        text=text,
        html=html,
        rich=says_more(html),
        left_in_mail=left,
        at=at,
        key=key,
        raw_mail=raw_mail,
    )
    attach(tokens=files, message=message, contact=contact)
    if raw_mail is not None and files:
        hush_repeated(message)
    note_step(incident, TimelineCode.CUSTOMER_WROTE, at=at, contact=contact, data={"message": message.pk})
    asked = incident.reopen_asked_at is not None
    outcome = _effect_of_customer(incident, contact=contact, at=at)
    incident.last_at = max(incident.last_at, at)
    incident.save(update_fields=_BY_CUSTOMER)
    asks = outcome == "request" and not asked
    told = owner_or_everyone(incident.owner) if asks else owner_alone(incident.owner)
    if by is None and any(user.pk == contact.user_id for user in told):
        by = contact.user
    notify(
        NoticeCode.REOPEN_ASKED if asks else NoticeCode.CUSTOMER_WROTE,
        to=told,
        incident=incident,
        at=at,
        key=f"message:{message.pk}",
        by=by,
    )
    return Added(message=message, outcome=outcome)


def _outcome_before(incident: Incident, message: Message) -> Outcome:
    """What a message did that is sent once more."""
    if incident.reopen_asked_at is not None:
        return "request"
    first, zone = incident.first_closed_at, incident.customer.zone
    if first is not None and incident.is_finished and not may_reopen(first_closed_at=first, zone=zone, at=message.at):
        return "too_late"
    return "added"


def _effect_of_customer(incident: Incident, *, contact: Contact, at: datetime) -> Outcome:
    if incident.status == Status.CLOSED and incident.first_closed_at is not None:
        if incident.reopen_asked_at is not None:
            return "request"  # asked in time, and not decided: what is added later is never too late
        zone = incident.customer.zone
        if not may_reopen(first_closed_at=incident.first_closed_at, zone=zone, at=at):
            mails.reopening_too_late(incident, contact=contact, at=at)
            return "too_late"
        # A mail that crossed the closure asks from the closure on, not from before it.
        incident.reopen_asked_at = max(at, incident.closed_at or at)
        note_step(incident, TimelineCode.REOPEN_ASKED, at=at, contact=contact)
        return "request"
    if not incident.is_finished:
        move(incident, after_customer_message(incident.status), at=at, contact=contact)
    # Several messages in a row wait since the first of them; what crossed a decline waits since then.
    incident.wrote_at = incident.wrote_at or max(at, incident.closed_at or at)
    return "added"


@transaction.atomic
def answer(
    *,
    incident_id: int,
    text: str,
    then: str,
    user: User,
    at: datetime,
    key: str,
    files: Collection[str] = (),
    leave_out: Collection[int] = (),
) -> Message:
    """Answers the customer: this is the response (D11). ``then``: "open", "waiting" or "closed".

    An incident that nobody has is its answerer's from then on. The mail goes out with the transaction (D30), to
    all who get the incident's mails but the contacts whose ids are in ``leave_out`` (D38).
    ``files`` are tokens of the technician's uploads; the mail names them (D31).

    Raises NotAllowed, TextMissing, TextTooLong, KeyReused, FileRefused; then nothing has changed.
    """
    text = checked(text)
    status = after_answer(then=then)
    left_out = sorted(set(leave_out))
    incident = lock_incident(incident_id)
    before = message_before(key, incident_id=incident_id, text=text, kind=MessageKind.ANSWER, files=files)
    if before is not None:
        step = incident.timeline.filter(code=TimelineCode.ANSWERED, data__message=before.pk).first()
        if step is None or (step.data["then"], step.data.get("left_out", [])) != (status, left_out):
            raise KeyReused
        return before
    must_allow(incident, Act.ANSWER)
    message = Message.objects.create(
        incident=incident, kind=MessageKind.ANSWER, via=Via.DESK, user=user, text=text, at=at, key=key
    )
    attach(tokens=files, message=message, user=user)
    told = {"left_out": left_out} if left_out else {}
    at = respond(incident, message=message, code=TimelineCode.ANSWERED, then=status, user=user, at=at, **told)
    incident.wrote_at = None
    if status is Status.CLOSED:
        shut(incident, TimelineCode.CLOSED, at=at, user=user)
        mails.closed(incident, message=message, at=at, leave_out=left_out)
    else:
        move(incident, status, at=at, user=user)
        mails.answered(incident, message=message, at=at, leave_out=left_out)
    incident.last_at = at
    incident.save()
    return message


@transaction.atomic
def close(*, incident_id: int, user: User, at: datetime, leave_out: Collection[int] = ()) -> Incident:
    """Closes an incident without a further word: its customer has had an answer and has not written since.

    Who is in ``leave_out`` is not mailed (D38).
    Raises NoAnswerYet where a resolution has to be written, NotAllowed where it is closed already.
    """
    incident = lock_incident(incident_id)
    must_allow(incident, Act.CLOSE)
    if incident.wrote_at is not None or incident.clocks.get(current=True).clock.answered_at is None:
        raise NoAnswerYet
    shut(incident, TimelineCode.CLOSED, at=at, user=user)
    mails.closed(incident, message=None, at=at, leave_out=leave_out)
    incident.last_at = at
    incident.save()
    return incident


@transaction.atomic
def note(*, incident_id: int, text: str, user: User, at: datetime, key: str, files: Collection[str] = ()) -> Message:
    """Keeps an internal note: it and its files never leave the desk, and it is no response (D11, D22).

    Raises NotAllowed, TextMissing, TextTooLong, KeyReused, FileRefused; then nothing has changed.
    """
    text = checked(text)
    incident = lock_incident(incident_id)
    before = message_before(key, incident_id=incident_id, text=text, kind=MessageKind.NOTE, files=files)
    if before is not None:
        return before
    must_allow(incident, Act.NOTE)
    message = Message.objects.create(
        incident=incident, kind=MessageKind.NOTE, via=Via.DESK, user=user, text=text, at=at, key=key
    )
    attach(tokens=files, message=message, user=user)
    note_step(incident, TimelineCode.NOTED, at=at, user=user, data={"message": message.pk})
    if incident.status == Status.DECLINED:
        # Nobody answers what is declined: a note says that somebody has read what the customer wrote since (D15).
        incident.wrote_at = None
    incident.last_at = at
    incident.save(update_fields=["wrote_at", "last_at"])
    return message


def keep_automatic(
    *,
    incident_id: int,
    text: str,
    contact: Contact | None,
    at: datetime,
    raw_mail: RawMail,
    html: str = "",
    files: Collection[str] = (),
    left: int = 0,
) -> Message:
    """Keeps an automatic mail with the incident: no answer, no status, no clock, no request (D28)."""
    with transaction.atomic():
        incident = lock_where_it_leads(incident_id)
        message, made = Message.objects.get_or_create(
            raw_mail=raw_mail,
            defaults={
                "incident": incident,
                "kind": MessageKind.AUTOMATIC,
                "via": Via.MAIL,
                "contact": contact,
                "text": text.replace("\x00", "")[: POLICY.text_max],
                "html": html,
                "rich": says_more(html),
                "left_in_mail": left,
                "at": at,
                "key": f"raw:{raw_mail.pk}",
            },
        )
        if made:
            attach(tokens=files, message=message, contact=contact)
    return message
