"""Deadlines a second, beside packages that do the same job as far as they can, and how many answers are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sla import calendar, holidays
from sla.deadline import plan
from sla.holidays import public_calendar_for
from supportdesk.places import Place
from tests.bench.conftest import Table
from tests.bench.homes import rival_python
from tests.oracle import EPOCH, Case, walk

ROOT = Path(__file__).resolve().parent.parent.parent
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
FIRST_OF_A_PROCESS = """
import sys, time
began = time.perf_counter()
from datetime import UTC, datetime
from sla.deadline import plan
from sla.holidays import public_calendar_for
from supportdesk.places import Place
imported = time.perf_counter()
place = Place("US", "NY", "America/New_York")
plan(logged_at=datetime(2026, 12, 1, 15, tzinfo=UTC), calendar=public_calendar_for(place))
print(imported - began, time.perf_counter() - imported)
"""


@pytest.fixture(scope="session")
def rivals() -> dict[str, Any] | None:
    """What the other packages answer, from an environment of their own; None where it cannot be made."""
    python = rival_python()
    if python is None:
        return None
    moments = [moment.isoformat() for moment in YEAR]
    asked = [{"country": p.country, "subdivision": p.subdivision, "zone": p.zone, "moments": moments} for p in PLACES]
    script = str(Path(__file__).with_name("rivals.py"))
    done = subprocess.run([python, script], input=json.dumps(asked), capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_deadlines_a_second(table: Table, rivals: dict[str, Any] | None) -> None:
    right = {(place, moment): _right(place, moment) for place in PLACES for moment in YEAR}
    cold = [(place, moment) for moment in YEAR[:50] for place in PLACES]
    warm = list(right)
    _cold(cold)
    _warm(warm)
    ours = _warm(warm)
    ours_cold = _cold(cold)
    wrong = sum(_due(place, moment) != due for (place, moment), due in right.items())
    rows = [("one core, 8 places, all over a year", "deadlines/s", "asked", "wrong", "ours is")]
    rows.append(("this desk, warm", f"{ours:,.0f}", f"{len(right):,}", str(wrong), ""))
    rows.append(("this desk, cold: place and year never asked for", f"{ours_cold:,.0f}", "", "", ""))
    for name, found in (rivals or {}).items():
        answers = {
            (place, moment): datetime.fromisoformat(answer)
            for place, given in zip(PLACES, found["answers"], strict=True)
            for moment, answer in zip(YEAR, given, strict=False)
        }
        rate = len(answers) / found["seconds"]
        off = sum(answer != right[asked] for asked, answer in answers.items())
        rows.append((name, f"{rate:,.0f}", f"{len(answers):,}", str(off), f"{ours / rate:,.0f}×"))
    if rivals is None:
        rows.append(("others", "could not be installed", "", "", ""))
    table("Deadlines", rows)
    done = subprocess.run(
        [sys.executable, "-c", FIRST_OF_A_PROCESS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imports, first = (float(number) * 1000 for number in done.stdout.split())
    table("The first deadline of a process", [("", "ms"), ("imports", f"{imports:.0f}"), ("answer", f"{first:.0f}")])
    assert wrong == 0


def _right(place: Place, moment: datetime) -> datetime:
    logged = int((moment - EPOCH) / timedelta(microseconds=1))
    due = walk(Case(place.zone, place.country, place.subdivision, logged, 240, ())).due
    return EPOCH + timedelta(microseconds=due)


def _due(place: Place, moment: datetime) -> datetime:
    return plan(logged_at=moment, calendar=public_calendar_for(place)).due_at


def _warm(asked: Iterable[tuple[Place, datetime]]) -> float:
    count, began = 0, time.perf_counter()
    for place, moment in asked:
        plan(logged_at=moment, calendar=public_calendar_for(place))
        count += 1
    return count / (time.perf_counter() - began)


def _cold(asked: Iterable[tuple[Place, datetime]]) -> float:
    count, spent = 0, 0.0
    for place, moment in asked:
        for kept in (holidays.public_calendar_for, holidays._holidays_of, calendar._hours_of_month):
            kept.cache_clear()
        began = time.perf_counter()
        plan(logged_at=moment, calendar=public_calendar_for(place))
        spent += time.perf_counter() - began
        count += 1
    return count / spent
