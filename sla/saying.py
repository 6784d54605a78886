"""The rows of a deadline in words, the same on pages, in mails and on a command line (D21, D24)."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from sla.explain import CountedRow, Row
from supportdesk import words


def days_of(row: Row, *, at: datetime) -> tuple[str, ...]:
    """Which days a row is of, read at ``at``: "Fri 4 Dec"; "Mon 21 Dec" and "Sun 3 Jan 2027"; "Sat" and "Sun"."""
    if row.kind == "weekend":
        return tuple(formats.date_format(day, pgettext("weekday", "D")) for day in row.days)
    return words.days(row.days[0], row.days[-1], today=at.astimezone(row.zone).date())


def between(row: Row) -> str:
    """What stands between the days that ``days_of`` gives: a weekend's are all, a run's its first and its last."""
    return ", " if row.kind == "weekend" else " – "


def reason(row: Row) -> str:
    """What became of a row's days: "16:30–17:00, 0:30"; "weekend, not counted"; "Boxing Day, not counted"."""
    if isinstance(row, CountedRow):
        zone = str(row.zone)
        start, end = words.clock_time(row.start, zone), words.clock_time(row.end, zone)
        return f"{start}–{end}, {length(row)}"
    if row.kind == "weekend":
        return _("weekend, not counted")
    return _("%(name)s, not counted") % {"name": row.name}


def length(row: CountedRow) -> str:
    """How long a row is by the times shown beside it: what people add up must add up."""
    start, end = (moment.astimezone(UTC).replace(second=0, microsecond=0) for moment in (row.start, row.end))
    return words.hours(end - start)


def line(row: Row, *, at: datetime) -> str:
    """A row on one line: "Fri 4 Dec 16:30–17:00, 0:30"; "Mon 21 Dec – Sun 3 Jan 2027: Holidays, not counted"."""
    days = between(row).join(days_of(row, at=at))
    return f"{days} {reason(row)}" if row.kind == "counted" else f"{days}: {reason(row)}"
