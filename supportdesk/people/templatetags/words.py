"""Template words: times, numbers and lengths as ``supportdesk.words`` says them. Built into every template.

Lots, clocks and steps come as objects of rooms above this one; only their plain attributes are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString

from supportdesk import words
from supportdesk.people.phones import readable

register = template.Library()

SAYINGS = {"day": words.day, "clock": words.clock_time}
DATED = {"near": words.near, "soon": words.soon, "full": words.full, "short": words.day_and_time}


def read_at(context: template.Context) -> datetime:
    """The instant from which a page or a mail says its times: its request's, or the one that causes the mail."""
    at: datetime = context["request"].at if "request" in context else context["at"]
    return at


@register.simple_tag(takes_context=True)
def when(context: template.Context, instant: datetime, zone: str, style: str = "near") -> SafeString:
    """A ``<time>`` in ``zone``: ``style`` is near (the default), soon, full, short, day or clock."""
    said = DATED[style](instant, zone, at=read_at(context)) if style in DATED else SAYINGS[style](instant, zone)
    return format_html('<time datetime="{}">{}</time>', instant.isoformat(timespec="minutes"), said)


@register.simple_tag(takes_context=True)
def ago(context: template.Context, since: datetime) -> str:
    """How long ago, seen from the request."""
    return words.ago(since, at=context["request"].at)


@register.simple_tag(takes_context=True)
def say_full(context: template.Context, instant: datetime, zone: str) -> str:
    """Day and time in full, for mails."""
    return words.full(instant, zone, at=read_at(context))


@register.filter
def said_day(instant: datetime, zone: str) -> str:
    """The date with its year, for mails."""
    return words.day(instant, zone)


@register.filter
def said_day_before(instant: datetime, zone: str) -> str:
    """The last local day before ``instant``, the first that no longer counts, for mails."""
    return words.last_day(instant, zone)


@register.filter
def as_input(field: BoundField) -> SafeString:
    """A form field of another library, dressed as ours."""
    return field.as_widget(attrs={"class": "input"})


@register.filter
def hours(length: timedelta) -> str:
    return words.hours(length)


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
def ends(lot: Any, zone: str) -> str:
    """Until when points live: their last whole day, or the day and time where they end within one (D1, D3)."""
    return words.until(lot.expires_at, zone)


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
