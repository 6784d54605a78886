"""The calendars that hold now: public holidays with the admins' closures in them (D23).

A process keeps the calendars it has made and asks one small row, by its primary key, whether they still hold. That is
one query an act: ``calendar_for`` for a single one, ``current_calendars`` once where there are many. Nothing is taken
for fresh by its age, so a deadline is never planned by an outdated calendar.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import connection

from sla.calendar import Calendar
from sla.closures import Reach, Rule, reaches_of
from sla.holidays import Libraries, calendar_with, libraries
from sla.models import CalendarState, Closure, ClosureKind
from supportdesk.places import Place

MADE_MAX: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calendars:
    """All calendars of one state: the rules as they stood, and what was made of them so far."""

    number: int
    mark: UUID
    libraries: Libraries
    rules: Mapping[Reach, tuple[Rule, ...]]
    _made: dict[tuple[Place, int | None], Calendar] = field(default_factory=dict, repr=False)

    def of(self, place: Place, customer_id: int | None = None) -> Calendar:
        """The calendar of a place, and of a customer with rules of its own; no query. Raises ``UnknownPlace``."""
        if customer_id is not None and Reach(customer_id=customer_id) not in self.rules:
            customer_id = None
        made = self._made.get((place, customer_id))
        if made is None:
            reaches = reaches_of(Reach(place.country, place.subdivision, customer_id))
            groups = tuple(rules for reach in reaches if (rules := self.rules.get(reach)))
            made = calendar_with(place, groups)
            if len(self._made) >= MADE_MAX:
                self._made.clear()
            self._made[place, customer_id] = made
        return made

    def with_rules(self, rules: Mapping[Reach, tuple[Rule, ...]]) -> Calendars:
        """The calendars as they would be with other rules, for a preview; nobody keeps them."""
        return Calendars(number=self.number, mark=self.mark, libraries=self.libraries, rules=rules)

    @property
    def stamp(self) -> int:
        """What a clock notes that this process plans: 0, out of date from the start, where its packages are older.

        That happens between the first and the last process of an upgrade; the next replanning mends it (D23).
        """
        return 0 if libraries().older_than(self.libraries) else self.number


_kept: Calendars | None = None


def public_calendars() -> Calendars:
    """Calendars without a closure or open day, for who has no database at hand; no deadline is kept by them."""
    return Calendars(number=0, mark=UUID(int=0), libraries=libraries(), rules={})


def current_calendars() -> Calendars:
    """The calendars that hold now: one query, and a second where they have changed since this process last asked."""
    return _load(CalendarState.objects.get(pk=CalendarState.ONLY))


def calendar_for(place: Place, customer_id: int | None = None) -> Calendar:
    """The business hours of ``place``, with closures and open days, and those of the customer's own (R5, D23).

    One query; where many are needed, ask ``current_calendars`` once. Raises ``UnknownPlace``.
    """
    return current_calendars().of(place, customer_id)


def planning_calendars() -> Calendars:
    """The calendars to plan a deadline by: nobody changes them until the transaction ends (D23).

    Raises RuntimeError outside a transaction, where that would hold for no time at all.
    """
    return _load(_locked("SHARE"))


def lock_calendars() -> CalendarState:
    """The state of the calendars, for one who changes them: waits for all who plan, and they wait for it (D23)."""
    return _locked("UPDATE")


def by_reach(closures: Iterable[tuple[Reach, Rule]]) -> dict[Reach, tuple[Rule, ...]]:
    """Rules grouped by whom they are for, in the order given: the oldest first."""
    found: defaultdict[Reach, list[Rule]] = defaultdict(list)
    for reach, rule in closures:
        found[reach].append(rule)
    return {reach: tuple(rules) for reach, rules in found.items()}


def _locked(strength: str) -> CalendarState:
    if not connection.in_atomic_block:
        raise RuntimeError("the calendars are locked in a transaction only")
    table = connection.ops.quote_name(CalendarState._meta.db_table)
    (state,) = CalendarState.objects.raw(
        f"SELECT * FROM {table} WHERE id = %s FOR {strength}",  # noqa: S608 # two words of this module
        [CalendarState.ONLY],
    )
    return state


def _load(state: CalendarState) -> Calendars:
    """The calendars of ``state``, those kept where they are the same.

    The mark is new with every change, also one that is rolled back afterwards, so what an unfinished transaction kept
    here is never taken for what another one made. Two threads that load at once do the same work twice.
    """
    global _kept
    kept = _kept
    if kept is None or kept.mark != state.mark:
        rules = Closure.objects.filter(removed_at=None).order_by("pk")
        fields = ("first_day", "last_day", "name", "kind", "country", "subdivision", "customer_id")
        found = (
            (reach := Reach(*whom), Rule(first, last, name, opens=kind == ClosureKind.OPEN, reach=reach))
            for first, last, name, kind, *whom in rules.values_list(*fields)
        )
        kept = Calendars(number=state.number, mark=state.mark, libraries=state.libraries, rules=by_reach(found))
        _kept = kept
    return kept
