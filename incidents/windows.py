"""Until when a closed incident may be re-opened, a mistaken end taken back, what waits for points kept. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from supportdesk.policy import POLICY


def reopen_until(*, first_closed_at: datetime, zone: str) -> datetime:
    """The first instant (UTC) at which the window is shut: the local day after the 90th has begun (D16).

    ``first_closed_at`` is the original closure; later ones do not extend the window.
    """
    tz = ZoneInfo(zone)
    last_day = first_closed_at.astimezone(tz).date() + timedelta(days=POLICY.reopen_days)
    return datetime.combine(last_day + timedelta(days=1), time.min, tzinfo=tz).astimezone(UTC)


def may_reopen(*, first_closed_at: datetime, zone: str, at: datetime) -> bool:
    """True while the window is open at ``at`` (R13)."""
    return at < reopen_until(first_closed_at=first_closed_at, zone=zone)


def take_back_until(*, ended_at: datetime) -> datetime:
    """The last instant at which a closure or decline of ``ended_at`` is taken back as a mistake (D36)."""
    return ended_at + timedelta(hours=POLICY.mistake_hours)


def may_take_back(*, ended_at: datetime, at: datetime) -> bool:
    """True while ``at`` lies within the hour (D36).

    >>> noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    >>> may_take_back(ended_at=noon, at=noon + timedelta(hours=1))
    True
    """
    return at <= take_back_until(ended_at=ended_at)


def kept_until(*, since: datetime, zone: str) -> datetime:
    """The first instant (UTC) at which a draft or proposal of ``since`` is kept no more: 30 local days (D8)."""
    tz = ZoneInfo(zone)
    last_day = since.astimezone(tz).date() + timedelta(days=POLICY.draft_days)
    return datetime.combine(last_day + timedelta(days=1), time.min, tzinfo=tz).astimezone(UTC)
