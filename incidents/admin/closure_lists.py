"""What the pages of closures list: whom each is for, what became of it, and which deadlines would move (D23)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.models import Incident, IncidentClock
from sla.models import CalendarChange, Closure
from supportdesk import clock, words
from supportdesk.looking import LookOnly
from supportdesk.people.choosing import default_zone, region_code, region_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of a closure: who, when, what it was and became; and whose deadlines could not be planned by it."""

    change: CalendarChange
    before: str
    after: str
    kept: list[Incident]


class Period(admin.SimpleListFilter):
    """Coming or past, or taken back."""

    title = gettext_lazy("time")
    parameter_name = "time"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("coming", gettext_lazy("coming, or now")),
            ("past", gettext_lazy("past")),
            ("removed", gettext_lazy("removed")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Closure]) -> QuerySet[Closure]:
        today = clock.now().date()
        match self.value():
            case "coming":
                return queryset.filter(removed_at=None, last_day__gte=today)
            case "past":
                return queryset.filter(removed_at=None, last_day__lt=today)
            case "removed":
                return queryset.filter(removed_at__isnull=False)
        return queryset


class Whom(admin.SimpleListFilter):
    """How far it reaches."""

    title = gettext_lazy("whom it is for")
    parameter_name = "whom"
    REACHES: Final = {
        "everyone": Q(country="", customer=None),
        "country": ~Q(country="") & Q(subdivision=""),
        "subdivision": ~Q(subdivision=""),
        "customer": Q(customer__isnull=False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("everyone", gettext_lazy("everyone")),
            ("country", gettext_lazy("a country")),
            ("subdivision", gettext_lazy("a subdivision")),
            ("customer", gettext_lazy("one customer")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Closure]) -> QuerySet[Closure]:
        return queryset.filter(self.REACHES.get(self.value() or "", Q()))


@admin.register(CalendarChange)
class CalendarChangeAdmin(LookOnly):
    """Every change of the calendars, the latest first, and whether the clocks that it touches are planned anew."""

    list_display = ("number", "at", "by", "what", "whom", "first_day", "last_day", "replanned_at", "kept")
    list_filter = ("what", ("replanned_at", admin.EmptyFieldListFilter))
    list_select_related = ("by", "customer")

    @admin.display(description=gettext_lazy("whom it is for"))
    def whom(self, change: CalendarChange) -> str:
        return whom_words(change)

    @admin.display(description=gettext_lazy("could not be planned"))
    def kept(self, change: CalendarChange) -> int | None:
        return _kept(change).get("count")


def whom_words(found: Closure | CalendarChange) -> str:
    """Whom a closure is for, or a change touches, by name."""
    if found.customer:
        return str(found.customer)
    return region_name(found.country, found.subdivision) if found.country else _("everyone")


def calendar_of(closure: Closure) -> str:
    """The question of the year's picture in which the closure is seen; empty where it is everyone's."""
    if closure.customer_id:
        return f"?customer={closure.customer_id}&year={closure.first_day.year}"
    if not closure.country:
        return ""
    place = region_code(closure.country, closure.subdivision)
    return f"?place={place}&zone={default_zone(closure.country)}&year={closure.first_day.year}"


def steps_of(closure: Closure) -> list[Step]:
    """All changes of a closure, the first one first."""
    imported = Q(what="imported", at=closure.created_at, **closure.reach._asdict())
    changes = CalendarChange.objects.filter(Q(data__closure=closure.pk) | imported).select_related("by")
    changes = changes.order_by("number")
    named = [clock_id for change in changes for clock_id in _kept(change).get("clocks", ())]
    links = IncidentClock.objects.filter(clock__in=named).select_related("incident") if named else ()
    incidents = {link.clock_id: link.incident for link in links}
    found = []
    for change in changes:
        before, after = change.data.get("before"), change.data.get("after")
        kept = [incidents[one] for one in _kept(change).get("clocks", ()) if one in incidents]
        said = "" if isinstance(after, list) else _days(after)
        found.append(Step(change=change, before=_days(before), after=said, kept=kept))
    return found


def _kept(change: CalendarChange) -> dict[str, Any]:
    found: dict[str, Any] = change.data.get("kept", {})
    return found


def _days(data: dict[str, Any] | None) -> str:
    if not data:
        return ""
    first, last = (date.fromisoformat(data[name]) for name in ("first_day", "last_day"))
    return f"{data['name']}, {words.dates(first, last)}"
