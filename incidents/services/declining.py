"""Declining what incidents do not cover: the points come back in full (R11, D15)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from incidents.cases import CaseState, CreditCase
from incidents.mails import ends
from incidents.models import Message, MessageKind, TimelineCode, Via
from incidents.services.common import (
    BugUndecided,
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
from incidents.turning import OTHER, REASONS, turn_of
from points.giving_back import given_back
from points.models import Charge
from points.services import credit_back
from sla.models import Outcome
from sla.services import end_clock
from supportdesk.people.models import User


class ClosedBefore(Refused):
    """What was closed once is not declined any more: it was accepted, and helped with (D15)."""


@transaction.atomic
def decline(*, incident_id: int, reason: str, text: str, user: User, at: datetime, key: str) -> Message:
    """Declines an incident: points back in full, the clock ends, the customer reads why and where to turn (D15).

    ``reason`` is one of ``turning.REASONS``. The text stands in the conversation, but is no response (D11): past the
    deadline it ends as a breach (D12). Where a product failure gave the charge back before, nothing comes back a
    second time (D4). The same key with the same content gives the first text back.

    Raises NotAllowed, ClosedBefore, BugUndecided, TextMissing, TextTooLong, KeyReused; then nothing has changed.
    """
    if reason not in REASONS:
        raise ValueError(f"{reason!r} is no reason to decline")
    text = checked(text)
    incident = lock_incident(incident_id)
    before = message_before(key, incident_id=incident_id, text=text, kind=MessageKind.ANSWER)
    if before is not None:
        if not incident.timeline.filter(
            code=TimelineCode.DECLINED, data__message=before.pk, data__reason=reason
        ).exists():
            raise KeyReused
        return before
    must_allow(incident, Act.DECLINE)
    if incident.first_closed_at is not None:
        raise ClosedBefore
    charge = incident.charges.select_related("charge").get(current=True).charge
    link = incident.clocks.select_related("clock").get(current=True)
    # What was taken back between the click and the lock began a little later than the click.
    at = max(at, link.clock.started_at, charge.charged_at)
    message = Message.objects.create(
        incident=incident, kind=MessageKind.ANSWER, via=Via.DESK, user=user, text=text, at=at, key=key
    )
    back = _give_back(charge, reason=reason, user=user, at=at)
    clock = end_clock(clock_id=link.clock_id, at=at, outcome=Outcome.DECLINED)
    data: dict[str, Any] = {
        "from": incident.status,
        "first": False,
        "wrote": incident.wrote_at and incident.wrote_at.isoformat(),
        "message": message.pk,
        "reason": reason,
        "charge": charge.pk,
        "back": back,
        "clock": clock.pk,
        "outcome": clock.outcome,
    }
    note_step(incident, TimelineCode.DECLINED, at=at, user=user, data=data)
    set_status(incident, Status.DECLINED, at=at)
    incident.wrote_at = None
    incident.decline_reason = "" if reason == OTHER else reason
    incident.last_at = at
    incident.save()
    ends.declined(incident, message=message, reason=reason, charge=charge, back=back, at=at)
    return message


def _give_back(charge: Charge, *, reason: str, user: User, at: datetime) -> int:
    """Gives the charge back, and says how many points; none where that was done before (D4)."""
    case = CreditCase.objects.exclude(state=CaseState.DETERMINED).filter(charge=charge).first()
    if case is not None:
        raise BugUndecided(case)
    if given_back(charge_id=charge.pk) is not None:
        return 0
    why = _("Declined: %(reason)s") % {"reason": turn_of(reason).name}
    credit_back(charge_id=charge.pk, at=at, actor=user, key=f"decline:{charge.pk}", reason=why)
    return charge.points
