"""Deciding on a re-opening that the customer asked for (R13, D16)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from incidents import mails
from incidents.models import Incident, IncidentClock, Message, MessageKind, TimelineCode, Via
from incidents.services.common import (
    KeyReused,
    Refused,
    checked,
    lock_incident,
    message_before,
    must_allow,
    note_step,
    set_status,
)
from incidents.statuses import Act, Status
from sla.services import start_clock
from supportdesk.people.models import User


class NothingToDecide(Refused):
    """Nobody asks to re-open this incident, or somebody else has decided."""


@transaction.atomic
def accept(*, incident_id: int, user: User, at: datetime) -> Incident:
    """The same problem: open again, no charge, a fresh response clock; the first one keeps its outcome (D12, D16)."""
    incident = lock_incident(incident_id)
    _must_be_asked(incident)
    incident.clocks.filter(current=True).update(current=False)
    customer = incident.customer
    clock = start_clock(place=customer.place, customer_id=customer.pk, at=at)
    IncidentClock.objects.create(incident=incident, clock=clock)
    note_step(
        incident, TimelineCode.REOPENED, at=at, user=user, data={"clock": clock.pk, "due": clock.due_at.isoformat()}
    )
    set_status(incident, Status.OPEN, at=at)
    incident.reopen_asked_at = None
    incident.wrote_at = incident.last_at = at
    incident.save()
    mails.reopened(incident, clock=clock, at=at)
    return incident


@transaction.atomic
def refuse(
    *, incident_id: int, reason: str, user: User, at: datetime, key: str, leave_out: Collection[int] = ()
) -> Incident:
    """A different problem: stays closed; the reason is mailed and a new report offered (D16).

    Who is in ``leave_out`` is not mailed (D38).
    Raises NothingToDecide, TextMissing, TextTooLong, KeyReused; then nothing has changed.
    """
    reason = checked(reason)
    incident = lock_incident(incident_id)
    left_out = sorted(set(leave_out))
    before = message_before(key, incident_id=incident_id, text=reason, kind=MessageKind.ANSWER)
    if before is not None:
        step = incident.timeline.filter(code=TimelineCode.REOPEN_REFUSED, data__message=before.pk).first()
        if step is None or step.data.get("left_out", []) != left_out:
            raise KeyReused
        return incident
    _must_be_asked(incident)
    message = Message.objects.create(
        incident=incident, kind=MessageKind.ANSWER, via=Via.DESK, user=user, text=reason, at=at, key=key
    )
    data = {"message": message.pk, **({"left_out": left_out} if left_out else {})}
    note_step(incident, TimelineCode.REOPEN_REFUSED, at=at, user=user, data=data)
    incident.reopen_asked_at = None
    incident.last_at = at
    incident.save()
    mails.reopening_refused(incident, message=message, at=at, leave_out=left_out)
    return incident


def _must_be_asked(incident: Incident) -> None:
    if incident.reopen_asked_at is None:
        raise NothingToDecide
    must_allow(incident, Act.REOPEN)
