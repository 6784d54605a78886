"""Phone intake, and calls on incidents that exist (R4, R8, D20)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import transaction

from incidents import mails
from incidents.access import incidents_for
from incidents.mails import phone as phone_mails
from incidents.models import Channel, Direction, Draft, Incident, Message, MessageKind, TimelineCode, Via
from incidents.services.common import (
    KeyReused,
    Refused,
    lock_incident,
    message_before,
    must_allow,
    note_step,
)
from incidents.services.opening import Report, keep_draft, open_incident
from incidents.services.responding import Spoken, answer_by_call, call_message
from incidents.statuses import Act, Status
from incidents.windows import may_reopen
from points.services import NotEnoughPoints
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of_contact
from supportdesk.people.services import lock_customer

# What a logged call did: it is the response; it is kept on a finished one; it asks to re-open, or is late for that.
Outcome = Literal["answered", "kept", "request", "too_late"]


class ContactGone(Refused):
    """The contact was removed while the call went on."""


class NotTheirs(Refused):
    """The caller may not see this incident: nothing of it is told them, and no call of theirs is logged on it (D21)."""


class NoAddress(Refused):
    """The contact has no e-mail address that mail could be sent to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A call that was logged, and what it did."""

    message: Message
    outcome: Outcome


@transaction.atomic
def open_by_phone(
    *, report: Report, answered_text: str = "", then: str = Status.OPEN, user: User, at: datetime, key: str
) -> Incident | Draft:
    """Logs a call as an incident while the caller is on the line (R8, D20).

    With ``answered_text`` it was answered during the call: the response counts from the same instant (D11). Short of
    points it is a draft that the same technician, another one or the customer opens by one click (D8).

    Raises PhoneNotForCommunity, ReleaseNotCurrent, KeyReused, TextTooLong, ContactGone; then nothing has changed.
    """
    if report.channel != Channel.PHONE:
        raise ValueError(f"a call is no {report.channel} incident")
    lock_customer(report.contact.customer_id)
    if not Contact.objects.filter(pk=report.contact.pk, removed_at=None).exists():
        raise ContactGone
    spoken = Spoken(by=user, text=answered_text, then=then) if answered_text.strip() else None
    answer = spoken.text if spoken else ""
    if Draft.objects.filter(key=key, incident=None).exists():
        return keep_draft(report=report, at=at, key=key, user=user, answer=answer)
    try:
        return open_incident(report=report, at=at, key=key, via=Via.PHONE, user=user, spoken=spoken)
    except NotEnoughPoints:
        return keep_draft(report=report, at=at, key=key, user=user, answer=answer)


@transaction.atomic
def log_call(
    *,
    incident_id: int,
    contact: Contact,
    direction: str,
    text: str,
    then: str = Status.OPEN,
    user: User,
    at: datetime,
    key: str,
    mail: bool = False,
    reopen: bool = False,
) -> Logged:
    """Logs a call from or to the customer on an incident: it costs nothing, and is a response (R9, D11, D20).

    On a closed or declined one it is kept and changes nothing, but that with ``reopen`` the caller's word that it is
    exactly the same problem becomes a request, within the window (D16). ``mail`` sends what was said as well.

    Raises NotAllowed, NotTheirs, TextMissing, TextTooLong, KeyReused; then nothing has changed.
    """
    spoken = Spoken(by=user, text=text, then=then)
    direction = Direction(direction).value
    incident = lock_incident(incident_id)
    before = message_before(key, incident_id=incident_id, text=spoken.text, kind=MessageKind.CALL)
    if before is not None:
        return _logged_before(incident, before, contact=contact, direction=direction, then=spoken.then)
    must_allow(incident, Act.CALL)
    if not incidents_for(scope_of_contact(contact)).filter(pk=incident.pk).exists():
        raise NotTheirs
    outcome: Outcome = "answered"
    if incident.is_finished:
        message = call_message(
            incident, contact=contact, direction=direction, text=spoken.text, user=user, at=at, key=key
        )
        data = {"message": message.pk, "direction": direction}
        note_step(incident, TimelineCode.CALLED, at=at, user=user, contact=contact, data=data)
        outcome = _ask_to_reopen(incident, contact=contact, at=at) if reopen else "kept"
        incident.last_at = max(incident.last_at, at)
    else:
        message = answer_by_call(incident, contact=contact, direction=direction, spoken=spoken, at=at, key=key)
    if mail and outcome == "answered" and incident.status == Status.CLOSED:
        mails.closed(incident, message=message, at=at)
    elif mail:
        phone_mails.called(incident, message=message, at=at)
    incident.save()
    return Logged(message=message, outcome=outcome)


def _ask_to_reopen(incident: Incident, *, contact: Contact, at: datetime) -> Outcome:
    """The caller says that it is exactly the same problem: a request as if they had written it (R13, D16)."""
    first = incident.first_closed_at
    if incident.status != Status.CLOSED or first is None:
        return "kept"
    if incident.reopen_asked_at is not None:
        return "request"
    if not may_reopen(first_closed_at=first, zone=incident.customer.zone, at=at):
        return "too_late"
    incident.reopen_asked_at = max(at, incident.closed_at or at)
    note_step(incident, TimelineCode.REOPEN_ASKED, at=at, contact=contact)
    return "request"


def _logged_before(incident: Incident, message: Message, *, contact: Contact, direction: str, then: str) -> Logged:
    """What a call did that is sent once more; KeyReused where it was another one."""
    step = incident.timeline.filter(code=TimelineCode.CALLED, data__message=message.pk).first()
    if step is None:
        raise KeyReused  # of a call on another incident that was merged into this one (D35)
    data = step.data
    answered = "then" in data
    if (message.contact_id, message.direction) != (contact.pk, direction) or (answered and data["then"] != then):
        raise KeyReused
    if answered:
        return Logged(message=message, outcome="answered")
    return Logged(message=message, outcome="request" if incident.reopen_asked_at is not None else "kept")


@transaction.atomic
def send_form(*, contact: Contact, user: User, at: datetime, key: str) -> OutgoingMail:
    """Mails the address of the reporting form to somebody on the line (R4, D20). Raises NoAddress."""
    sent = phone_mails.form_link(contact, at=at, key=f"form-link:{contact.pk}:{key}", user=user)
    if sent is None:
        raise NoAddress
    return sent
