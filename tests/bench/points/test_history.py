"""The page of points and the statement's file with a short and a long history: time, queries, memory."""

from __future__ import annotations

import resource
import time
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points.models import Charge
from points.services import charge, grant
from supportdesk import clock
from supportdesk.people.models import Customer
from supportdesk.portal.statement_file import statement_file
from supportdesk.roles import as_owner
from tests.bench.conftest import Table
from tests.cast import Cast
from tests.incidents_helpers import signed_in

SIZES = (100, 100_000)
LEDGER = ("points_charge", "points_entry", "points_lot")
BOUGHT, NOW = datetime(2025, 12, 1, 12, tzinfo=UTC), datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.usefixtures("fresh_db")
def test_points_with_a_long_history(committed_cast: Cast, table: Table) -> None:
    rows: list[tuple[str, ...]] = [("lines", "page ms", "queries", "page kB", "file s", "file kB", "more memory kB")]
    for size, customer, owner in (
        (SIZES[0], committed_cast.other, committed_cast.stranger),
        (SIZES[1], committed_cast.acme, committed_cast.owner),
    ):
        _history(customer, size)
        client = signed_in(owner)
        with clock.set_to(NOW):
            client.get("/points/")
            with CaptureQueriesContext(connection) as queries:
                began = time.perf_counter()
                page = client.get("/points/").content
                spent = time.perf_counter() - began
            held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.perf_counter()
            written = sum(len(piece) for piece in statement_file(customer, at=NOW))
            took = time.perf_counter() - began
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held
        figures = (f"{1000 * spent:.0f}", len(queries), len(page) // 1000, f"{took:.2f}", written // 1000, more)
        rows.append((f"{size:,}", *(str(figure) for figure in figures)))
    table("Points of one customer", rows)


def _history(customer: Customer, lines: int) -> None:
    """Charges of one point each, as rows: by the owner, for one lot moved so often in one transaction is slow."""
    lot = grant(customer=customer, points=lines, at=BOUGHT, reason="Bench", actor=None, key=f"bench-{customer.pk}")
    made: Charge = charge(
        customer_id=customer.pk,
        points=1,
        channel="email",
        reference="104826",
        at=BOUGHT,
        actor=None,
        key=f"bench-{customer.pk}-0",
    )
    with as_owner(), connection.cursor() as cursor:
        for name in LEDGER:
            cursor.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO points_charge (customer_id, points, channel, reference, charged_at, key)"
            " SELECT customer_id, 1, channel, reference, charged_at + n * interval '5 minutes', key || n"
            " FROM points_charge, generate_series(1, %s) n WHERE id = %s",
            [lines - 11, made.pk],
        )
        cursor.execute(
            "INSERT INTO points_entry (customer_id, lot_id, charge_id, cause, points, at, key)"
            " SELECT customer_id, %s, id, 'charge', -1, charged_at, 'entry-' || key"
            " FROM points_charge WHERE customer_id = %s AND id <> %s",
            [lot.pk, customer.pk, made.pk],
        )
        cursor.execute("UPDATE points_lot SET remaining = 10 WHERE id = %s", [lot.pk])
        for name in LEDGER:
            cursor.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        cursor.execute("ANALYZE")
