"""Planning running clocks anew when calendars have changed, and saying before what a change would move (D23).

A clock notes the state of the calendars that it was planned by, a change the state that it led to. So which clocks
are out of date is a question to an index, a second run finds nothing to do, and one that was cut off goes on where it
stopped. Pending changes take turns, so a small one does not wait for a large one, nor for one whose clocks somebody
holds. What incidents make of it (the timeline) belongs into the transaction of the batch:

    batch = Batch(more=True)
    while batch.more:
        with transaction.atomic():
            batch = replan_batch(at=at, previous=batch)
            ...  # one step for each of batch.moved
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from sla.calendar import Calendar, NoBusinessHours
from sla.calendars import Calendars, by_reach, current_calendars, lock_calendars, planning_calendars
from sla.closing import check_rules, endless_from
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
KEPT_NAMED: Final = 50
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
    """Clocks of one ``change`` that were planned anew; ``more`` while another batch may have something to do at once.

    ``waiting`` are the changes of which this run has all that it can have: the rest somebody holds, or it was left
    out. They stay pending, and the next run finds them.
    """

    replanned: tuple[Replanned, ...] = ()
    change: int = 0
    waiting: frozenset[int] = frozenset()
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

    ``rows`` are the first of those, by deadline. ``closed`` would have no deadline at all. ``mark`` is the same only
    for the very same moves, those that have no row included.
    """

    touched: int
    looked_at: int
    moved: int
    closed: int
    rows: tuple[WouldMove, ...]
    mark: str

    @property
    def is_whole(self) -> bool:
        """Whether every clock was looked at, so that ``moved`` is all of them."""
        return self.looked_at >= self.touched


def touched(reach: Reach, first_day: date, last_day: date) -> QuerySet[ResponseClock]:
    """The running clocks of whom ``reach`` names that have one of the days between their start and their deadline.

    Days behind a deadline, or before its start, move nothing. Wherever the zone makes that unsure, a clock is among
    them.
    """
    return ResponseClock.objects.filter(_whom(reach), _meets(first_day, last_day), ended_at=None)


def touched_by(rules: Iterable[Rule]) -> QuerySet[ResponseClock]:
    """The running clocks that at least one of ``rules`` touches."""
    any_of = Q(pk__in=())
    for reach, own in by_reach((rule.reach, rule) for rule in rules).items():
        days = Q(pk__in=())
        for first, last in _spans(own):
            days |= _meets(first, last)
        any_of |= _whom(reach) & days
    return ResponseClock.objects.filter(any_of, ended_at=None)


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
def replan_batch(
    *, at: datetime, previous: Batch | None = None, limit: int = POLICY.replan_batch, without: Collection[int] = ()
) -> Batch:
    """Plans up to ``limit`` clocks of one pending change anew, in the caller's transaction (D23).

    After the ``previous`` batch of a run it is the turn of the next pending change, and after the youngest of the
    oldest. Clocks that somebody holds, and those ``without``, are passed over and found again by the next run, so that
    nobody waits for anybody. What ended is not touched; warnings sent and breaches announced stay so. A clock that
    cannot be planned keeps its deadline, is logged and noted with the change. Raises ``PackagesOutdated``.
    """
    calendars = planning_calendars()
    before = previous or Batch()
    change = _turn_after(before)
    if change is None:
        return Batch()
    if libraries().older_than(calendars.libraries):
        raise PackagesOutdated
    due = touched(change.reach, change.first_day, change.last_day).filter(calendar_number__lt=change.number)
    free = due.exclude(pk__in=without).order_by("calendar_number", "pk")
    clocks = list(free.select_for_update(skip_locked=True, of=("self",))[:limit])
    old = {clock.pk: clock.due_at for clock in clocks}
    kept = [clock.pk for clock in clocks if not _planned_anew(clock, calendars)]
    kept += _write_what_can_be(clocks, number=calendars.number)
    _note(change, kept=kept, replanned_at=None if due.exists() else at)
    waiting = before.waiting if clocks else before.waiting | {change.number}
    return Batch(
        replanned=tuple(Replanned(clock=one, old_due_at=old[one.pk], new_due_at=one.due_at) for one in clocks),
        change=change.number,
        waiting=waiting,
        more=pending_changes().exclude(number__in=waiting).exists(),
    )


def clocks_in_time_after_all(at: datetime) -> QuerySet[ResponseClock]:
    """Clocks that were announced as late and are not, by the calendars that hold now (D23)."""
    in_time = Q(ended_at=None, due_at__gte=at) | Q(ended_at__lte=F("due_at"))
    return ResponseClock.objects.filter(in_time, breach_announced_at__isnull=False)


def preview_change(*, add: Sequence[Rule] = (), remove_id: int | None = None) -> Preview:
    """What adding rules, removing a closure, or both (a change) would move, all at once; nothing is written (D23).

    Looks at ``POLICY.preview_clocks_max`` clocks at most, with the same number of queries however many rules there are.
    Raises ``BadClosure``.
    """
    check_rules(add)
    now = current_calendars()
    kept: list[Rule] = []
    changed: list[Rule] = []
    for closure in Closure.objects.filter(removed_at=None).order_by("pk"):
        (changed if closure.pk == remove_id else kept).append(closure.rule)
    then = now.with_rules(by_reach((rule.reach, rule) for rule in [*kept, *add]))
    return _preview(touched_by([*changed, *add]), lambda clock: _of(then, clock))


@transaction.atomic
def replan_customer(*, customer_id: int, place: Place) -> tuple[Replanned, ...]:
    """Plans all running clocks of a customer for its new ``place``, in a constant number of statements (D23).

    The caller has the customer's row. Raises ``UnknownPlace``, and ``NoBusinessHours`` also where nobody has a clock
    yet but the customer's own closures and those of the place leave nothing open for too long; then nothing changes.
    """
    calendars = planning_calendars()
    running = ResponseClock.objects.filter(customer=customer_id, ended_at=None).order_by("pk")
    clocks = list(running.select_for_update(of=("self",)))
    calendar = calendars.of(place, customer_id)
    if own := calendars.rules.get(Reach(customer_id=customer_id)):
        first, last = min(rule.first_day for rule in own), max(rule.last_day for rule in own)
        if endless_from(calendar, first=first, last=last) is not None:
            raise NoBusinessHours
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
    moves = sha256()
    for clock in clocks.order_by("due_at", "pk").defer("plan")[: POLICY.preview_clocks_max].iterator():
        looked_at += 1
        try:
            found = plan(logged_at=clock.started_at, calendar=calendar_of(clock), minutes=clock.minutes)
        except (NoBusinessHours, UnknownPlace):
            closed += 1
            moves.update(f"{clock.pk} {clock.due_at.isoformat()} none\n".encode())
            continue
        if found.due_at != clock.due_at:
            moved += 1
            moves.update(f"{clock.pk} {clock.due_at.isoformat()} {found.due_at.isoformat()}\n".encode())
            if len(rows) < SAMPLE:
                rows.append(WouldMove(clock=clock, old_due_at=clock.due_at, new_due_at=found.due_at))
    total = looked_at if looked_at < POLICY.preview_clocks_max else clocks.count()
    return Preview(
        touched=total, looked_at=looked_at, moved=moved, closed=closed, rows=tuple(rows), mark=moves.hexdigest()
    )


def _whom(reach: Reach) -> Q:
    if reach.customer_id is not None:
        return Q(customer=reach.customer_id)
    if not reach.country:
        return Q()
    return Q(country=reach.country) & (Q(subdivision=reach.subdivision) if reach.subdivision else Q())


def _meets(first_day: date, last_day: date) -> Q:
    opens = datetime.combine(first_day, time.min, tzinfo=UTC) - SLACK
    closes = datetime.combine(last_day, time.min, tzinfo=UTC) + SLACK
    return Q(due_at__gte=opens, started_at__lte=closes)


def _spans(rules: Iterable[Rule]) -> Iterator[tuple[date, date]]:
    """The days of ``rules`` as few spans: two between which no clock fits, with the slack of both, are one."""
    first = last = None
    for rule in sorted(rules):
        if first is None or last is None or rule.first_day - last > 2 * SLACK:
            if first is not None and last is not None:
                yield first, last
            first, last = rule.first_day, rule.last_day
        last = max(last, rule.last_day)
    if first is not None and last is not None:
        yield first, last


def _turn_after(previous: Batch) -> CalendarChange | None:
    younger = Case(When(number__gt=previous.change, then=Value(0)), default=Value(1))
    return pending_changes().exclude(number__in=previous.waiting).order_by(younger, "number").first()


def _note(change: CalendarChange, *, kept: Sequence[int], replanned_at: datetime | None) -> None:
    """Notes with a change when it was worked off, and which clocks could not be planned: all counted, some named."""
    fields = []
    if kept:
        # Another worker may note its own of the same change.
        change = CalendarChange.objects.select_for_update().get(pk=change.pk)
        before = change.data.get("kept", {"count": 0, "clocks": []})
        named = [*before["clocks"], *kept][:KEPT_NAMED]
        change.data["kept"] = {"count": before["count"] + len(kept), "clocks": named}
        fields.append("data")
    if replanned_at:
        change.replanned_at = replanned_at
        fields.append("replanned_at")
    if fields:
        change.save(update_fields=fields)


def _planned_anew(clock: ResponseClock, calendars: Calendars) -> bool:
    """Gives a clock what follows from the calendars; where nothing does it keeps what it has, and False."""
    try:
        values = planned(clock.started_at, minutes=clock.minutes, calendar=_of(calendars, clock))
    except (NoBusinessHours, UnknownPlace) as error:
        logger.warning("Clock %s keeps its deadline: %s", clock.pk, error)
        return False
    except Exception:  # whatever is wrong with one clock, the others are planned
        logger.exception("Clock %s keeps its deadline.", clock.pk)
        return False
    for name, value in values.items():
        setattr(clock, name, value)
    return True


def _write_what_can_be(clocks: list[ResponseClock], *, number: int) -> list[int]:
    """Writes all in one statement, or where the database refuses that each by itself; the clocks that it refuses."""
    try:
        with transaction.atomic():
            _write(clocks, number=number)
    except (IntegrityError, DataError):
        return [clock.pk for clock in clocks if not _written(clock, number=number)]
    return []


def _written(clock: ResponseClock, *, number: int) -> bool:
    try:
        with transaction.atomic():
            _write([clock], number=number)
    except (IntegrityError, DataError):
        logger.exception("Clock %s keeps its deadline.", clock.pk)
        clock.refresh_from_db()
        ResponseClock.objects.filter(pk=clock.pk).update(calendar_number=number)
        return False
    return True


def _of(calendars: Calendars, clock: ResponseClock) -> Calendar:
    return calendars.of(clock.place, clock.customer_id)


def _write(clocks: list[ResponseClock], *, number: int) -> None:
    if clocks:
        columns = zip(
            *((c.pk, c.due_at, json.dumps(c.plan), c.warn_first_at, c.warn_last_at) for c in clocks), strict=True
        )
        with connection.cursor() as cursor:
            cursor.execute(MOVE, [number, *(list(column) for column in columns)])
