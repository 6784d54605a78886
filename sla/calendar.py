"""Business hours of one place: Monday–Friday 9:00–17:00 local, without holidays and closures (R5, D23).

Pure. Days are local dates of the calendar's zone; intervals are half-open, ``[start, end)``, in UTC, so that lengths
are real time also where the offset changes inside them.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from supportdesk.policy import POLICY

Kind = Literal["weekend", "holiday", "closure"]
HolidayName: TypeAlias = Callable[[date], str | None]

DAY: Final = timedelta(days=1)
MONTHS_KEPT: Final = 240  # by one calendar; twenty years are more than anybody works with
WEEKDAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class NoBusinessHours(Exception):
    """The calendar has no hours within ``POLICY.horizon_days``: every day is closed."""

    def __init__(self) -> None:
        super().__init__(f"no business hours within {POLICY.horizon_days} days: every day is closed")


@dataclass(frozen=True, slots=True)
class Hours:
    """From ``start`` to just before ``end``, both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a day is closed; ``name`` is a weekday, a holiday's or a closure's name."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Day:
    """One local date: its hours in UTC, or why it is closed."""

    date: date
    hours: Hours | None
    closed: Closed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The business hours of one place (R5, D23).

    ``holiday`` names the holiday of a local date, or gives None, always the same. ``closures`` and ``open_days`` are
    the admins', by name: an open day is open whatever else it is. Which of two contrary wishes counts is settled
    before they come here (``sla.closures``); a day in both raises ``ValueError``.

    Months are worked out when they are first asked for, and kept.
    """

    zone: ZoneInfo
    holiday: HolidayName
    closures: Mapping[date, str] = field(default_factory=dict)
    open_days: Mapping[date, str] = field(default_factory=dict)
    _months: dict[tuple[int, int], tuple[Day, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if both := self.open_days.keys() & self.closures.keys():
            raise ValueError(f"{min(both)} is both a closure and an open day")

    def local_date(self, instant: datetime) -> date:
        """The date that the place's clocks show at ``instant`` (aware)."""
        return instant.astimezone(self.zone).date()

    def closed(self, day: date) -> Closed | None:
        """Why local ``day`` is closed, or None where it is open (R5, D23)."""
        if day in self.open_days:
            return None
        if day in self.closures:
            return Closed("closure", self.closures[day])
        if day.weekday() not in POLICY.weekdays:
            return Closed("weekend", WEEKDAY_NAMES[day.weekday()])
        name = self.holiday(day)
        return None if name is None else Closed("holiday", name)

    def hours(self, day: date) -> Hours | None:
        """The open hours of local ``day`` in UTC; None where it is closed or never happened (R5)."""
        return next((found.hours for found in self.month(day.year, day.month) if found.date == day), None)

    def happens(self, day: date) -> bool:
        """Whether local ``day`` exists: some zones have skipped one to cross the date line."""
        return any(found == day for found, _hours in _hours_of_month(self.zone, day.year, day.month))

    def month(self, year: int, month: int) -> tuple[Day, ...]:
        """The local days of a month in order; days that never happened are left out."""
        days = self._months.get((year, month))
        if days is None:
            made = []
            for day, hours in _hours_of_month(self.zone, year, month):
                closed = self.closed(day)
                made.append(Day(day, None if closed else hours, closed))
            days = tuple(made)
            if len(self._months) >= MONTHS_KEPT:
                self._months.clear()
            self._months[year, month] = days
        return days

    def walk(self, start: date, *, step: Literal[1, -1] = 1) -> Iterator[Day]:
        """Local days from ``start`` on, lazily, backwards with ``step=-1``; days that never happened are left out.

        Raises ``NoBusinessHours`` once ``POLICY.horizon_days`` days in a row had no hours.
        """
        idle, year, month = 0, start.year, start.month
        days = self.month(year, month)
        # Where all days of the month happened, this is the first guess; where one is missing, it lies before.
        at = min(start.day, len(days)) - 1
        if step == 1:
            while at > 0 and days[at - 1].date >= start:
                at -= 1
            at += days[at].date < start
        else:
            while at >= 0 and days[at].date > start:
                at -= 1
        while True:
            while 0 <= at < len(days):
                day = days[at]
                at += step
                yield day
                if day.hours is not None:
                    idle = 0
                    continue
                idle += 1
                if idle >= POLICY.horizon_days:
                    raise NoBusinessHours
            year, month = next_month(year, month) if step == 1 else _month_before(year, month)
            days = self.month(year, month)
            at = 0 if step == 1 else len(days) - 1


def next_month(year: int, month: int) -> tuple[int, int]:
    """The month that follows."""
    return (year + 1, 1) if month == 12 else (year, month + 1)


def _month_before(year: int, month: int) -> tuple[int, int]:
    return (year - 1, 12) if month == 1 else (year, month - 1)


@lru_cache(maxsize=8192)
def _hours_of_month(zone: ZoneInfo, year: int, month: int) -> tuple[tuple[date, Hours | None], ...]:
    """The days of a month that happen in ``zone``, each from opening to closing: all calendars of a zone share them."""
    found: list[tuple[date, Hours | None]] = []
    for number in range(1, monthrange(year, month)[1] + 1):
        day = date(year, month, number)
        start, end = (first_instant(day, wall, zone=zone) for wall in (POLICY.opens, POLICY.closes))
        if start < end:
            found.append((day, Hours(start, end)))
        elif first_instant(day, time.min, zone=zone) < first_instant(day + DAY, time.min, zone=zone):
            found.append((day, None))  # it happens, but its business hours do not
    return tuple(found)


def first_instant(day: date, wall: time, *, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which clocks in ``zone`` show ``wall`` of ``day`` or later.

    That is the first of two where clocks are set back over it, and the change itself where they skip it.
    """
    local = datetime.combine(day, wall, tzinfo=zone)
    before, after = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if before <= after:
        return before
    # The wall time is skipped: `before` and `after` are what it were by the offsets on either side of the change,
    # and the change lies between them. Changes happen on whole seconds.
    low, high, naive = after, before, local.replace(tzinfo=None)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) < naive:
            low = middle
        else:
            high = middle
    return high
