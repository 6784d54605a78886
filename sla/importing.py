"""Closures from a calendar file: looked at first, then imported as a whole or not at all (D23)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from django.db import transaction
from django.utils.translation import gettext as _

from sla.calendars import lock_calendars
from sla.closing import BadClosure, KeyReused, as_data, check_rules, closure_of, note_change, refuse_endless
from sla.closures import Reach, Rule
from sla.ics import BadCalendar, Code, Event
from sla.models import Closure
from supportdesk.people.models import User
from supportdesk.policy import POLICY

State = Literal["new", "known", "changed", "again"]

WORDS: Final[dict[Code, Callable[[BadCalendar], str]]] = {
    "too_big": lambda bad: _("The file is larger than %(max)d KB.") % {"max": POLICY.closure_file_bytes_max // 1024},
    "not_utf8": lambda bad: _("This is not UTF-8. Export the calendar anew, as iCalendar (.ics)."),
    "not_a_calendar": lambda bad: _("This is no iCalendar file: it begins with BEGIN:VCALENDAR."),
    "not_a_line": lambda bad: _("“%(shown)s” is no line of a calendar: NAME:value.") % {"shown": bad.shown},
    "unfinished": lambda bad: _("The file ends inside %(part)s: it is cut off.") % {"part": bad.shown},
    "wrong_end": lambda bad: _("END:%(part)s ends something that did not begin here.") % {"part": bad.shown},
    "too_many": lambda bad: _("More than %(max)d events in one file.") % {"max": POLICY.closure_file_events_max},
    "empty": lambda bad: _("There is no event in this file."),
    "has_times": lambda bad: (
        _("“%(shown)s” is a time of day. Closures are whole days: make it an all-day event.") % {"shown": bad.shown}
    ),
    "repeats": lambda bad: (
        _("%(name)s: events that repeat are not imported. Make an event of each date.") % {"name": bad.shown}
    ),
    "twice": lambda bad: _("%(name)s is here a second time.") % {"name": bad.shown},
    "no_start": lambda bad: _("The event has no DTSTART."),
    "bad_date": lambda bad: _("“%(shown)s” is no date: year, month and day, as 20271224.") % {"shown": bad.shown},
    "bad_duration": lambda bad: _("“%(shown)s” is no number of days, as P3D, or weeks.") % {"shown": bad.shown},
    "ends_before_it_starts": lambda bad: _("The event ends on or before its start (the end is not included)."),
    "longer_than_a_year": lambda bad: _("At most %(max)d days at once.") % {"max": POLICY.closure_days_max},
    "outside_the_years": lambda bad: _("Only the years 1970 to 2100 have calendars."),
    "no_summary": lambda bad: _("The event has no SUMMARY: customers read it where a deadline is explained."),
    "long_summary": lambda bad: _("The SUMMARY has more than %(max)d characters.") % {"max": POLICY.closure_name_max},
    "long_uid": lambda bad: _("The UID has more than 255 characters."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One event of a file and what becomes of it; only a ``new`` one is imported.

    ``known``: ``closure`` says the same already. ``changed``: ``closure`` came from the same event with other days or
    another name; whoever wants those changes it by hand. ``again``: it is in the file a second time.
    """

    event: Event
    rule: Rule
    state: State
    closure: Closure | None = None


def words_of(bad: BadCalendar) -> str:
    """Why a file was refused, for people, with the line."""
    text = WORDS[bad.code](bad)
    return _("Line %(line)d: %(text)s") % {"line": bad.line, "text": text} if bad.line else text


def look_at(events: Sequence[Event], *, reach: Reach, opens: bool = False) -> tuple[Found, ...]:
    """What importing ``events`` for ``reach`` would do, in their order; nothing is written.

    An event is recognised by its UID, or by its days and name, among the closures in force for the same people.
    """
    there = list(Closure.objects.filter(removed_at=None, **reach._asdict()))
    by_rule = {closure.rule: closure for closure in there}
    by_uid = {closure.uid: closure for closure in there if closure.uid}
    seen: set[Rule | str] = set()
    found = []
    for event in events:
        rule = Rule(event.first_day, event.last_day, event.name, opens=opens, reach=reach)
        closure = by_rule.get(rule)
        state: State = "new"
        if closure:
            state = "known"
        elif rule in seen or (event.uid and event.uid in seen):
            state = "again"
        elif closure := by_uid.get(event.uid):
            state = "changed"
        seen |= {rule, event.uid}
        found.append(Found(event=event, rule=rule, state=state, closure=closure))
    return tuple(found)


def new_rules(found: Sequence[Found]) -> tuple[Rule, ...]:
    """What an import of ``found`` would add."""
    return tuple(one.rule for one in found if one.state == "new")


@transaction.atomic
def import_closures(
    *, events: Sequence[Event], reach: Reach, key: str, by: User | None, at: datetime, opens: bool = False
) -> tuple[Found, ...]:
    """Adds the new events as closures (or open days) for ``reach``, all of them or none (D23).

    What is there already, or twice in the file, is passed over and said. One change of the calendars, however many
    events. The same key again adds nothing; with other events it raises ``KeyReused``.

    Raises ``BadClosure``, ``KeyReused``; then nothing has changed.
    """
    if not events:
        raise BadClosure({"file": _("There is no event in this file.")})
    state = lock_calendars()
    before = {closure.rule for closure in Closure.objects.filter(key__startswith=f"{key}:")}
    found = look_at(events, reach=reach, opens=opens)
    check_rules(one.rule for one in found)
    if before:
        if not before <= {one.rule for one in found} or any(one.state == "new" for one in found):
            raise KeyReused
        return found
    new = [one for one in found if one.state == "new"]
    Closure.objects.bulk_create(
        closure_of(one.rule, by=by, at=at, key=f"{key}:{number}", uid=one.event.uid) for number, one in enumerate(new)
    )
    if new:
        rules = new_rules(found)
        note_change(
            state, what="imported", rules=rules, by=by, at=at, data={"after": [as_data(rule) for rule in rules]}
        )
        refuse_endless(rules)
    return found
