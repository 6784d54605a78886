"""A closure over 100,000 open clocks, and the sweep beside a million that were answered (D13, D23)."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction

from sla import queries, replanning
from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.models import ResponseClock
from sla.replanning import Batch, pending_changes, preview_change, replan_batch
from supportdesk.places import zone_info
from tests.bench.conftest import Table
from tests.bench.test_sla import PLACES
from tests.sla.test_replanning import many_ended

OPEN = 100_000
AT = datetime(2026, 12, 7, 12, tzinfo=UTC)
TUESDAY = date(2026, 12, 8)


def _many_open(count: int) -> None:
    """Running clocks of eight places, logged on Monday; their plans are put right by the replanning itself."""
    with connection.cursor() as cursor:
        for place in PLACES:
            start = datetime(2026, 12, 7, 9, tzinfo=zone_info(place.zone))
            cursor.execute(
                """INSERT INTO sla_responseclock (country, subdivision, zone, started_at, minutes, due_at, plan,
                       outcome, warn_first_at, warn_last_at, calendar_number)
                   SELECT %s, %s, %s, t, 240, t + interval '26 hours', '{}', 'running', t + interval '25 hours',
                       t + interval '25.5 hours', 1
                   FROM (SELECT %s + (n %% 480) * interval '1 minute' AS t FROM generate_series(1, %s) n) s""",
                [place.country, place.subdivision, place.zone, start, count // len(PLACES)],
            )
        cursor.execute("ANALYZE sla_responseclock")


@pytest.mark.usefixtures("fresh_db")
def test_a_closure_over_a_hundred_thousand_open_clocks(table: Table) -> None:
    _many_open(OPEN)
    rows = [("100,000 open clocks, a closure for everyone", "")]
    began = time.perf_counter()
    found = preview_change(add=[Rule(TUESDAY, TUESDAY, "Stocktaking")])
    rows.append(
        (f"preview, {found.looked_at:,} of {found.touched:,} looked at", f"{time.perf_counter() - began:.1f} s")
    )
    for name, rule in (
        ("closure for everyone", Rule(TUESDAY, TUESDAY, "Stocktaking")),
        ("open day for one country", Rule(TUESDAY, TUESDAY, "Open", opens=True, reach=Reach("KE"))),
        ("closure next month", Rule(date(2027, 1, 5), date(2027, 1, 5), "Later")),
    ):
        began = time.perf_counter()
        add_closure(rule=rule, by=None, at=AT, key=name)
        moved, batches, longest = _replan()
        spent = time.perf_counter() - began
        rows.append((f"{name}: {moved:,} moved", f"{spent:.1f} s"))
        rows.append((f"  {batches} batches, the longest", f"{longest * 1000:.0f} ms"))
    assert not pending_changes().exists()
    table("Planning anew", rows)
    assert ResponseClock.objects.filter(calendar_number=1).count() == 0


def _replan() -> tuple[int, int, float]:
    moved = batches = 0
    longest = 0.0
    batch = Batch(more=True)
    while batch.more:
        began = time.perf_counter()
        with transaction.atomic():
            batch = replan_batch(at=AT, previous=batch)
        longest = max(longest, time.perf_counter() - began)
        moved += len(batch.moved)
        batches += 1
    return moved, batches, longest


@pytest.mark.usefixtures("fresh_db")
def test_the_sweep_beside_a_million_answered_clocks(table: Table) -> None:
    _many_open(800)
    at = datetime(2026, 12, 8, 16, tzinfo=UTC)
    rows = [("the due sweep, 800 clocks run", "warn", "announce", "replan")]
    for answered, more in ((1_000, 1_000), (1_000_000, 999_000)):
        many_ended(more)
        cells = []
        for asked in (
            queries.clocks_to_warn(at),
            queries.clocks_to_announce(at),
            replanning.touched(Reach(), TUESDAY, TUESDAY).filter(calendar_number__lt=99),
        ):
            spent = []
            for _ in range(5):
                began = time.perf_counter()
                count = len(asked.all())
                spent.append(time.perf_counter() - began)
            cells.append(f"{count} in {min(spent) * 1000:.1f} ms")
        warn, announce, replan = cells
        rows.append((f"beside {answered:,} answered", warn, announce, replan))
    table("The sweep", rows)
