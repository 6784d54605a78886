"""A charge, the page of points and the statement's file with a short and a long history: does the cost grow?"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points.models import Charge, Entry
from points.services import charge, grant
from supportdesk import clock
from supportdesk.people.models import Contact, Customer, User
from supportdesk.people.services import sign_in_for
from supportdesk.portal.statement_file import statement_file
from supportdesk.roles import as_owner
from tests.bench.conftest import Table
from tests.bench.pages import Page, page_of
from tests.cast import Cast

SIZES = (10, 100, 10_000, 100_000)
A_LOT = 999  # charges of one point each
LEDGER = ("points_charge", "points_entry", "points_lot")
BOUGHT, NOW = datetime(2025, 12, 1, 12, tzinfo=UTC), datetime(2026, 11, 27, 12, tzinfo=UTC)
PAGES, CHARGES = 60, 400


@pytest.mark.usefixtures("fresh_db")
def test_points_with_a_long_history(committed_cast: Cast, table: Table) -> None:
    """The sizes take turns, so that a busy moment of the machine is no size's alone."""
    customers = [_customer(lines) for lines in SIZES]
    for customer, lines in zip(customers, SIZES, strict=True):
        _history(customer, lines)
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    assert [Entry.objects.filter(customer=customer).count() for customer in customers] == list(SIZES)
    with clock.set_to(NOW):
        pages = [page_of(_user(customer), "/points/") for customer in customers]
        shown = [_queries(once) for once in pages]
        page = _in_turn(PAGES, [partial(_shown, once) for once in pages])
    files = [_file(customer) for customer in customers]
    charges = _in_turn(CHARGES, [partial(_charge, customer) for customer in customers])
    rows: list[tuple[str, ...]] = [
        (
            "entries",
            "charge ms",
            "× of 10",
            "page ms",
            "× of 10",
            "× of 100",
            "queries",
            "page kB",
            "file s",
            "file kB",
            "more kB",
        )
    ]
    for n, lines in enumerate(SIZES):
        # The page of 10 entries has 10 lines; from 50 on all have as many.
        figures = (
            *(f"{charges[n]:.2f}", f"{charges[n] / charges[0]:.2f}"),
            *(f"{page[n]:.1f}", f"{page[n] / page[0]:.2f}", f"{page[n] / page[1]:.2f}"),
        )
        rows.append((f"{lines:,}", *figures, *shown[n], *files[n]))
    table(f"Points of one customer, medians of {CHARGES} charges and {PAGES} pages", rows)


def _in_turn(tries: int, works: Sequence[Callable[[int], object]]) -> list[float]:
    """The median time of each work in milliseconds."""
    times: list[list[float]] = [[] for _ in works]
    for n in range(tries + 5):
        for place, work in enumerate(works):
            began = time.perf_counter()
            work(n)
            times[place].append(1000 * (time.perf_counter() - began))
    return [median(spent[5:]) for spent in times]


def _queries(once: Page) -> tuple[str, str]:
    once()
    with CaptureQueriesContext(connection) as queries:
        _spent, size = once()
        count = len(queries)
    return str(count), str(size // 1000)


def _file(customer: Customer) -> tuple[str, str, str]:
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    written = sum(len(piece) for piece in statement_file(customer, at=NOW))
    took = time.perf_counter() - began
    return f"{took:.2f}", str(written // 1000), str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held)


def _shown(once: Page, _n: int) -> None:
    once()


def _charge(customer: Customer, n: int) -> Charge:
    return charge(
        customer_id=customer.pk,
        points=1,
        channel="email",
        reference="104826",
        at=NOW,
        actor=None,
        key=f"bench-{customer.pk}-{n}",
    )


def _customer(lines: int) -> Customer:
    return Customer.objects.create(name=f"Bench {lines}", country="DE", zone="Europe/Berlin", place_name="Berlin")


def _user(customer: Customer) -> User:
    email = f"c{customer.pk}@bench.example"
    return sign_in_for(
        contact=Contact.objects.create(customer=customer, name="Contact", email=email, is_administrator=True)
    )


def _history(customer: Customer, lines: int) -> None:
    """Lots and what was spent of them, evenly over a year, as rows: moving a lot so often one by one is slow."""
    step = (NOW - BOUGHT) / (lines + 1)
    for first in range(0, lines, A_LOT + 1):
        entries = min(lines - first, A_LOT + 1)
        left = 1_000 if first + entries == lines else 0
        at = BOUGHT + first * step
        lot = grant(
            customer=customer,
            points=entries - 1 + left,
            at=at,
            reason="Bench",
            actor=None,
            key=f"bench-{customer.pk}-lot-{first}",
        )
        _spent(lot.pk, entries - 1, since=at, step=step, left=left)


def _spent(lot_id: int, charges: int, *, since: datetime, step: timedelta, left: int) -> None:
    with as_owner(), connection.cursor() as cursor:
        for name in LEDGER:
            cursor.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        cursor.execute("ALTER TABLE points_entry ENABLE TRIGGER points_entry_tallies")
        cursor.execute(
            "INSERT INTO points_charge (customer_id, points, channel, reference, charged_at, key)"
            " SELECT customer_id, 1, 'email', '104826', %s + n * %s::interval, 'lot-' || id || '-' || n"
            " FROM points_lot, generate_series(1, %s) n WHERE id = %s",
            [since, f"{step.total_seconds()} seconds", charges, lot_id],
        )
        cursor.execute(
            "INSERT INTO points_entry (customer_id, lot_id, charge_id, cause, points, at, key)"
            " SELECT customer_id, %s, id, 'charge', -1, charged_at, 'entry-' || key"
            " FROM points_charge WHERE key LIKE %s",
            [lot_id, f"lot-{lot_id}-%"],
        )
        cursor.execute("UPDATE points_lot SET remaining = %s WHERE id = %s", [left, lot_id])
        for name in LEDGER:
            cursor.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")
