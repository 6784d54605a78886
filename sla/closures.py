"""What the admins say of single days: closures, and open days where the calendar is closed (D23).

Pure. A rule holds for everyone, a country, a subdivision or one customer. Where several speak of one day, the most
specific one counts: customer, then subdivision, then country, then everyone. Of one reach, a closure counts before an
open day, and of two closures the older one gives the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final, Literal, NamedTuple

from sla.calendar import DAY
from supportdesk.places import countries, subdivisions
from supportdesk.policy import POLICY

Field = Literal["kind", "first_day", "last_day", "name", "country", "subdivision", "customer"]
Code = Literal[
    "missing", "too_long", "ends_before_it_starts", "longer_than_a_year", "outside_the_years", "unknown_country",
    "unknown_subdivision", "subdivision_without_country", "customer_and_place", "unknown_customer",
]  # fmt: skip

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2100


class Reach(NamedTuple):
    """Whom a rule is for: all fields empty is everyone, else a country, a subdivision of it, or one customer."""

    country: str = ""
    subdivision: str = ""
    customer_id: int | None = None


class Rule(NamedTuple):
    """A closure, or with ``opens`` an open day, on the local days ``first_day`` to ``last_day``, both included."""

    first_day: date
    last_day: date
    name: str
    opens: bool = False
    reach: Reach = Reach()

    def days(self) -> Iterator[date]:
        """Its days, in order."""
        return (self.first_day + DAY * n for n in range((self.last_day - self.first_day).days + 1))


class Problem(NamedTuple):
    """What is wrong with one field of a rule."""

    field: Field
    code: Code


class SpecialDays(NamedTuple):
    """What counts for one place and customer: each day by the name of the rule that decides it, never in both."""

    closures: Mapping[date, str]
    open_days: Mapping[date, str]


def reaches_of(reach: Reach) -> tuple[Reach, ...]:
    """The reaches whose rules hold for a place's country and subdivision and a customer, the widest first."""
    found = [Reach(), Reach(country=reach.country)]
    if reach.subdivision:
        found.append(Reach(country=reach.country, subdivision=reach.subdivision))
    if reach.customer_id is not None:
        found.append(Reach(customer_id=reach.customer_id))
    return tuple(found)


def settle(rules: Iterable[Iterable[Rule]]) -> SpecialDays:
    """Which rule decides each day, from groups of one reach each, the widest first and the oldest rule first (D23)."""
    closures: dict[date, str] = {}
    open_days: dict[date, str] = {}
    for group in rules:
        closing: dict[date, str] = {}
        opening: dict[date, str] = {}
        for rule in group:
            named = opening if rule.opens else closing
            for day in rule.days():
                named.setdefault(day, rule.name)
        for day in closing:
            opening.pop(day, None)
            open_days.pop(day, None)
        for day in opening:
            closures.pop(day, None)
        closures.update(closing)
        open_days.update(opening)
    return SpecialDays(closures, open_days)


def problems_of(rule: Rule) -> tuple[Problem, ...]:
    """All that is wrong with ``rule`` by itself, at most one problem a field; empty when it can be kept."""
    problems: list[Problem] = []
    if not rule.name.strip():
        problems.append(Problem("name", "missing"))
    elif len(rule.name) > POLICY.closure_name_max:
        problems.append(Problem("name", "too_long"))
    if not FIRST_YEAR <= rule.first_day.year <= LAST_YEAR:
        problems.append(Problem("first_day", "outside_the_years"))
    elif rule.last_day < rule.first_day:
        problems.append(Problem("last_day", "ends_before_it_starts"))
    elif (rule.last_day - rule.first_day).days >= POLICY.closure_days_max:
        problems.append(Problem("last_day", "longer_than_a_year"))
    elif rule.last_day.year > LAST_YEAR:
        problems.append(Problem("last_day", "outside_the_years"))
    reach = rule.reach
    if reach.customer_id is not None and (reach.country or reach.subdivision):
        problems.append(Problem("customer", "customer_and_place"))
    elif reach.subdivision and not reach.country:
        problems.append(Problem("subdivision", "subdivision_without_country"))
    elif reach.country and reach.country not in countries():
        problems.append(Problem("country", "unknown_country"))
    elif reach.subdivision and reach.subdivision not in subdivisions(reach.country):
        problems.append(Problem("subdivision", "unknown_subdivision"))
    return tuple(problems)
