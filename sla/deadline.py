"""When an answer is due: four business hours after the incident was logged (R6, D12), and what counted (D24).

And when silence has lasted some business days (D10).

Pure. Instants come in aware, of any zone, and go out in UTC; lengths are business time of the calendar given.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from sla.calendar import Calendar, Hours, Kind, NoBusinessHours, first_instant, next_month
from supportdesk.policy import POLICY

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2101, 1, 1, tzinfo=UTC)  # not included: holidays are not known from here on
MINUTE: Final = timedelta(minutes=1)


class BadInstant(ValueError):
    """A time without an offset, or outside the years 1970–2100."""


class Counted(NamedTuple):
    """Hours that counted on local date ``day``: ``[start, end)`` in UTC."""

    day: date
    start: datetime
    end: datetime

    @property
    def minutes(self) -> float:
        """Real minutes from start to end."""
        return (self.end - self.start) / MINUTE


class Skipped(NamedTuple):
    """A local date that did not count, and why, by name."""

    day: date
    kind: Kind
    name: str


class Plan(NamedTuple):
    """A deadline in UTC with the days that made it, each part in order (D24)."""

    due_at: datetime
    counted: tuple[Counted, ...]
    skipped: tuple[Skipped, ...]

    def as_data(self) -> dict[str, Any]:
        """The plan as plain JSON, to be kept beside the deadline that it explains."""
        return {
            "due_at": self.due_at.isoformat(),
            "counted": [[c.day.isoformat(), c.start.isoformat(), c.end.isoformat()] for c in self.counted],
            "skipped": [[s.day.isoformat(), s.kind, s.name] for s in self.skipped],
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Plan:
        """The plan that ``as_data`` gave."""
        instant = datetime.fromisoformat
        return cls(
            due_at=instant(data["due_at"]),
            counted=tuple(Counted(date.fromisoformat(d), instant(a), instant(b)) for d, a, b in data["counted"]),
            skipped=tuple(Skipped(date.fromisoformat(d), kind, name) for d, kind, name in data["skipped"]),
        )


def plan(*, logged_at: datetime, calendar: Calendar, minutes: int = POLICY.response_minutes) -> Plan:
    """The instant by which a technician responds to what was logged at ``logged_at``, explained (R6, D12, D24).

    Outside business hours the clock starts at the next opening; a deadline on closing time stays there. Seconds and
    microseconds are kept. ``minutes`` are business minutes.

    Raises ``BadInstant`` for a naive time or one outside 1970–2100, ``NoBusinessHours`` where every day is closed,
    ``ValueError`` for ``minutes`` below 1.
    """
    logged = _checked(logged_at)
    left = _length(minutes)
    counted: list[Counted] = []
    skipped: list[Skipped] = []
    for day in calendar.walk(calendar.local_date(logged)):
        hours = day.hours
        if hours is None:
            if day.closed:
                skipped.append(Skipped(day.date, day.closed.kind, day.closed.name))
            continue
        if hours.end <= logged:
            continue
        start = hours.start if hours.start > logged else logged
        end = start + left
        if end <= hours.end:
            counted.append(Counted(day.date, start, end))
            return Plan(due_at=end, counted=tuple(counted), skipped=tuple(skipped))
        counted.append(Counted(day.date, start, hours.end))
        left -= hours.end - start
    raise NoBusinessHours  # the walk ends by raising; this line tells the type checker


def business_time_between(*, start: datetime, end: datetime, calendar: Calendar) -> timedelta:
    """The business time in ``[start, end)``; zero where ``end`` is not after ``start`` (R5).

    Raises ``BadInstant`` for a naive time or one outside 1970–2100.
    """
    start, end = _checked(start), _checked(end)
    total = timedelta()
    if end <= start:
        return total
    day, last = calendar.local_date(start), calendar.local_date(end)
    year, month = day.year, day.month
    while (year, month) <= (last.year, last.month):
        for found in calendar.month(year, month):
            if found.hours and found.hours.end > start and found.hours.start < end:
                total += min(found.hours.end, end) - max(found.hours.start, start)
        year, month = next_month(year, month)
    return total


def business_minutes_left(*, now: datetime, due_at: datetime, calendar: Calendar) -> int:
    """Whole business minutes until ``due_at``; when it is past, minus those since (D12).

    Rounded down, so that it never promises more time than there is and is below zero from the first late second of
    business time on. Raises ``BadInstant`` for a naive time or one outside 1970–2100.
    """
    ahead = business_time_between(start=now, end=due_at, calendar=calendar)
    behind = business_time_between(start=due_at, end=now, calendar=calendar)
    return math.floor((ahead - behind) / MINUTE)


def instant_before(*, due_at: datetime, minutes: int, calendar: Calendar) -> datetime:
    """The instant, in UTC, from which ``minutes`` business minutes remain until ``due_at`` (D13).

    Where that is a closing time it is the next opening: nobody is warned at the end of a day of what the next brings.

    Raises ``BadInstant`` for a naive time or one outside 1970–2100, ``NoBusinessHours`` where every day before is
    closed, ``ValueError`` for ``minutes`` below 1.
    """
    due = _checked(due_at)
    left = _length(minutes)
    for day in calendar.walk(calendar.local_date(due), step=-1):
        if day.hours is None or day.hours.start >= due:
            continue
        end = min(day.hours.end, due)
        start = max(day.hours.start, end - left)
        left -= end - start
        if not left:
            return start
    raise NoBusinessHours  # the walk ends by raising; this line tells the type checker


def business_days_after(*, at: datetime, days: int, calendar: Calendar) -> datetime:
    """The instant, in UTC, at which ``days`` whole business days have passed since ``at`` (D10).

    Outside business hours they begin to pass at the next opening, which a closing time is taken for as well. The end
    has the time of day of the beginning, so that it lies in business hours too, whatever days were closed between.

    Raises ``BadInstant`` for a naive time or one outside 1970–2100, ``NoBusinessHours`` where every day is closed,
    ``ValueError`` for ``days`` below 1.

    >>> from zoneinfo import ZoneInfo
    >>> quiet = Calendar(zone=ZoneInfo("America/New_York"), holiday=lambda day: None)
    >>> friday = datetime(2026, 12, 4, 15, 30, tzinfo=ZoneInfo("America/New_York"))
    >>> f"{business_days_after(at=friday, days=5, calendar=quiet).astimezone(quiet.zone):%a %d %b %H:%M}"
    'Fri 11 Dec 15:30'
    """
    began = _checked(at)
    if days < 1:
        raise ValueError(f"{days} is no number of business days")
    left, wall = days, None
    for day in calendar.walk(calendar.local_date(began)):
        hours = day.hours
        if hours is None:
            continue
        if wall is None:
            if began < hours.end:
                wall = max(began, hours.start).astimezone(calendar.zone).time()
            continue
        left -= 1
        if not left:
            return _within(first_instant(day.date, wall, zone=calendar.zone), hours)
    raise NoBusinessHours  # the walk ends by raising; this line tells the type checker


def _within(instant: datetime, hours: Hours) -> datetime:
    """Where clocks change during business hours, a time of day may lie outside of them by the other day's offset."""
    return min(max(instant, hours.start), hours.end)


def _checked(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise BadInstant(f"{instant.isoformat()} has no offset from UTC")
    # By the local year first: far outside, an instant has no UTC at all.
    if EARLIEST.year - 1 <= instant.year <= LATEST.year:
        found = instant.astimezone(UTC)
        if EARLIEST <= found < LATEST:
            return found
    raise BadInstant(f"{instant.isoformat()} is outside the years 1970 to 2100")


def _length(minutes: int) -> timedelta:
    if minutes < 1:
        raise ValueError(f"{minutes} is no number of business minutes")
    return timedelta(minutes=minutes)
