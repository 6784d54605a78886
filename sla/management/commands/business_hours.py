"""A year of business hours: each month with what is closed and why, and what the changes of the clocks do (R5, D23)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from calendar import month_name, monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from sla.calendar import DAY
from sla.explain import OPEN_MINUTES, OPENS
from sla.holidays import UnknownPlace
from sla.management.reading import calendars_at_hand, read_to_its_end
from sla.queries import BadYear, Year, YearDay, year_of
from supportdesk import clock
from supportdesk.people.models import Customer
from supportdesk.people.placing import place_errors
from supportdesk.places import Place, countries, country_name, subdivision_name, subdivisions, zones_of
from supportdesk.policy import POLICY

KINDS: Final = {"holiday": "holiday", "closure": "closed", "open_day": "open"}


class Command(BaseCommand):
    """Prints a year of a place, or with ``--customer`` of a customer, whose own place is taken if none is given."""

    help = "Prints a year of business hours: what is open, what is closed and why. Place: DE, DE-BY."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", nargs="?", help="country, or country and subdivision: DE, DE-BY")
        parser.add_argument("--zone", help="IANA time zone; may be left out where the country has one only")
        parser.add_argument("--year", type=int, help="1970 to 2100; default: this year there")
        parser.add_argument("--customer", type=int, help="the customer whose own closures count, by its id")
        parser.add_argument("--language", default="en", help="of the names of holidays, where they are known in it")
        parser.add_argument("--json", action="store_true", help="every day as JSON, on one line")

    def handle(self, *, json: bool, year: int | None, customer: int | None, language: str, **options: Any) -> None:
        place = _place(options["place"], options["zone"], customer)
        if year is None:
            year = clock.now().year
        try:
            calendars = calendars_at_hand(self.stderr)
            found = year_of(place, year, customer_id=customer, language=language, calendars=calendars)
        except UnknownPlace as error:
            texts = [str(text) for errors in place_errors(place).values() for one in errors for text in one.messages]
            raise CommandError(" ".join(texts)) from error
        except BadYear as error:
            raise CommandError(f"--year: {error}.") from error
        with read_to_its_end(self.stdout):
            if json:
                self.stdout.write(_as_json(found))
            else:
                for line in _lines(found):
                    self.stdout.write(line)


def _place(code: str | None, zone: str | None, customer_id: int | None) -> Place:
    own: Place | None = None
    if customer_id is not None:
        try:
            own = Customer.objects.get(pk=customer_id).place
        except Customer.DoesNotExist as error:
            raise CommandError(f"--customer: there is no customer {customer_id}.") from error
    if code is None:
        if own is None:
            raise CommandError("Name a place, for example DE-BY, or a --customer.")
        return Place(own.country, own.subdivision, zone or own.zone)
    country, _dash, subdivision = code.partition("-")
    country = country.upper()
    if subdivision.upper() in subdivisions(country):
        subdivision = subdivision.upper()
    if not zone:
        zones = zones_of(country)
        if len(zones) == 1:
            return Place(country, subdivision, zones[0])
        if country not in countries():
            return Place(country, subdivision, "UTC")  # refused for its country, which is what is wrong
        known = ", ".join(zones) or "none of its own"
        raise CommandError(f"--zone: say which; {country_name(country)} has {known}.")
    return Place(country, subdivision, zone)


def _lines(year: Year) -> Iterator[str]:
    place = year.place
    where = country_name(place.country)
    if place.subdivision:
        where = f"{subdivision_name(place.country, place.subdivision)}, {where}"
    yield f"{where}, {place.zone}, {year.year}: Monday to Friday {POLICY.opens:%H:%M}–{POLICY.closes:%H:%M}"
    if not year.is_known:
        since, until = year.known_years[0], year.known_years[-1]
        yield f"Holidays there are known from {since} to {until} only: here weekends and closures alone are closed."
    for number, days in enumerate(year.months, start=1):
        yield ""
        yield f"{month_name[number]:<12}{_totals(days)}"
        yield from (line for _day, line in sorted(_told(year, number, days), key=lambda told: told[0]))
    yield ""
    yield f"{'Year':<12}{_totals(year.days)}"
    if not year.offset_changes:
        yield f"No change of the clocks: opens at {_utc(year.days[0].offset)} UTC all year."


def _told(year: Year, number: int, days: Sequence[YearDay]) -> Iterator[tuple[int, str]]:
    """What there is to say of single days of a month, each with the day that it begins on."""
    for run in _runs(days):
        yield run[0].date.day, f"  {_days(run):<16}{KINDS[run[0].kind]:<9}{run[0].name}"
    for first, before, then in year.offset_changes:
        if first.month == number:
            yield (
                first.day,
                f"  {first:%a %d}          clocks   UTC{_offset(before)} → UTC{_offset(then)}: "
                f"opens at {_utc(before)} UTC before, at {_utc(then)} UTC from here on",
            )
    happened = {day.date.day for day in days}
    for missing in range(1, monthrange(year.year, number)[1] + 1):
        if missing not in happened:
            yield missing, f"  {missing:02}              zone     skipped this day to cross the date line"
    for day in days:
        if day.minutes not in (0, OPEN_MINUTES):
            yield day.date.day, f"  {day.date:%a %d}          clocks   change while it is open: {day.minutes} minutes"


def _totals(days: Iterable[YearDay]) -> str:
    days = list(days)
    count = sum(1 for day in days if day.minutes)
    weekend = sum(1 for day in days if day.kind == "weekend")
    off = sum(1 for day in days if day.kind in ("holiday", "closure"))
    minutes = sum(day.minutes for day in days)
    return f"{count:>3} open, {weekend} weekend, {off} holiday or closed; {minutes:,} minutes"


def _runs(days: Iterable[YearDay]) -> Iterator[list[YearDay]]:
    """Days that have a name and are no weekend; those that follow each other and say the same stand together."""
    told = [day for day in days if day.kind in KINDS]
    numbered = enumerate(told)
    for _key, group in groupby(numbered, key=lambda pair: (pair[1].date - DAY * pair[0], pair[1].kind, pair[1].name)):
        yield [day for _number, day in group]


def _days(run: list[YearDay]) -> str:
    first, last = run[0].date, run[-1].date
    return f"{first:%a %d}" if first == last else f"{first:%a %d} – {last:%a %d}"


def _offset(offset: timedelta) -> str:
    minutes = int(offset / timedelta(minutes=1))
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _utc(offset: timedelta) -> str:
    minutes = int((timedelta(minutes=OPENS) - offset) / timedelta(minutes=1)) % (24 * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _as_json(year: Year) -> str:
    return json.dumps(
        {
            "country": year.place.country,
            "subdivision": year.place.subdivision,
            "zone": year.place.zone,
            "year": year.year,
            "holidays_known": year.is_known,
            "open_days": year.open_days,
            "minutes": year.minutes,
            "offset_changes": [
                {"day": day.isoformat(), "before": _offset(before), "after": _offset(after)}
                for day, before, after in year.offset_changes
            ],
            "days": [
                {
                    "day": day.date.isoformat(),
                    "kind": day.kind,
                    "name": day.name,
                    "minutes": day.minutes,
                    "offset": _offset(day.offset),
                }
                for day in year.days
            ],
        },
        ensure_ascii=False,
    )
