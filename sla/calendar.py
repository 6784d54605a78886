"""Business hours of one place: Monday–Friday 9:00–17:00 local, without holidays and closures (R5, D23).

Pure. Days are local dates of the calendar's zone; intervals are half-open, ``[start, end)``, in UTC, so that lengths
are real time also where the offset changes inside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from supportdesk.policy import POLICY

Kind = Literal["weekend", "holiday", "closure"]
HolidayName: TypeAlias = Callable[[date], str | None]

DAY: Final = timedelta(days=1)
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

    ``holiday`` names the holiday of a local date, or gives None. ``closures`` and ``open_days`` are the admins':
    an open day is open whatever else it is. Which of two contrary wishes counts is settled before they come here;
    a day in both raises ``ValueError``.
    """

    zone: ZoneInfo
    holiday: HolidayName
    closures: Mapping[date, str] = field(default_factory=dict)
    open_days: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if both := self.open_days & self.closures.keys():
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
        if self.closed(day):
            return None
        start, end = (first_instant(day, wall, zone=self.zone) for wall in (POLICY.opens, POLICY.closes))
        return Hours(start, end) if start < end else None

    def happens(self, day: date) -> bool:
        """Whether local ``day`` exists: some zones have skipped one to cross the date line."""
        return first_instant(day, time.min, zone=self.zone) < first_instant(day + DAY, time.min, zone=self.zone)

    def walk(self, start: date, *, step: Literal[1, -1] = 1) -> Iterator[Day]:
        """Local days from ``start`` on, lazily, backwards with ``step=-1``; days that never happened are left out.

        Raises ``NoBusinessHours`` once ``POLICY.horizon_days`` days in a row had no hours.
        """
        day, idle = start, 0
        while idle < POLICY.horizon_days:
            hours = self.hours(day)
            idle = 0 if hours else idle + 1
            if hours or self.happens(day):
                yield Day(day, hours, self.closed(day))
            day += step * DAY
        raise NoBusinessHours


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
