"""How long points live (D1, D3). Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from supportdesk.places import zone_info
from supportdesk.policy import POLICY

DAY = timedelta(days=1)


def last_day(bought_on: date) -> date:
    """The last local date on which a lot bought on that date can be spent: the same date one year later (D1).

    >>> last_day(date(2028, 2, 29))
    datetime.date(2029, 2, 28)
    """
    year = bought_on.year + POLICY.lot_years
    try:
        return bought_on.replace(year=year)
    except ValueError:  # 29 February has no such date
        return date(year, 2, 28)


def expires_at(*, bought_on: date, zone: str) -> datetime:
    """The first instant (UTC) at which a lot bought on that local date is expired: the next local day's (D1).

    >>> expires_at(bought_on=date(2026, 11, 25), zone="America/Los_Angeles").isoformat()
    '2027-11-26T08:00:00+00:00'
    """
    return end_of(last_day(bought_on), zone)


def end_of(day: date, zone: str) -> datetime:
    """The first instant (UTC) after a local day.

    >>> end_of(date(2026, 12, 31), "America/New_York").isoformat()
    '2027-01-01T05:00:00+00:00'
    """
    return datetime.combine(day + DAY, time.min, tzinfo=zone_info(zone)).astimezone(UTC)


def credit_expires_at(*, lot_expires_at: datetime, charged_at: datetime, credited_at: datetime) -> datetime:
    """When a credit expires: with the life its points had left when they were spent (D3). All in UTC.

    >>> credit_expires_at(lot_expires_at=datetime(2027, 1, 1, tzinfo=UTC), charged_at=datetime(2026, 12, 1, tzinfo=UTC),
    ...                   credited_at=datetime(2027, 6, 1, tzinfo=UTC)).isoformat()
    '2027-07-02T00:00:00+00:00'
    """
    # Two times of one zone are subtracted by the wall clock, so lives are taken in UTC.
    left = lot_expires_at.astimezone(UTC) - charged_at.astimezone(UTC)
    return credited_at.astimezone(UTC) + left
