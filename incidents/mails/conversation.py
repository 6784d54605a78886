"""Mails of an incident's life: its number, answers, closing and re-opening (R7, D11, D16)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from incidents.mails.carrying import carried_by
from incidents.mails.sending import send, tell
from incidents.models import Incident, Message
from incidents.windows import reopen_until
from points.models import Charge
from points.queries import balance, charge_parts
from sla.models import ResponseClock
from sla.queries import explain_clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, User
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
        said=None if call is None else carried_by(call),
        reopen_until=_reopen_until(incident),
    )


def answered(
    incident: Incident, *, message: Message, at: datetime, leave_out: Collection[int] = ()
) -> list[OutgoingMail]:
    """A technician's answer (D11)."""
    return tell("answered", incident, at=at, key=f"message:{message.pk}", message=message, leave_out=leave_out)


def closed(
    incident: Incident, *, message: Message | None, at: datetime, leave_out: Collection[int] = ()
) -> list[OutgoingMail]:
    """The closure, with its resolution, and until when it can be re-opened (R13)."""
    return tell(
        "closed",
        incident,
        at=at,
        key=f"closed:{incident.pk}:{at.isoformat()}",
        message=message,
        leave_out=leave_out,
        reopen_until=_reopen_until(incident),
    )


def reopened(incident: Incident, *, clock: ResponseClock, at: datetime) -> list[OutgoingMail]:
    """The same problem again: open, at no charge, with a fresh deadline (D16)."""
    return tell("reopened", incident, at=at, key=f"reopened:{clock.pk}", clock=clock, rows=explain_clock(clock))


def reopening_refused(
    incident: Incident, *, message: Message, at: datetime, leave_out: Collection[int] = ()
) -> list[OutgoingMail]:
    """A different problem, with the reason, and the way to a new report (D16)."""
    return tell(
        "reopening_refused",
        incident,
        at=at,
        key=f"message:{message.pk}",
        message=message,
        leave_out=leave_out,
        report_link=_anew_link(incident),
    )


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
        report_link=_anew_link(incident),
    )


def follower_added(incident: Incident, *, to: Contact, by: User | Contact, at: datetime) -> OutgoingMail | None:
    """That somebody made them follow it, and how to stop: once a day, however often it is done (D38)."""
    return send(
        "follower_added",
        incident,
        to=to,
        at=at,
        key=f"follower:{incident.pk}:{to.pk}:{at.astimezone(zone_info(incident.customer.zone)):%Y-%m-%d}",
        by=by,
        follows=True,
    )


def _anew_link(incident: Incident) -> str:
    """The form, filled in with what was written here (D16)."""
    return f"{settings.BASE_URL}{reverse('portal:report')}?from={incident.number}"


def _reopen_until(incident: Incident) -> datetime | None:
    if incident.first_closed_at is None:
        return None
    return reopen_until(first_closed_at=incident.first_closed_at, zone=incident.customer.zone)
