"""Mails about how an incident ends, and about an end that is taken back (R11, D10, D12, D15, D36)."""

from __future__ import annotations

from datetime import datetime

from incidents.endings import ENDS
from incidents.mails.sending import tell
from incidents.models import Incident, Message, TimelineCode, TimelineEntry
from incidents.turning import turn_of
from incidents.windows import reopen_until
from points.giving_back import credit_parts
from points.models import Charge
from sla.models import Outcome, ResponseClock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY


def declined(
    incident: Incident, *, message: Message, reason: str, charge: Charge, back: int, at: datetime
) -> list[OutgoingMail]:
    """Why it is declined, where to turn, and which points are back until when (R11, D15)."""
    return tell(
        "declined",
        incident,
        at=at,
        key=f"message:{message.pk}",
        message=message,
        turn=turn_of(reason),
        back=back,
        parts=credit_parts(charge_id=charge.pk) if back else (),
    )


def customer_closed(incident: Incident, *, contact: Contact, at: datetime) -> list[OutgoingMail]:
    """Who closed it, to the others who read along; whoever did it knows (D12, D38)."""
    return tell(
        "customer_closed",
        incident,
        at=at,
        key=f"customer-closed:{incident.pk}:{at.isoformat()}",
        leave_out=[contact.pk],
        closer=contact,
        reopen_until=_reopen_until(incident),
    )


def taken_back(
    incident: Incident, *, step: TimelineEntry, clock: ResponseClock, charge: Charge | None, at: datetime
) -> list[OutgoingMail]:
    """One line: it is open again, as if it had not been closed or declined (D36)."""
    assert step.code in ENDS
    return tell(
        "taken_back",
        incident,
        at=at,
        key=f"taken-back:{step.pk}",
        declined=step.code == TimelineCode.DECLINED,
        points=charge.points if charge else 0,
        clock=clock if clock.outcome == Outcome.RUNNING and clock.due_at > at else None,
    )


def reminded(incident: Incident, *, closes_at: datetime, at: datetime) -> list[OutgoingMail]:
    """We wait for your answer, and on which day we stop waiting (D10)."""
    since = incident.waits_since
    assert since is not None
    key = f"reminded:{incident.pk}:{since.isoformat()}"
    return tell("reminded", incident, at=at, key=key, waits_since=since, closes_at=closes_at)


def closed_silence(incident: Incident, *, at: datetime) -> list[OutgoingMail]:
    """We heard nothing, so it is closed; until when it can be re-opened (D10, R13)."""
    return tell(
        "closed_silence",
        incident,
        at=at,
        key=f"closed-silence:{incident.pk}:{at.isoformat()}",
        days=POLICY.auto_close_business_days,
        reopen_until=_reopen_until(incident),
    )


def _reopen_until(incident: Incident) -> datetime:
    assert incident.first_closed_at is not None
    return reopen_until(first_closed_at=incident.first_closed_at, zone=incident.customer.zone)
