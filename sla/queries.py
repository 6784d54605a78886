"""What is due, what is left, and why (D13, D24). Reads only; ``at`` is given by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from django.db.models import F, Q, QuerySet

from sla.calendar import Calendar, Day, first_instant
from sla.calendars import Calendars, calendar_for, current_calendars
from sla.closures import FIRST_YEAR, LAST_YEAR
from sla.deadline import Plan, business_minutes_left
from sla.explain import Row, rows
from sla.holidays import DEFAULT_LANGUAGE, Holidays, known_years, language_of
from sla.models import ResponseClock
from supportdesk.places import Place, zone_info

DayKind = Literal["open", "weekend", "holiday", "closure", "open_day"]


class BadYear(ValueError):
    """A year outside 1970–2100."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class YearDay:
    """One local day of a year: ``name`` says why it is closed, or of an open day what it is called.

    ``minutes`` are real ones, 480 but where the clocks change while it is open. ``offset`` is that from UTC at noon.
    """

    date: date
    kind: DayKind
    name: str
    minutes: int
    offset: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The business hours of a place in one year, day by day; days that its zone skipped are not among them (R5)."""

    place: Place
    year: int
    days: tuple[YearDay, ...]
    offset_changes: tuple[tuple[date, timedelta, timedelta], ...]  # the first day with it, the offset before, and then
    known_years: range  # in a year outside these, no holidays are known and weekends alone are closed

    @property
    def is_known(self) -> bool:
        """Whether the holidays of this year are known."""
        return self.year in self.known_years

    @property
    def months(self) -> tuple[tuple[YearDay, ...], ...]:
        """The twelve months."""
        return tuple(tuple(day for day in self.days if day.date.month == month) for month in range(1, 13))

    @property
    def open_days(self) -> int:
        """On how many days the desk is open."""
        return sum(1 for day in self.days if day.minutes)

    @property
    def minutes(self) -> int:
        """How many minutes that are."""
        return sum(day.minutes for day in self.days)


def year_of(
    place: Place,
    year: int,
    *,
    customer_id: int | None = None,
    language: str = DEFAULT_LANGUAGE,
    calendars: Calendars | None = None,
) -> Year:
    """A whole year of a place, and of a customer's own closures, by the calendars that hold now (D23, D24).

    Holidays are named in ``language`` where the package has it, else as it names them by default. One query,
    or none where ``calendars`` are given. Raises ``UnknownPlace``, and ``BadYear`` outside 1970–2100.
    """
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise BadYear(f"{year} is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    calendar = (calendars or current_calendars()).of(place, customer_id)
    named = Holidays(place.country, place.subdivision, language_of(place.country, language))
    days: list[YearDay] = []
    changes = []
    for month in range(1, 13):
        for day in calendar.month(year, month):
            noon = first_instant(day.date, time(12), zone=calendar.zone).astimezone(calendar.zone)
            offset = noon.utcoffset() or timedelta()
            if days and days[-1].offset != offset:
                changes.append((day.date, days[-1].offset, offset))
            days.append(_year_day(day, calendar, named=named, offset=offset))
    return Year(
        place=place,
        year=year,
        days=tuple(days),
        offset_changes=tuple(changes),
        known_years=known_years(place.country),
    )


def _year_day(day: Day, calendar: Calendar, *, named: Holidays, offset: timedelta) -> YearDay:
    minutes = int((day.hours.end - day.hours.start) / timedelta(minutes=1)) if day.hours else 0
    kind: DayKind = day.closed.kind if day.closed else "open"
    name = day.closed.name if day.closed else ""
    if kind == "holiday":
        name = named(day.date) or name
    elif day.date in calendar.open_days:
        kind, name = "open_day", calendar.open_days[day.date]
    return YearDay(date=day.date, kind=kind, name=name, minutes=minutes, offset=offset)
