"""How times and lengths are said, the same on pages and in mails (D21): never a zone's offset, never seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

MINUS = "−"  # U+2212, the minus sign


def full(instant: datetime, zone: str, *, at: datetime | None = None) -> str:
    """Day and time in full: "Tuesday 1 December, 11:20"; with its year where that is not the one of ``at``."""
    local = instant.astimezone(ZoneInfo(zone))
    if _other_year(local, at):
        return formats.date_format(local, pgettext("date and time, in full, with year", "l j F Y, G:i"))
    return formats.date_format(local, pgettext("date and time, in full", "l j F, G:i"))


def day_and_time(instant: datetime, zone: str, *, at: datetime | None = None) -> str:
    """Day and time in short: "Tue 1 Dec, 11:20"; with its year where that is not the one of ``at``."""
    local = instant.astimezone(ZoneInfo(zone))
    if _other_year(local, at):
        return formats.date_format(local, pgettext("date and time, with year", "D j M Y, G:i"))
    return formats.date_format(local, pgettext("date and time", "D j M, G:i"))


def _other_year(local: datetime, at: datetime | None) -> bool:
    """Months apart, so that January is not told its year in December."""
    return at is not None and local.year != at.astimezone(local.tzinfo).year and abs(local - at) > timedelta(days=90)


def clock_time(instant: datetime, zone: str) -> str:
    """The time of day: "9:05"."""
    return formats.date_format(instant.astimezone(ZoneInfo(zone)), pgettext("time of day", "G:i"))


def day(instant: datetime, zone: str) -> str:
    """The date with its year: "15 Jan 2027"."""
    return formats.date_format(instant.astimezone(ZoneInfo(zone)), pgettext("date", "j M Y"))


def near(instant: datetime, zone: str, *, at: datetime) -> str:
    """As short as it can be said from ``at``: "9:11" today, "Wed 14:35" this week, "14 Sep", "14 Sep 2025"."""
    tz = ZoneInfo(zone)
    local, today = instant.astimezone(tz), at.astimezone(tz).date()
    distance = abs((local.date() - today).days)
    if distance == 0:
        return formats.date_format(local, pgettext("time of day", "G:i"))
    if distance < 6:
        return formats.date_format(local, pgettext("weekday and time", "D G:i"))
    if local.year == today.year:
        return formats.date_format(local, pgettext("date without year", "j M"))
    return day(instant, zone)


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
