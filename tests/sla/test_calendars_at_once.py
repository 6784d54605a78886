"""Who plans and who changes calendars at the same instant: no deadline by calendars that no longer hold (D23)."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Event
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from sla.calendars import calendar_for, lock_calendars, planning_calendars
from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.models import CalendarChange, Closure, ResponseClock
from sla.replanning import pending_changes, replan_batch
from sla.services import start_clock
from supportdesk.places import Place
from supportdesk.roles import as_owner

pytestmark = [pytest.mark.rule("D23"), pytest.mark.usefixtures("fresh_db")]

NEW_YORK = Place("US", "NY", "America/New_York")
AT = datetime(2026, 11, 1, tzinfo=UTC)
LOGGED = datetime(2026, 12, 7, 20, tzinfo=UTC)  # Monday 15:00
TUESDAY = date(2026, 12, 8)
CLOSED = Rule(TUESDAY, TUESDAY, "Stocktaking", reach=Reach("US"))
WAIT = 20


def close_tuesday() -> Closure:
    try:
        return add_closure(rule=CLOSED, by=None, at=AT, key="k")
    finally:
        connection.close()


def is_waiting() -> bool:
    """Whether somebody waits for a lock in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def until_waiting(hand: Future[Any]) -> None:
    while not is_waiting():
        assert not hand.done(), "it did not wait"


def test_a_change_waits_for_who_plans_and_then_finds_the_clock():
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            clock = start_clock(place=NEW_YORK, at=LOGGED)
            hand = pool.submit(close_tuesday)
            until_waiting(hand)
        hand.result(timeout=WAIT)
    assert clock.due_at == datetime(2026, 12, 8, 16, tzinfo=UTC)
    batch = replan_batch(at=AT)
    assert [one.new_due_at for one in batch.moved] == [datetime(2026, 12, 9, 16, tzinfo=UTC)]


def test_who_plans_waits_for_a_change_and_then_knows_it():
    calendar_for(NEW_YORK)  # what this process has kept is outdated in a moment

    def start() -> ResponseClock:
        try:
            return start_clock(place=NEW_YORK, at=LOGGED)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            add_closure(rule=CLOSED, by=None, at=AT, key="k")
            hand = pool.submit(start)
            until_waiting(hand)
        assert hand.result(timeout=WAIT).due_at == datetime(2026, 12, 9, 16, tzinfo=UTC)


def test_a_clock_that_somebody_holds_is_passed_over_and_found_again():
    held, free = start_clock(place=NEW_YORK, at=LOGGED), start_clock(place=NEW_YORK, at=LOGGED)
    close_tuesday()
    taken, done = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                ResponseClock.objects.select_for_update().get(pk=held.pk)
                taken.set()
                done.wait(timeout=WAIT)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        hand = pool.submit(hold)
        assert taken.wait(timeout=WAIT)
        batch = replan_batch(at=AT)
        assert [one.clock.pk for one in batch.replanned] == [free.pk]
        assert replan_batch(at=AT).more is False, "nobody turns in circles"
        assert pending_changes().count() == 1
        done.set()
        hand.result(timeout=WAIT)
    assert [one.clock.pk for one in replan_batch(at=AT).moved] == [held.pk]
    assert not pending_changes().exists()


def test_two_who_plan_anew_share_the_work():
    for _ in range(6):
        start_clock(place=NEW_YORK, at=LOGGED)
    close_tuesday()

    def work() -> list[int]:
        try:
            return [one.clock.pk for one in replan_batch(at=AT, limit=3).moved]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first, second = [hand.result(timeout=WAIT) for hand in [pool.submit(work), pool.submit(work)]]
    assert len(first) == len(second) == 3
    assert not set(first) & set(second)


@pytest.mark.parametrize("lock", [planning_calendars, lock_calendars])
def test_calendars_are_locked_in_a_transaction_only(lock):
    with pytest.raises(RuntimeError, match="in a transaction only"):
        lock()


def test_the_owner_cannot_delete_what_explains_deadlines():
    close_tuesday()
    for table in ("sla_closure", "sla_calendarchange", "sla_calendarstate"):
        with as_owner(), pytest.raises(IntegrityError, match="keeps its rows"), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")
    assert (Closure.objects.count(), CalendarChange.objects.count()) == (1, 1)
