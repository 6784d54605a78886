"""Template words: times, numbers and lengths as ``supportdesk.words`` says them. Built into every template.

Lots, clocks and steps come as objects of rooms above this one; only their plain attributes are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from supportdesk import words
from supportdesk.people.phones import readable
from supportdesk.places import zone_info

register = template.Library()

SAYINGS = {"day": words.day, "clock": words.clock_time}
DATED = {"full": words.full, "short": words.day_and_time}


@register.simple_tag(takes_context=True)
def when(context: template.Context, instant: datetime, zone: str, style: str = "near") -> SafeString:
    """A ``<time>`` in ``zone``: ``style`` is near (the default), full, short, day or clock."""
    at = context["request"].at
    if style in DATED:
        said = DATED[style](instant, zone, at=at)
    else:
        said = SAYINGS[style](instant, zone) if style in SAYINGS else words.near(instant, zone, at=at)
    return format_html('<time datetime="{}">{}</time>', instant.isoformat(timespec="minutes"), said)


@register.simple_tag(takes_context=True)
def ago(context: template.Context, since: datetime) -> str:
    """How long ago, seen from the request."""
    return words.ago(since, at=context["request"].at)


@register.filter
def said_full(instant: datetime, zone: str) -> str:
    """Day and time in full, for mails."""
    return words.full(instant, zone)


@register.filter
def said_day(instant: datetime, zone: str) -> str:
    """The date with its year, for mails."""
    return words.day(instant, zone)


@register.filter
def said_day_before(instant: datetime, zone: str) -> str:
    """The last local day before ``instant``, the first that no longer counts, for mails."""
    return words.day(instant - timedelta(microseconds=1), zone)


@register.filter
def as_input(field: BoundField) -> SafeString:
    """A form field of another library, dressed as ours."""
    return field.as_widget(attrs={"class": "input"})


@register.filter
def wall(local: datetime) -> str:
    """The time of day of an instant that is in its place's zone already."""
    return words.clock_time(local, str(local.tzinfo))


@register.filter
def hours(length: timedelta) -> str:
    return words.hours(length)


@register.filter
def shown_length(row: Any) -> str:
    """How long a counted row is by the times shown beside it: what people add up must add up (D24)."""
    cut = {"second": 0, "microsecond": 0}
    shown = row.end.astimezone(UTC).replace(**cut) - row.start.astimezone(UTC).replace(**cut)
    return words.hours(shown)


@register.filter
def left(length: timedelta) -> str:
    return words.left(length)


@register.filter
def say_points(count: int) -> str:
    return words.points(count)


@register.filter
def signed(count: int) -> str:
    return words.signed(count)


@register.filter
def phone(number: str) -> str:
    return readable(number)


@register.filter
def line_count(text: str) -> int:
    """How many lines a text has, empty ones aside."""
    return sum(1 for line in text.splitlines() if line.strip())


@register.filter
def initials(name: str) -> str:
    """Two letters for a face: first and last name."""
    parts = name.split()
    return (parts[0][:1] + (parts[-1][:1] if len(parts) > 1 else "")).upper() if parts else "?"


@register.filter
def last_day_of(lot: Any, zone: str) -> str:
    """The last local day on which a lot can be spent (D1): an instant before it expires."""
    return words.day(lot.expires_at - timedelta(microseconds=1), zone)


@register.filter
def ends(lot: Any, zone: str) -> str:
    """Until when points live: their last whole day, or the day and time where they end within one (D1, D3)."""
    local = lot.expires_at.astimezone(zone_info(zone))
    if (local - timedelta(microseconds=1)).date() != local.date():
        return last_day_of(lot, zone)
    return _("%(day)s, %(time)s") % {
        "day": words.day(lot.expires_at, zone),
        "time": words.clock_time(lot.expires_at, zone),
    }


@register.filter
def blocks(lots: Iterable[Any]) -> list[dict[str, int]]:
    """The blocks of a meter, in points: where each lot's begins and how wide it is."""
    found, x = [], 0
    for rank, lot in enumerate(lots):
        found.append({"x": x, "width": lot.remaining, "rank": rank})
        x += lot.remaining
    return found


@register.filter
def part_blocks(parts: Iterable[Any]) -> list[int]:
    """Where the parts of a spending end, in points."""
    found, x = [], 0
    for part in parts:
        x += part.points
        found.append(x)
    return found
