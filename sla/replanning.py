"""Planning running clocks anew when calendars have changed, and saying before what a change would move (D23).

A clock notes the state of the calendars that it was planned by, a change the state that it led to. So which clocks
are out of date is a question to an index, a second run finds nothing to do, and one that was cut off goes on where it
stopped. What incidents make of it (the timeline) belongs into the transaction of the batch:

    while True:
        with transaction.atomic():
            batch = replan_batch(at=at)
            ...  # one step for each of batch.moved
        if not batch.more:
            break
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from sla.calendar import Calendar, NoBusinessHours
from sla.calendars import Calendars, by_reach, current_calendars, lock_calendars, planning_calendars
from sla.closing import check_rule
from sla.closures import FIRST_YEAR, LAST_YEAR, Reach, Rule
from sla.deadline import plan
from sla.holidays import UnknownPlace, libraries
from sla.models import CalendarChange, Closure, ResponseClock
from sla.services import Replanned, planned
from supportdesk.places import Place
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

SLACK: Final = timedelta(days=2)  # between a local date and its days in UTC, wherever the place is
EVER: Final = (date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31))
SAMPLE: Final = 50
MOVE: Final = """
    UPDATE sla_responseclock AS clock
    SET due_at = new.due_at, plan = new.plan::jsonb, warn_first_at = new.warn_first_at,
        warn_last_at = new.warn_last_at, calendar_number = %s
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::timestamptz[])
        AS new (id, due_at, plan, warn_first_at, warn_last_at)
    WHERE clock.id = new.id
"""


class PackagesOutdated(Exception):
    """This process has an older release of holidays or tzdata than the calendars are made from: another one plans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Clocks of one change that were planned anew; ``more`` while another batch has something to do at once.

    Clocks that somebody holds keep the change pending without ``more``: the next run finds them.
    """

    replanned: tuple[Replanned, ...] = ()
    more: bool = False

    @property
    def moved(self) -> tuple[Replanned, ...]:
        """Those whose deadline is another one now."""
        return tuple(one for one in self.replanned if one.moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldMove:
    """A running clock with the deadlines (UTC) it has now and would have."""

    clock: ResponseClock
    old_due_at: datetime
    new_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a change would do: of ``touched`` running clocks ``looked_at`` were planned, ``moved`` of them otherwise.

    ``rows`` are the first of those, by deadline. ``closed`` would have no deadline at all.
    """

    touched: int
    looked_at: int
    moved: int
    closed: int
    rows: tuple[WouldMove, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every clock was looked at, so that ``moved`` is all of them."""
        return self.looked_at >= self.touched


def touched(reach: Reach, first_day: date, last_day: date) -> QuerySet[ResponseClock]:
    """The running clocks of whom ``reach`` names that have one of the days between their start and their deadline.

    Days behind a deadline, or before its start, move nothing. Wherever the zone makes that unsure, a clock is among
    them.
    """
    opens = datetime.combine(first_day, time.min, tzinfo=UTC) - SLACK
    closes = datetime.combine(last_day, time.min, tzinfo=UTC) + SLACK
    whom = Q()
    if reach.customer_id is not None:
        whom = Q(customer=reach.customer_id)
    elif reach.country:
        whom = Q(country=reach.country)
        if reach.subdivision:
            whom &= Q(subdivision=reach.subdivision)
    return ResponseClock.objects.filter(whom, ended_at=None, due_at__gte=opens, started_at__lte=closes)


def pending_changes() -> QuerySet[CalendarChange]:
    """The changes whose clocks are not all planned anew, the oldest first."""
    return CalendarChange.objects.filter(replanned_at=None).order_by("number")


@transaction.atomic
def adopt_libraries(*, at: datetime, older: bool = False) -> bool:
    """Makes the packages of this process those of the calendars, where they are newer: then True, and all is replanned.

    With ``older`` also where they are not, after an upgrade was taken back. Clocks that a process with older packages
    planned meanwhile are made to wait for the next batch. Run before ``replan_batch`` (D23).
    """
    mine = libraries()
    if ResponseClock.objects.filter(ended_at=None, calendar_number=0).exists():
        lock_calendars()  # before the change's row, as batches do
        latest = CalendarChange.objects.filter(what="libraries").order_by("-number")[:1]
        CalendarChange.objects.filter(number__in=latest.values("number")).update(replanned_at=None)
    if current_calendars().libraries == mine:
        return False
    state = lock_calendars()
    if state.libraries == mine or (mine.older_than(state.libraries) and not older):
        return False
    data = {"before": state.libraries._asdict(), "after": mine._asdict()}
    state.holidays, state.tzdata = mine
    state.mark, state.number = uuid4(), state.number + 1
    state.save(update_fields=["holidays", "tzdata", "mark", "number"])
    first, last = EVER
    CalendarChange.objects.create(
        number=state.number, what="libraries", first_day=first, last_day=last, data=data, at=at
    )
    return True


@transaction.atomic
def replan_batch(*, at: datetime, limit: int = POLICY.replan_batch) -> Batch:
    """Plans up to ``limit`` clocks of the oldest pending change anew, in the caller's transaction (D23).

    Clocks that somebody holds are passed over and found again by the next batch, so that nobody waits for anybody.
    What ended is not touched; warnings sent and breaches announced stay so. A clock that cannot be planned keeps its
    deadline and is logged. Raises ``PackagesOutdated``.
    """
    calendars = planning_calendars()
    change = pending_changes().first()
    if change is None:
        return Batch()
    if libraries().older_than(calendars.libraries):
        raise PackagesOutdated
    waiting = touched(change.reach, change.first_day, change.last_day).filter(calendar_number__lt=change.number)
    clocks = list(waiting.order_by("calendar_number", "pk").select_for_update(skip_locked=True, of=("self",))[:limit])
    replanned = [_replanned(clock, calendars) for clock in clocks]
    _write(clocks, number=calendars.number)
    done = not waiting.exists()
    if done:
        change.replanned_at = at
        change.save(update_fields=["replanned_at"])
    return Batch(replanned=tuple(replanned), more=(done or bool(clocks)) and pending_changes().exists())


def clocks_in_time_after_all(at: datetime) -> QuerySet[ResponseClock]:
    """Clocks that were announced as late and are not, by the calendars that hold now (D23)."""
    in_time = Q(ended_at=None, due_at__gte=at) | Q(ended_at__lte=F("due_at"))
    return ResponseClock.objects.filter(in_time, breach_announced_at__isnull=False)


def preview_change(*, add: Rule | None = None, remove_id: int | None = None) -> Preview:
    """What adding a rule, removing a closure, or both (a change) would move; nothing is written (D23).

    Looks at ``POLICY.preview_clocks_max`` clocks at most. Raises ``BadClosure``.
    """
    if add is not None:
        check_rule(add)
    now = current_calendars()
    kept: list[Rule] = []
    changed: list[Rule] = []
    for closure in Closure.objects.filter(removed_at=None).order_by("pk"):
        (changed if closure.pk == remove_id else kept).append(closure.rule)
    changed += [add] if add else []
    if not changed:
        return Preview(touched=0, looked_at=0, moved=0, closed=0, rows=())
    then = now.with_rules(by_reach((rule.reach, rule) for rule in [*kept, *([add] if add else [])]))
    clocks = ResponseClock.objects.none()
    for rule in changed:
        clocks |= touched(rule.reach, rule.first_day, rule.last_day)
    return _preview(clocks, lambda clock: _of(then, clock))


@transaction.atomic
def replan_customer(*, customer_id: int, place: Place) -> tuple[Replanned, ...]:
    """Plans all running clocks of a customer for its new ``place``, in a constant number of statements (D23).

    The caller has the customer's row. Raises ``UnknownPlace``, ``NoBusinessHours``; then nothing changes.
    """
    calendars = planning_calendars()
    running = ResponseClock.objects.filter(customer=customer_id, ended_at=None).order_by("pk")
    clocks = list(running.select_for_update(of=("self",)))
    calendar = calendars.of(place, customer_id)
    replanned = []
    for clock in clocks:
        old_due_at = clock.due_at
        for name, value in planned(clock.started_at, minutes=clock.minutes, calendar=calendar).items():
            setattr(clock, name, value)
        clock.country, clock.subdivision, clock.zone = place.country, place.subdivision, place.zone
        replanned.append(Replanned(clock=clock, old_due_at=old_due_at, new_due_at=clock.due_at))
    if clocks:
        where = {"country": place.country, "subdivision": place.subdivision, "zone": place.zone}
        ResponseClock.objects.filter(pk__in=[clock.pk for clock in clocks]).update(**where)
        _write(clocks, number=calendars.stamp)
    return tuple(replanned)


def preview_place(*, customer_id: int, place: Place) -> Preview:
    """What another place would move of a customer's running clocks; nothing is written (D23).

    Looks at ``POLICY.preview_clocks_max`` clocks at most. Raises ``UnknownPlace``.
    """
    calendar = current_calendars().of(place, customer_id)
    return _preview(ResponseClock.objects.filter(customer=customer_id, ended_at=None), lambda _clock: calendar)


def _preview(clocks: QuerySet[ResponseClock], calendar_of: Callable[[ResponseClock], Calendar]) -> Preview:
    looked_at = moved = closed = 0
    rows: list[WouldMove] = []
    for clock in clocks.order_by("due_at", "pk").defer("plan")[: POLICY.preview_clocks_max].iterator():
        looked_at += 1
        try:
            found = plan(logged_at=clock.started_at, calendar=calendar_of(clock), minutes=clock.minutes)
        except (NoBusinessHours, UnknownPlace):
            closed += 1
            continue
        if found.due_at != clock.due_at:
            moved += 1
            if len(rows) < SAMPLE:
                rows.append(WouldMove(clock=clock, old_due_at=clock.due_at, new_due_at=found.due_at))
    total = looked_at if looked_at < POLICY.preview_clocks_max else clocks.count()
    return Preview(touched=total, looked_at=looked_at, moved=moved, closed=closed, rows=tuple(rows))


def _replanned(clock: ResponseClock, calendars: Calendars) -> Replanned:
    old_due_at = clock.due_at
    try:
        values = planned(clock.started_at, minutes=clock.minutes, calendar=_of(calendars, clock))
    except (NoBusinessHours, UnknownPlace) as error:
        logger.warning("Clock %s keeps its deadline: %s", clock.pk, error)
    else:
        for name, value in values.items():
            setattr(clock, name, value)
    clock.calendar_number = calendars.number
    return Replanned(clock=clock, old_due_at=old_due_at, new_due_at=clock.due_at)


def _of(calendars: Calendars, clock: ResponseClock) -> Calendar:
    return calendars.of(clock.place, clock.customer_id)


def _write(clocks: list[ResponseClock], *, number: int) -> None:
    if clocks:
        columns = zip(
            *((c.pk, c.due_at, json.dumps(c.plan), c.warn_first_at, c.warn_last_at) for c in clocks), strict=True
        )
        with connection.cursor() as cursor:
            cursor.execute(MOVE, [number, *(list(column) for column in columns)])
