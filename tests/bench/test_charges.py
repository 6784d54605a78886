"""Charges a second, beside the same statements without Django around them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg2
from django.db import connection, connections
from django.utils.text import slugify

from points.models import Lot
from points.services import charge, grant
from supportdesk.people.models import Customer
from tests.bench.conftest import Table
from tests.cast import Cast

Statement = tuple[str, tuple[Any, ...]]
Worker = tuple[Callable[[str], object], Callable[[], object]]
CHARGE, ENTRY = 'INSERT INTO "points_charge"', 'INSERT INTO "points_entry"'
THREADS = 4
SECONDS = 3.0


def test_charges_a_second(committed_cast: Cast, at: datetime, table: Table) -> None:
    customers = [_customer(f"Bench {n}", at) for n in range(THREADS)]
    statements = _recorded(customers[0], at)
    spread, one = [customer.pk for customer in customers], [customers[0].pk] * THREADS
    rows: list[tuple[str, ...]] = [("charges a second, 4 threads", "each its customer", "all the same customer")]
    for name, work in (("points.services.charge", _by_service), ("the same statements, bare", _bare(statements))):
        rates = [_rate(work, ids, f"{slugify(name)}-{n}", at) for n, ids in enumerate((spread, one))]
        rows.append((name, *(f"{rate:,.0f}" for rate in rates)))
    table(f"Charges, {len(statements)} statements each", rows)


def _customer(name: str, at: datetime) -> Customer:
    customer = Customer.objects.create(name=name, country="DE", zone="Europe/Berlin", place_name="Berlin")
    grant(customer=customer, points=100_000, at=at, reason="Bench", actor=None, key=name)
    return customer


def _charge(customer_id: int, key: str, at: datetime) -> int:
    made = charge(customer_id=customer_id, points=1, channel="email", reference="1", at=at, actor=None, key=key)
    return int(made.pk)


def _recorded(customer: Customer, at: datetime) -> list[Statement]:
    """The statements of one charge, with marks where another charge has other values."""
    for n in range(300):  # so that its number is no other row's number, too
        _charge(customer.pk, f"warm-{n}", at)
    seen: list[Statement] = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, tuple(params or ())))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        made = _charge(customer.pk, "recorded", at)
    lot = Lot.objects.get(customer=customer).pk
    marks = {"recorded": ":KEY", made: ":CHARGE", customer.pk: ":CUSTOMER", f"charge:{made}:{lot}": ":ENTRY"}
    return [(sql, _marked(params, marks | ({lot: ":LOT"} if ENTRY in sql else {}))) for sql, params in seen]


def _marked(params: tuple[Any, ...], marks: dict[Any, str]) -> tuple[Any, ...]:
    return tuple(marks.get(value, value) for value in params)


def _by_service(customer_id: int, at: datetime) -> Worker:
    return lambda key: _charge(customer_id, key, at), lambda: connections["default"].close()


def _bare(statements: list[Statement]) -> Callable[[int, datetime], Worker]:
    def start(customer_id: int, at: datetime) -> Worker:
        bare = psycopg2.connect(**connection.get_connection_params())
        cursor = bare.cursor()
        cursor.execute("SELECT id FROM points_lot WHERE customer_id = %s", [customer_id])
        own: dict[Any, Any] = {":CUSTOMER": customer_id, ":LOT": cursor.fetchone()[0]}

        def once(key: str) -> None:
            values = own | {":KEY": key, ":ENTRY": f"charge:{key}"}
            for sql, params in statements:
                cursor.execute(sql, [values.get(value, value) for value in params])
                if CHARGE in sql:
                    values[":CHARGE"] = cursor.fetchone()[0]
            bare.commit()

        return once, bare.close

    return start


def _rate(start: Callable[[int, datetime], Worker], customer_ids: list[int], name: str, at: datetime) -> float:
    """Charges a second of all threads together, over ``SECONDS``."""
    gate = threading.Barrier(len(customer_ids) + 1)
    counts = [0] * len(customer_ids)
    failures: list[BaseException] = []

    def run(index: int, customer_id: int) -> None:
        try:
            once, end = start(customer_id, at)
            gate.wait()
            until = time.perf_counter() + SECONDS
            while time.perf_counter() < until:
                once(f"{name}-{index}-{counts[index]}")
                counts[index] += 1
            end()
        except BaseException as failure:
            failures.append(failure)
            gate.abort()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(customer_ids)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return sum(counts) / (time.perf_counter() - began)
