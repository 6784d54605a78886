"""Deadlines a second: the first of a process, and the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from sla import holidays
from sla.deadline import plan
from sla.holidays import public_calendar_for
from supportdesk.places import Place
from tests.bench.conftest import Table

PLACES = [
    Place(country=country, subdivision=subdivision, zone=zone)
    for country, subdivision, zone in (
        ("US", "NY", "America/New_York"),
        ("DE", "BE", "Europe/Berlin"),
        ("IN", "", "Asia/Kolkata"),
        ("BR", "SP", "America/Sao_Paulo"),
        ("NZ", "AUK", "Pacific/Auckland"),
        ("GB", "SCT", "Europe/London"),
        ("NO", "", "Europe/Oslo"),
        ("KE", "", "Africa/Nairobi"),
    )
]
YEAR = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=173 * n) for n in range(3_000)]


def test_deadlines_a_second(table: Table) -> None:
    def forget() -> None:
        for function in (holidays.public_calendar_for, holidays._holidays_of):
            function.cache_clear()

    cold = [(place, moment) for moment in YEAR[:5] for place in PLACES]
    warm = [(place, moment) for moment in YEAR for place in PLACES]
    rows = [
        ("deadlines a second", ""),
        ("cold: its place and year never asked for", f"{_rate(cold, before=forget):,.0f}"),
        ("warm: 8 places, all over a year", f"{_rate(warm):,.0f}"),
    ]
    table("Deadlines", rows)


def _rate(asked: Iterable[tuple[Place, datetime]], *, before: Callable[[], None] = lambda: None) -> float:
    spent, count = 0.0, 0
    for place, moment in asked:
        before()
        began = time.perf_counter()
        plan(logged_at=moment, calendar=public_calendar_for(place))
        spent += time.perf_counter() - began
        count += 1
    return count / spent
