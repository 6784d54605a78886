"""When customers are warned that points expire, or that too few are left (D7). Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from supportdesk.places import zone_info
from supportdesk.policy import POLICY

TICK = timedelta(microseconds=1)


def last_day(*, expires_at: datetime, zone: str) -> date:
    """The last local date on which a lot can be spent, whole or in part: what days are counted back from.

    >>> last_day(expires_at=datetime(2027, 11, 26, 8, tzinfo=UTC), zone="America/Los_Angeles")
    datetime.date(2027, 11, 25)
    """
    # Subtracted in UTC: in a zone of its own an instant would be moved by the hands of the clock.
    return (expires_at.astimezone(UTC) - TICK).astimezone(zone_info(zone)).date()


def lasts_all_day(*, expires_at: datetime, zone: str) -> bool:
    """True where the lot can be spent to the end of its last day; a credit may end in the middle of one (D3)."""
    return expires_at.astimezone(zone_info(zone)).date() > last_day(expires_at=expires_at, zone=zone)


def days_left(*, expires_at: datetime, zone: str, at: datetime) -> int:
    """Local days from ``at`` to the last one: 0 on the last day itself, and fewer once the lot is expired."""
    return (last_day(expires_at=expires_at, zone=zone) - at.astimezone(zone_info(zone)).date()).days


def due_at(*, expires_at: datetime, zone: str, days: int) -> datetime:
    """When the warning falls due, in UTC: in the morning of the local day so many days before the last one.

    >>> due_at(expires_at=datetime(2027, 11, 26, 8, tzinfo=UTC), zone="America/Los_Angeles", days=30).isoformat()
    '2027-10-26T16:00:00+00:00'
    """
    day = last_day(expires_at=expires_at, zone=zone) - timedelta(days=days)
    return datetime.combine(day, POLICY.expiry_warning_time, tzinfo=zone_info(zone)).astimezone(UTC)


def threshold_due(*, expires_at: datetime, zone: str, at: datetime) -> int | None:
    """The warning that counts at ``at``: of those that are due the nearest one, for a missed one is not made up for.

    None before the first one, and for a lot that is expired.

    >>> expires_at, zone = datetime(2027, 11, 26, 8, tzinfo=UTC), "America/Los_Angeles"
    >>> [threshold_due(expires_at=expires_at, zone=zone, at=datetime(2027, 11, day, tzinfo=UTC)) for day in (1, 20, 26)]
    [30, 7, 1]
    """
    if at >= expires_at:
        return None
    due = [days for days in POLICY.expiry_warning_days if due_at(expires_at=expires_at, zone=zone, days=days) <= at]
    return min(due, default=None)


def cheapest_price(*, by_phone: bool) -> int:
    """What the cheapest incident costs that a customer may open, by e-mail alone or by phone as well (R1, R4).

    >>> cheapest_price(by_phone=False), cheapest_price(by_phone=True)
    (10, 10)
    """
    channels = ("email", "phone") if by_phone else ("email",)
    return min(POLICY.points_for(channel) for channel in channels)


def falls_under(price: int, *, before: int, after: int) -> bool:
    """True for the one change that takes a balance from enough to too little.

    A balance that was too small before does not fall again; one that is exactly enough is enough.

    >>> falls_under(10, before=10, after=9), falls_under(10, before=9, after=0), falls_under(10, before=20, after=10)
    (True, False, False)
    """
    return after < price <= before
