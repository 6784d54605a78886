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
THREADS = 4
SECONDS = 3.0
POINTS = 7  # unlike the numbers of the first rows, which are found by their value


def test_charges_a_second(committed_cast: Cast, at: datetime, table: Table) -> None:
    """Each measurement on customers of its own: what one leaves behind in a lot's row is no cost of the next."""
    statements = _recorded(_customer("Recorded", at), at)
    rows: list[tuple[str, ...]] = [("charges a second, 4 threads", "each its customer", "all the same customer")]
    ways = (("points.services.charge", _by_service), ("the same statements, bare", _bare(statements)))
    rates: dict[str, list[float]] = {}
    for name, work in ways:
        rates[name] = []
        for count in (THREADS, 1):
            customers = [_customer(f"{name} {count} {n}", at).pk for n in range(count)]
            rates[name].append(_rate(work, customers * (THREADS // count), f"{slugify(name)}-{count}", at))
        rows.append((name, *(f"{rate:,.0f}" for rate in rates[name])))
    service, bare = rates.values()
    rows.append(("of bare", *(f"{ours / theirs:.0%}" for ours, theirs in zip(service, bare, strict=True))))
    table(f"Charges, {len(statements)} statements each", rows)


def _customer(name: str, at: datetime) -> Customer:
    customer = Customer.objects.create(name=name, country="DE", zone="Europe/Berlin", place_name="Berlin")
    grant(customer=customer, points=100_000, at=at, reason="Bench", actor=None, key=name)
    return customer


def _charge(customer_id: int, key: str, at: datetime) -> int:
    made = charge(customer_id=customer_id, points=POINTS, channel="email", reference="1", at=at, actor=None, key=key)
    return int(made.pk)


def _recorded(customer: Customer, at: datetime) -> list[Statement]:
    """The statements of one charge, with marks where another charge has other values."""
    seen: list[Statement] = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, tuple(params or ())))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        _charge(customer.pk, "recorded", at)
    lot = [Lot.objects.get(customer=customer).pk]
    marks: list[tuple[Any, str]] = [("recorded", ":KEY"), (lot, ":LOTS"), (customer.pk, ":CUSTOMER")]
    marked = [(sql, tuple(_marked(value, marks) for value in params)) for sql, params in seen]
    found = [value for _sql, params in marked for value in params if isinstance(value, str) and value[:1] == ":"]
    assert sorted(found) == [":CUSTOMER"] * 3 + [":KEY", ":LOTS"], marked
    return marked


def _marked(value: Any, marks: list[tuple[Any, str]]) -> Any:
    return next((mark for found, mark in marks if found == value), value)


def _by_service(customer_id: int, at: datetime) -> Worker:
    return lambda key: _charge(customer_id, key, at), lambda: connections["default"].close()


def _bare(statements: list[Statement]) -> Callable[[int, datetime], Worker]:
    """The statements that the service sends, by the driver alone; what they give is fetched, too."""

    def start(customer_id: int, at: datetime) -> Worker:
        bare = psycopg2.connect(**connection.get_connection_params())
        cursor = bare.cursor()
        cursor.execute("SELECT id FROM points_lot WHERE customer_id = %s", [customer_id])
        own: dict[str, Any] = {":CUSTOMER": customer_id, ":LOTS": [cursor.fetchone()[0]]}
        bare.commit()

        def once(key: str) -> None:
            values = own | {":KEY": key}
            for sql, params in statements:
                cursor.execute(sql, [values.get(value, value) if isinstance(value, str) else value for value in params])
                assert cursor.fetchall()
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
