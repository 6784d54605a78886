"""Adding, changing and removing closures and open days (D23). ``at`` is given by the caller.

Each act is one transaction: it waits for everyone who plans a deadline, moves the calendars' number and leaves a
``CalendarChange``, by which ``sla.replanning`` finds the clocks that it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from django.db import transaction
from django.utils.translation import gettext as _

from sla.calendar import DAY, Calendar, NoBusinessHours
from sla.calendars import Calendars, current_calendars, lock_calendars
from sla.closures import Code, Problem, Reach, Rule, problems_of
from sla.holidays import UnknownPlace
from sla.models import CalendarChange, CalendarState, Closure, ClosureKind
from supportdesk import words
from supportdesk.mail.wake import wake
from supportdesk.people.models import Customer, User
from supportdesk.places import Place, country_name, subdivisions
from supportdesk.policy import POLICY

WORDS: Final[dict[Code, Callable[[Rule], str]]] = {
    "missing": lambda rule: _("Give a name: customers read it where a deadline is explained."),
    "too_long": lambda rule: _("At most %(max)d characters.") % {"max": POLICY.closure_name_max},
    "ends_before_it_starts": lambda rule: (
        _("This is before the first day, %(day)s.") % {"day": words.dates(rule.first_day, rule.first_day)}
    ),
    "longer_than_a_year": lambda rule: (
        _("At most %(max)d days at once, the first and the last included.") % {"max": POLICY.closure_days_max}
    ),
    "outside_the_years": lambda rule: _("Only the years 1970 to 2100 have calendars."),
    "unknown_country": lambda rule: (
        _("No holidays are known for “%(code)s”. Give two letters of ISO 3166.") % {"code": rule.reach.country}
    ),
    "unknown_subdivision": lambda rule: (
        _("“%(code)s” is no subdivision of %(country)s. Known are: %(known)s.")
        % {
            "code": rule.reach.subdivision,
            "country": country_name(rule.reach.country),
            "known": ", ".join(subdivisions(rule.reach.country)) or "–",
        }
    ),
    "subdivision_without_country": lambda rule: _("Say of which country."),
    "customer_and_place": lambda rule: _("Choose one: a customer, or a place."),
    "unknown_customer": lambda rule: _("There is no such customer."),
}


class BadClosure(ValueError):
    """A rule that cannot be kept: ``errors`` says why, in words, by field. Nothing was changed."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{field}: {text}" for field, text in errors.items()))


class ClosureThere(Exception):
    """The same days are closed, or opened, for the same people under the same name: by ``closure``."""

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        super().__init__(_("%(closure)s is there already.") % {"closure": closure})


class KeyReused(Exception):
    """The key was used before, for other content. Nothing was changed."""


class ClosureRemoved(Exception):
    """The closure was removed before. Nothing was changed."""


def check_rules(rules: Iterable[Rule]) -> None:
    """Raises ``BadClosure`` for the first of ``rules`` that by itself cannot be kept; one query at most."""
    rules = tuple(rules)
    asked = {one for rule in rules if (one := rule.reach.customer_id) is not None}
    there = set(Customer.objects.filter(pk__in=asked).values_list("pk", flat=True)) if asked else set()
    for rule in rules:
        problems = list(problems_of(rule))
        if rule.reach.customer_id not in {None, *there}:
            problems.append(Problem("customer", "unknown_customer"))
        if problems:
            raise BadClosure({problem.field: WORDS[problem.code](rule) for problem in problems})


@transaction.atomic
def add_closure(*, rule: Rule, by: User | None, at: datetime, key: str, uid: str = "") -> Closure:
    """Closes, or with ``rule.opens`` opens, days for whom the rule names (D23).

    The same key with the same rule gives the first closure back.
    Raises ``BadClosure``, ``ClosureThere``, ``KeyReused``; then nothing has changed.
    """
    rule = rule._replace(name=rule.name.strip())
    state = lock_calendars()
    before = Closure.objects.filter(key=key).first()
    if before is not None:
        if (before.rule, before.uid) != (rule, uid):
            raise KeyReused
        return before
    check_rules([rule])
    if there := same_rule(rule):
        raise ClosureThere(there)
    closure = insert_closure(rule, by=by, at=at, key=key, uid=uid)
    note_change(state, what="added", rules=[rule], by=by, at=at, data={"closure": closure.pk, "after": as_data(rule)})
    refuse_endless([rule])
    return closure


@transaction.atomic
def change_closure(
    *, closure_id: int, first_day: date, last_day: date, name: str, by: User | None, at: datetime
) -> Closure:
    """Gives a closure or open day other days or another name; for other people, remove it and add one (D23).

    What is the same already changes nothing. Raises ``BadClosure``, ``ClosureThere``, ``ClosureRemoved``.
    """
    state = lock_calendars()
    closure = Closure.objects.get(pk=closure_id)
    if closure.removed_at is not None:
        raise ClosureRemoved
    before = closure.rule
    rule = before._replace(first_day=first_day, last_day=last_day, name=name.strip())
    if rule == before:
        return closure
    check_rules([rule])
    if there := same_rule(rule):
        raise ClosureThere(there)
    closure.first_day, closure.last_day, closure.name = rule.first_day, rule.last_day, rule.name
    closure.save(update_fields=["first_day", "last_day", "name"])
    data = {"closure": closure.pk, "before": as_data(before), "after": as_data(rule)}
    note_change(state, what="changed", rules=[before, rule], by=by, at=at, data=data)
    refuse_endless([before, rule])
    return closure


@transaction.atomic
def remove_closure(*, closure_id: int, by: User | None, at: datetime) -> Closure:
    """Takes a closure or open day back; its row stays. Done before, it changes nothing (D23).

    Raises ``BadClosure`` where an open day is the last that keeps a place from being closed for good.
    """
    state = lock_calendars()
    closure = Closure.objects.get(pk=closure_id)
    if closure.removed_at is None:
        closure.removed_at, closure.removed_by = at, by
        closure.save(update_fields=["removed_at", "removed_by"])
        data = {"closure": closure.pk, "before": as_data(closure.rule)}
        note_change(state, what="removed", rules=[closure.rule], by=by, at=at, data=data)
        refuse_endless([closure.rule])
    return closure


def same_rule(rule: Rule) -> Closure | None:
    """The closure in force that says exactly what ``rule`` says."""
    return Closure.objects.filter(**_columns(rule), removed_at=None).first()


def insert_closure(rule: Rule, *, by: User | None, at: datetime, key: str, uid: str) -> Closure:
    """The row alone, for whoever holds the state of the calendars."""
    closure = closure_of(rule, by=by, at=at, key=key, uid=uid)
    closure.save(force_insert=True)
    return closure


def closure_of(rule: Rule, *, by: User | None, at: datetime, key: str, uid: str) -> Closure:
    """The row that says what ``rule`` says, not yet kept."""
    return Closure(**_columns(rule), uid=uid, key=key, created_at=at, created_by=by)


def note_change(
    state: CalendarState, *, what: str, rules: Sequence[Rule], by: User | None, at: datetime, data: dict[str, Any]
) -> CalendarChange:
    """Moves the calendars' number and notes whom and which days the rules touch, all of one reach."""
    state.number, state.mark = state.number + 1, uuid4()
    state.save(update_fields=["number", "mark"])
    reach: Reach = rules[0].reach
    transaction.on_commit(_wake_replanner, robust=True)
    return CalendarChange.objects.create(
        number=state.number,
        what=what,
        country=reach.country,
        subdivision=reach.subdivision,
        customer_id=reach.customer_id,
        first_day=min(rule.first_day for rule in rules),
        last_day=max(rule.last_day for rule in rules),
        data=data,
        at=at,
        by=by,
    )


def _wake_replanner() -> None:
    """Tells a worker that clocks are out of date; the schedule finds it anyhow (D23)."""
    wake("incidents.replan")


def refuse_endless(rules: Sequence[Rule]) -> None:
    """Raises ``BadClosure`` where nobody could promise an answer any more: every day closed for too long (D12).

    Looked at are the calendars of those whom the rules name, and of every reach with rules inside theirs.
    """
    calendars = current_calendars()
    first, last = min(rule.first_day for rule in rules), max(rule.last_day for rule in rules)
    for place, customer_id in _inside(calendars, rules[0].reach):
        try:
            calendar = calendars.of(place, customer_id)
        except UnknownPlace:
            continue  # of a package that no longer knows it; nobody is promised anything there
        if (day := endless_from(calendar, first=first, last=last)) is not None:
            text = _("Nothing would be open for %(days)d days from %(day)s on: then no deadline can be promised.")
            raise BadClosure({"last_day": text % {"days": POLICY.horizon_days, "day": words.dates(day, day)}})


def as_data(rule: Rule) -> dict[str, str | bool]:
    """A rule's days and name as plain JSON, for the history."""
    return {
        "opens": rule.opens,
        "first_day": rule.first_day.isoformat(),
        "last_day": rule.last_day.isoformat(),
        "name": rule.name,
    }


def _columns(rule: Rule) -> dict[str, Any]:
    return {
        "kind": ClosureKind.OPEN if rule.opens else ClosureKind.CLOSED,
        "first_day": rule.first_day,
        "last_day": rule.last_day,
        "name": rule.name,
        **rule.reach._asdict(),
    }


def _inside(calendars: Calendars, reach: Reach) -> list[tuple[Place, int | None]]:
    """Where a change for ``reach`` counts: its own place or customer, and all narrower ones that have rules."""
    whom: list[tuple[Place, int | None]] = []
    customers = {}
    for one in {reach, *calendars.rules}:
        if one.customer_id is not None:
            customers[one.customer_id] = one
        elif one.country and reach.country in ("", one.country) and reach.subdivision in ("", one.subdivision):
            whom.append((Place(one.country, one.subdivision, "UTC"), None))
    if reach.customer_id is not None:
        customers = {reach.customer_id: reach}
    for customer in Customer.objects.filter(pk__in=customers):
        place = customer.place
        if reach.country in ("", place.country) and reach.subdivision in ("", place.subdivision):
            whom.append((place, customer.pk))
    if reach == Reach():
        whom.append((Place("US", "", "UTC"), None))  # any country: everyone's rules alone decide
    return whom


def endless_from(calendar: Calendar, *, first: date, last: date) -> date | None:
    """The day from which on nothing is open for too long, where a day from ``first`` to ``last`` is among those.

    It ends with the first open day behind them: everyone who plans a deadline waits for it.
    """
    open_day = first - DAY * POLICY.horizon_days
    try:
        for day in calendar.walk(open_day):
            if day.hours and day.date > last:
                break
            if day.hours:
                open_day = day.date
    except NoBusinessHours:
        return open_day + DAY
    return None
