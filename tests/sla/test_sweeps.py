"""What the sweeps read: running clocks alone, however many have ended (D13, D23)."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from sla import queries, replanning
from tests.points.ledger import owner_sql
from tests.sla.test_replanning import EVERYONE, MONDAY, TUESDAY, local, many_ended, started


def sweeps() -> dict[str, tuple[set[str], int]]:
    """The indexes that each sweep reads, and how many rows it touches there."""
    asked = {
        "warn": queries.clocks_to_warn(local("2026-12-08T10:50")),
        "announce": queries.clocks_to_announce(local("2026-12-08T11:01")),
        "replan": replanning.touched(EVERYONE, MONDAY, TUESDAY).filter(calendar_number__lt=99),
    }
    found = {}
    for name, rows in asked.items():
        plan = rows.explain(analyze=True, costs=False, timing=False)
        indexes = set(re.findall(r"Scan(?: Backward)? (?:using|on) (\w+)", plan)) - {"sla_responseclock"}
        touched = sum(int(float(n)) for n in re.findall(r"(?:Index|Index Only|Seq) Scan.*\(actual rows=([\d.]+)", plan))
        removed = sum(int(n) for n in re.findall(r"Rows Removed by \w+(?: \w+)*: (\d+)", plan))
        found[name] = (indexes, touched + removed)
    return found


@pytest.mark.rule("D13")
def test_a_sweep_touches_running_clocks_only_however_many_have_ended(fresh_db: str):
    for _ in range(3):
        started()
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%WHERE (%ended_at IS NULL%'")
        of_running = {name for (name,) in cursor.fetchall()}
    assert len(of_running) == 6
    many_ended(1_000)
    owner_sql("ANALYZE sla_responseclock")
    few = sweeps()
    many_ended(20_000)
    owner_sql("ANALYZE sla_responseclock")
    many = sweeps()
    for name, (indexes, rows) in many.items():
        assert indexes, name
        assert indexes <= of_running
        assert rows == few[name][1]
        assert 0 < rows <= 12
