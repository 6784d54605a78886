"""The public holidays of a place, from the ``holidays`` package (R5, D23).

An adapter without Django or database. A year is computed once a process and never changes in it; a new release of
the package is a change of the calendar (D23).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Final, NamedTuple

import holidays

from sla.calendar import Calendar
from sla.closures import Rule, settle
from supportdesk.places import Place, Problem, problems_of, zone_info

DEFAULT_LANGUAGE: Final = "en_US"


class Libraries(NamedTuple):
    """The releases of the packages that calendars are made from (D23)."""

    holidays: str
    tzdata: str

    def older_than(self, other: Libraries) -> bool:
        """Whether one of the two is older here than in ``other``."""
        return any(_parts(mine) < _parts(theirs) for mine, theirs in zip(self, other, strict=True))


@cache
def libraries() -> Libraries:
    """Those that this process works with."""
    return Libraries(holidays=version("holidays"), tzdata=version("tzdata"))


class UnknownPlace(ValueError):
    """A place that has no calendar: ``problems`` says which field is wrong, and how."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(", ".join(f"{problem.field}: {problem.code}" for problem in problems))


@dataclass(frozen=True, slots=True)
class Holidays:
    """Names the public holidays of a country and subdivision (may be empty), observed days included (D23).

    Call it with a local date. Names are in ``language`` where the package has it, else in its own default.
    """

    country: str
    subdivision: str
    language: str = DEFAULT_LANGUAGE

    def __call__(self, day: date) -> str | None:
        """The holiday on local ``day`` by name, or None."""
        return _holidays_of(self.country, self.subdivision, day.year, self.language).get(day)


@cache
def known_years(country: str) -> range:
    """The years whose holidays the package knows for ``country``; in any other, weekends alone are closed (D23)."""
    found = holidays.country_holidays(country)
    return range(found.start_year, found.end_year + 1)


@cache
def language_of(country: str, wanted: str) -> str:
    """The language nearest to ``wanted`` (``"de"``, ``"pt-br"``) that the holidays of ``country`` speak.

    Without one: English, and where that is missing, too, what the package has.
    """
    spoken = holidays.country_holidays(country).supported_languages
    by_code = {language.lower(): language for language in spoken}
    code = wanted.lower().replace("-", "_")
    short = code.split("_")[0]
    same = sorted(language for language in by_code if language.split("_")[0] == short)
    return by_code.get(code) or by_code.get(short) or (by_code[same[0]] if same else DEFAULT_LANGUAGE)


@lru_cache(maxsize=1024)
def public_calendar_for(place: Place) -> Calendar:
    """The business hours of ``place`` by its public holidays alone (R5); ``sla.calendars`` knows the closures, too.

    Raises ``UnknownPlace``. A zone outside the country is no reason to: somebody chose it so.
    """
    if errors := tuple(problem for problem in problems_of(place) if not problem.warning):
        raise UnknownPlace(errors)
    return Calendar(zone=zone_info(place.zone), holiday=Holidays(place.country, place.subdivision))


@lru_cache(maxsize=4096)
def calendar_with(place: Place, groups: tuple[tuple[Rule, ...], ...]) -> Calendar:
    """The business hours of ``place`` with the admins' rules for it, by reach, the widest first (D23).

    Made once for the same rules, whatever state they stand in: a change elsewhere makes nobody's calendar cold.
    Raises ``UnknownPlace``.
    """
    base = public_calendar_for(place)
    if not groups:
        return base
    days = settle(groups)
    return Calendar(zone=base.zone, holiday=base.holiday, closures=days.closures, open_days=days.open_days)


@lru_cache(maxsize=4096)
def _holidays_of(country: str, subdivision: str, year: int, language: str) -> Mapping[date, str]:
    with warnings.catch_warnings():
        # The package says so where it knows only the fixed holidays of a year (India after 2035).
        warnings.simplefilter("ignore")
        found = holidays.country_holidays(
            country,
            subdiv=subdivision or None,
            years=year,
            expand=False,
            observed=True,
            language=language,
            categories=holidays.PUBLIC,
        )
    return MappingProxyType(dict(found))


def _parts(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release))
