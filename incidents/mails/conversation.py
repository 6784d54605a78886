"""Mails of an incident's life: its number, answers, closing and re-opening (R7, D11, D16)."""

from __future__ import annotations

from datetime import datetime

from incidents.mails.sending import send
from incidents.models import Incident, Message
from incidents.windows import reopen_until
from points.models import Charge
from points.queries import balance, charge_parts
from sla.models import ResponseClock
from sla.queries import explain_clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.places import zone_info


def opened(
    incident: Incident, *, charge: Charge, clock: ResponseClock, text: str, at: datetime, call: Message | None = None
) -> OutgoingMail | None:
    """The ticket number, by when a technician answers, what was spent, and what was written (R7).

    Of a ``call`` in which it was answered, what was said then instead of a deadline (D20).
    """
    return send(
        "opened",
        incident,
        to=incident.contact,
        at=at,
        key=f"opened:{incident.pk}",
        clock=clock,
        rows=explain_clock(clock),
        spent=charge.points,
        parts=charge_parts(charge_id=charge.pk),
        kept=balance(customer_id=incident.customer_id, at=at),
        text=text,
        call=call,
        reopen_until=_reopen_until(incident),
    )


def answered(incident: Incident, *, message: Message, at: datetime) -> OutgoingMail | None:
    """A technician's answer (D11)."""
    return send("answered", incident, to=incident.contact, at=at, key=f"message:{message.pk}", message=message)


def closed(incident: Incident, *, message: Message | None, at: datetime) -> OutgoingMail | None:
    """The closure, with its resolution, and until when it can be re-opened (R13)."""
    return send(
        "closed",
        incident,
        to=incident.contact,
        at=at,
        key=f"closed:{incident.pk}:{at.isoformat()}",
        message=message,
        reopen_until=_reopen_until(incident),
    )


def reopened(incident: Incident, *, clock: ResponseClock, at: datetime) -> OutgoingMail | None:
    """The same problem again: open, at no charge, with a fresh deadline (D16)."""
    return send(
        "reopened",
        incident,
        to=incident.contact,
        at=at,
        key=f"reopened:{clock.pk}",
        clock=clock,
        rows=explain_clock(clock),
    )


def reopening_refused(incident: Incident, *, message: Message, at: datetime) -> OutgoingMail | None:
    """A different problem, with the reason, and the way to a new report (D16)."""
    return send("reopening_refused", incident, to=incident.contact, at=at, key=f"message:{message.pk}", message=message)


def reopening_too_late(incident: Incident, *, contact: Contact, at: datetime) -> OutgoingMail | None:
    """The window is over; what was written is kept, and a new report is offered (D16)."""
    return send(
        "reopening_too_late",
        incident,
        to=contact,
        at=at,
        # Once a day: two machines that answer each other end here.
        key=f"too-late:{incident.pk}:{contact.pk}:{at.astimezone(zone_info(incident.customer.zone)):%Y-%m-%d}",
        reopen_until=_reopen_until(incident),
    )


def _reopen_until(incident: Incident) -> datetime | None:
    if incident.first_closed_at is None:
        return None
    return reopen_until(first_closed_at=incident.first_closed_at, zone=incident.customer.zone)
