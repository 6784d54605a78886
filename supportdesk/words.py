"""How times and lengths are said, the same on pages and in mails (D21): never a zone's offset, never seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

MINUS = "−"  # U+2212, the minus sign
FAR_DAYS: Final = 183  # about six months: from here on a month alone may be last year's or next year's
NEAR_DAYS: Final = 6  # within these a weekday can be no other week's
TICK: Final = timedelta(microseconds=1)


def full(instant: datetime, zone: str, *, at: datetime) -> str:
    """Day and time in full: "Tuesday 1 December, 11:20"; with its year where it is missed, read at ``at`` (D24)."""
    local = instant.astimezone(ZoneInfo(zone))
    if year_is_missed(local.date(), today=at.astimezone(local.tzinfo).date()):
        return formats.date_format(local, pgettext("date and time, in full, with year", "l j F Y, G:i"))
    return formats.date_format(local, pgettext("date and time, in full", "l j F, G:i"))


def day_and_time(instant: datetime, zone: str, *, at: datetime) -> str:
    """Day and time in short: "Tue 1 Dec, 11:20"; with its year where it is missed, read at ``at`` (D24)."""
    local = instant.astimezone(ZoneInfo(zone))
    if year_is_missed(local.date(), today=at.astimezone(local.tzinfo).date()):
        return formats.date_format(local, pgettext("date and time, with year", "D j M Y, G:i"))
    return formats.date_format(local, pgettext("date and time", "D j M, G:i"))


def days(first: date, last: date, *, today: date) -> tuple[str, ...]:
    """A day, or the first and the last of several: "Mon 21 Dec", "Sun 3 Jan 2027"; read on ``today`` (D24)."""
    ends_far = year_is_missed(last, today=today)
    said = formats.date_format(last, pgettext("day with year", "D j M Y") if ends_far else pgettext("day", "D j M"))
    if first == last:
        return (said,)
    # One year that both share is said once, at the end.
    starts_far = year_is_missed(first, today=today) and not (ends_far and first.year == last.year)
    return (
        formats.date_format(first, pgettext("day with year", "D j M Y") if starts_far else pgettext("day", "D j M")),
        said,
    )


def year_is_missed(day: date, *, today: date) -> bool:
    """Whether a day needs its year: it is another one than today's, or the day is about half a year away."""
    return day.year != today.year or abs((day - today).days) > FAR_DAYS


def clock_time(instant: datetime, zone: str) -> str:
    """The time of day: "9:05"."""
    return formats.date_format(instant.astimezone(ZoneInfo(zone)), pgettext("time of day", "G:i"))


def day(instant: datetime, zone: str) -> str:
    """The date with its year: "15 Jan 2027"."""
    return formats.date_format(instant.astimezone(ZoneInfo(zone)), pgettext("date", "j M Y"))


def until(ends: datetime, zone: str) -> str:
    """Until when something counts that ends at ``ends``: its last whole day here, "25 Nov 2027", or where it ends
    within a day "26 Nov 2027, 0:02": a credit does, and a lot of somebody who has moved since (D1, D3)."""
    if is_whole_day(ends, zone):
        return last_day(ends, zone)
    return _("%(day)s, %(time)s") % {"day": day(ends, zone), "time": clock_time(ends, zone)}


def is_whole_day(ends: datetime, zone: str) -> bool:
    """Whether what ends at ``ends`` counts to the end of its last day here."""
    return last_day(ends, zone) != day(ends, zone)


def last_day(ends: datetime, zone: str) -> str:
    """The last day here that has an instant before ``ends``."""
    # Taken off in UTC: clocks that skip midnight would make the hour after it the day before.
    return day(ends.astimezone(UTC) - TICK, zone)


def soon(instant: datetime, zone: str, *, at: datetime) -> str:
    """A deadline, as short as can be said with its time: "14:35", "Wed 14:35", "Mon 4 Jan 2027, 14:35"."""
    tz = ZoneInfo(zone)
    if abs((instant.astimezone(tz).date() - at.astimezone(tz).date()).days) < NEAR_DAYS:
        return near(instant, zone, at=at)
    return day_and_time(instant, zone, at=at)


def dates(first: date, last: date) -> str:
    """Whole days, both included: "Thu 26 Nov 2026", "Thu 26 Nov 2026 – Fri 27 Nov 2026"."""
    said = [formats.date_format(one, pgettext("whole day", "D j M Y")) for one in (first, last)]
    return said[0] if first == last else " – ".join(said)


def calendar_day(day: date) -> str:
    """A date of a calendar, in no zone: "15 Jan 2027"."""
    return formats.date_format(day, pgettext("date", "j M Y"))


def near(instant: datetime, zone: str, *, at: datetime) -> str:
    """As short as it can be said from ``at``: "9:11" today, "Wed 14:35" this week, "14 Sep", "14 Sep 2025"."""
    tz = ZoneInfo(zone)
    local, today = instant.astimezone(tz), at.astimezone(tz).date()
    distance = abs((local.date() - today).days)
    if distance == 0:
        return formats.date_format(local, pgettext("time of day", "G:i"))
    if distance < NEAR_DAYS:
        return formats.date_format(local, pgettext("weekday and time", "D G:i"))
    if year_is_missed(local.date(), today=today):
        return day(instant, zone)
    return formats.date_format(local, pgettext("date without year", "j M"))


def hours(length: timedelta) -> str:
    """A length in hours and minutes, cut to the minute: "1:15", "−0:23"."""
    minutes = int(abs(length).total_seconds() // 60)
    sign = MINUS if length < timedelta(0) else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02d}"


def left(length: timedelta) -> str:
    """The same for the ear: "1 h 15 min left", "0 h 23 min late"."""
    minutes = int(abs(length).total_seconds() // 60)
    words = {"h": minutes // 60, "min": minutes % 60}
    if length < timedelta(0):
        return _("%(h)d h %(min)d min late") % words
    return _("%(h)d h %(min)d min left") % words


def ago(since: datetime, *, at: datetime) -> str:
    """How long ago, in one unit: "9 min", "3 h", "2 d"."""
    minutes = max(0, int((at - since).total_seconds() // 60))
    if minutes < 60:
        return _("%(n)d min") % {"n": minutes}
    if minutes < 48 * 60:
        return _("%(n)d h") % {"n": minutes // 60}
    return _("%(n)d d") % {"n": minutes // (24 * 60)}


def points(count: int) -> str:
    """ "1 point", "10 points"."""
    return ngettext("%(n)d point", "%(n)d points", count) % {"n": count}


def signed(count: int) -> str:
    """With its sign, the minus a real one: "+30", "−10"."""
    return f"+{count}" if count > 0 else f"{MINUS}{-count}"
