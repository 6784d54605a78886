"""Several hands on one clock at the same instant: one of them counts (D12, D13)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from sla import services
from sla.models import Outcome, ResponseClock
from supportdesk.places import Place

T = TypeVar("T")

HANDS = 6
LOGGED = datetime(2026, 12, 1, 15, tzinfo=UTC)  # Tuesday 10:00 in New York: due at 19:00Z


def at_once(act: Callable[[int], T]) -> list[T]:
    """What ``act`` gives to each of ``HANDS`` threads that all begin together."""
    barrier = Barrier(HANDS)

    def hand(number: int) -> T:
        try:
            barrier.wait(timeout=20)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as pool:
        return list(pool.map(hand, range(HANDS)))


@pytest.fixture
def clock(fresh_db: str) -> ResponseClock:
    return services.start_clock(place=Place("US", "NY", "America/New_York"), at=LOGGED)


@pytest.mark.rule("D12")
def test_one_of_many_responses_counts(clock):
    ends = at_once(lambda n: services.answer_clock(clock_id=clock.pk, at=LOGGED + timedelta(hours=n * 2)))
    kept = ResponseClock.objects.get(pk=clock.pk)
    assert {end.answered_at for end in ends} == {kept.answered_at}
    assert kept.answered_at is not None
    assert kept.outcome == (Outcome.MET if kept.answered_at <= clock.due_at else Outcome.BREACHED)


@pytest.mark.rule("D13")
def test_one_of_many_sweeps_warns_and_one_announces(clock):
    warned = at_once(lambda n: services.mark_warned(clock_id=clock.pk, threshold="first", at=clock.warn_first_at))
    late = clock.due_at + timedelta(seconds=1)
    announced = at_once(lambda n: services.mark_announced(clock_id=clock.pk, at=late))
    assert (sum(warned), sum(announced)) == (1, 1)
