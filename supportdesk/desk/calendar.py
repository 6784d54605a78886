"""A year of business hours as a picture, for those who promise by it (R5, D23, D24)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import formats
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from incidents import queue
from sla.closures import FIRST_YEAR, LAST_YEAR
from sla.queries import DayKind, Year, YearDay, year_of
from supportdesk import words
from supportdesk.people.access import customers_for
from supportdesk.people.choosing import RegionField, ZoneField, default_zone, home_of, region_code, region_name
from supportdesk.people.doors import DeskRequest, door, signed_in
from supportdesk.people.models import Customer
from supportdesk.people.placing import place_warnings
from supportdesk.places import Place

KINDS: Final[dict[DayKind, Promise]] = {
    "open": _("open"),
    "weekend": _("weekend"),
    "holiday": _("holiday"),
    "closure": _("closure"),
    "open_day": _("open day"),
}


class YearForm(forms.Form):
    """Which place, zone and year; without a zone that of the most people there."""

    place = RegionField(
        label=_("Country or subdivision"),
        empty=_("Choose a place"),
        error_messages={"required": _("Choose a country, or a subdivision of one.")},
    )
    zone = ZoneField(label=_("Time zone"), empty=_("The country’s own"), required=False)
    year = forms.IntegerField(
        label=_("Year"),
        min_value=FIRST_YEAR,
        max_value=LAST_YEAR,
        required=False,
        widget=forms.NumberInput(attrs={"class": "input"}),
        error_messages={
            "invalid": _("Give the year by four digits."),
            "min_value": _("Only the years 1970 to 2100 have calendars."),
            "max_value": _("Only the years 1970 to 2100 have calendars."),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One day of a month's table; ``said`` is what ears hear beside the number, nothing of an open day."""

    day: YearDay
    said: str
    is_today: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Days in a row that have the same name."""

    first: date
    last: date
    kind: DayKind
    name: str
    on_weekend: bool

    @property
    def kind_words(self) -> str:
        return str(KINDS[self.kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month as a table: weeks from Monday, None where a day is another month's or was skipped by the zone.

    ``named`` are the named days that touch it, whole: on a phone they stand below it.
    """

    name: str
    weeks: tuple[tuple[Cell | None, ...], ...]
    open_days: int
    named: tuple[Named, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The first day with another offset, and by how much the clocks went on or back."""

    day: date
    forward: bool
    length: str


@door("technician")
@require_GET
def calendar(request: DeskRequest) -> HttpResponse:
    """Twelve months, the named days, and what they add up to: of a place, or of a customer with their own closures."""
    customer = _customer(request)
    form = YearForm(_asked(request, customer), initial={"year": request.at.year})
    context: dict[str, Any] = {
        "view": "calendar",
        "counts": queue.counts(request.scope, at=request.at),
        "form": form,
        "customer": customer,
    }
    if not form.is_valid():
        return render(request, "desk/calendar.html", context, status=422 if form.is_bound else 200)
    place = customer.place if customer else _place(form)
    today = request.at.astimezone(ZoneInfo(place.zone)).date()
    number = form.cleaned_data["year"] or today.year
    # The fields say what is shown, also where it was not asked for.
    context["form"] = YearForm({name: form.data.get(name, "") for name in ("place", "zone")} | {"year": str(number)})
    year = year_of(place, number, customer_id=customer.pk if customer else None, language=get_language() or "en")
    named = named_days(year)
    context |= {
        "year": year,
        "title": region_name(place.country, place.subdivision),
        "hint": "" if customer else " ".join(str(one.messages[0]) for one in place_warnings(place).get("zone", [])),
        "hours": _hours(year.minutes),
        "months": months_of(year, today=today, named=named),
        "weekdays": [(str(WEEKDAYS[n])[:2], WEEKDAYS[n]) for n in range(7)],
        "named": named,
        "changes": [_change(*change) for change in year.offset_changes],
        "before": _link(customer, place, number - 1),
        "after": _link(customer, place, number + 1),
    }
    return render(request, "desk/calendar.html", context)


def months_of(year: Year, *, today: date, named: Sequence[Named]) -> list[Month]:
    """The tables of a year, a row a week, each with those of the ``named`` days that touch it (R5, D24)."""
    found = []
    for number, days in enumerate(year.months, 1):
        weeks: dict[date, list[Cell | None]] = {}
        for day in days:
            monday = day.date - timedelta(days=day.date.weekday())
            cell = Cell(day=day, said=_said(day), is_today=day.date == today)
            weeks.setdefault(monday, [None] * 7)[day.date.weekday()] = cell
        found.append(
            Month(
                name=str(MONTHS[number]),
                weeks=tuple(tuple(week) for week in weeks.values()),
                open_days=sum(1 for day in days if day.minutes),
                named=tuple(one for one in named if one.first.month <= number <= one.last.month),
            )
        )
    return found


def named_days(year: Year) -> list[Named]:
    """Holidays, closures and open days in order; days in a row under one name stand together (D24)."""
    found: list[Named] = []
    for day in year.days:
        if day.kind in ("open", "weekend"):
            continue
        last = found[-1] if found else None
        weekend = day.date.weekday() > 4
        if last and (last.kind, last.name) == (day.kind, day.name) and day.date - last.last == timedelta(days=1):
            weekend = weekend and last.on_weekend
            found[-1] = Named(first=last.first, last=day.date, kind=day.kind, name=day.name, on_weekend=weekend)
        else:
            found.append(Named(first=day.date, last=day.date, kind=day.kind, name=day.name, on_weekend=weekend))
    return found


def _hours(minutes: int) -> str:
    """Hours as a number, with minutes only where there are some: "2,024", "2,023:30"."""
    whole = str(formats.number_format(minutes // 60, use_l10n=True, force_grouping=True))
    return f"{whole}:{minutes % 60:02d}" if minutes % 60 else whole


def _said(day: YearDay) -> str:
    if day.kind == "open":
        return ""
    kind = str(KINDS[day.kind])
    return kind if day.kind == "weekend" else f"{day.name}, {kind}"


def _change(day: date, before: timedelta, then: timedelta) -> Change:
    return Change(day=day, forward=then > before, length=words.hours(abs(then - before)))


def _customer(request: DeskRequest) -> Customer | None:
    asked = request.GET.get("customer", "")
    if not asked:
        return None
    if not asked.isascii() or not asked.isdigit() or len(asked) > 18:
        raise Http404
    found: Customer = get_object_or_404(customers_for(request.scope), pk=int(asked))
    return found


def _asked(request: DeskRequest, customer: Customer | None) -> QueryDict | dict[str, str] | None:
    """What the form says: the customer's place, the one asked for, or the reader's own country where nothing is.

    None where the reader's zone is no country's.
    """
    year = request.GET.get("year", "")
    if customer:
        place = customer.place
    elif {"place", "zone"} & request.GET.keys():
        return request.GET
    else:
        zone = signed_in(request).zone
        place = Place(home_of(zone), "", zone)
        if not place.country:
            return None
    return {"place": region_code(place.country, place.subdivision), "zone": place.zone, "year": year}


def _place(form: YearForm) -> Place:
    country, subdivision = form.cleaned_data["place"]
    return Place(country, subdivision, form.cleaned_data["zone"] or default_zone(country))


def _link(customer: Customer | None, place: Place, year: int) -> str:
    """The question of the same calendar in another year, empty where there is none."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return ""
    asked = QueryDict(mutable=True)
    if customer:
        asked["customer"] = str(customer.pk)
    else:
        asked.update({"place": region_code(place.country, place.subdivision), "zone": place.zone})
    asked["year"] = str(year)
    return f"?{asked.urlencode()}"
