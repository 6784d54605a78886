"""What is due, what is left, and why (D13, D24). Reads only; ``at`` is given by the caller."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q, QuerySet

from sla.calendar import Calendar
from sla.calendars import calendar_for
from sla.deadline import Plan, business_minutes_left
from sla.explain import Row, rows
from sla.models import ResponseClock
from supportdesk.places import zone_info


def clocks_to_warn(at: datetime) -> QuerySet[ResponseClock]:
    """Running clocks with a warning to send at ``at``, nearest deadline first: ask each ``warning_due`` (D13).

    Late ones are not among them: they are announced instead.
    """
    first = Q(warned_first_at=None, warned_last_at=None, warn_first_at__lte=at)
    last = Q(warned_last_at=None, warn_last_at__lte=at)
    return ResponseClock.objects.filter(first | last, ended_at=None, due_at__gte=at).order_by("due_at", "pk")


def clocks_to_announce(at: datetime) -> QuerySet[ResponseClock]:
    """Running clocks that are late at ``at`` and not yet announced as such, earliest deadline first (D13)."""
    return ResponseClock.objects.filter(ended_at=None, breach_announced_at=None, due_at__lt=at).order_by("due_at", "pk")


def late(at: datetime) -> Q:
    """The condition for clocks that are late at ``at``, by their instants alone: ``is_late`` in SQL (D13)."""
    return Q(ended_at=None, due_at__lt=at) | Q(ended_at__gt=F("due_at"))


def minutes_left(clock: ResponseClock, at: datetime, *, calendar: Calendar | None = None) -> int:
    """Whole business minutes from ``at`` to the deadline, minus those since when it is past (D12).

    ``calendar`` is the one that counts for the customer now; without it, that of the clock's place and customer
    (a query: where there are many clocks, ask ``current_calendars`` once).
    """
    calendar = calendar or calendar_for(clock.place, clock.customer_id)
    return business_minutes_left(now=at, due_at=clock.due_at, calendar=calendar)


def explain_clock(clock: ResponseClock) -> tuple[Row, ...]:
    """The days that made the deadline, as they were when it was planned, in the customer's time (D24)."""
    return rows(Plan.from_data(clock.plan), zone=zone_info(clock.zone))
