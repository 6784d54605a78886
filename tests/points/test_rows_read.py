"""What a charge and the page of points read: as many rows with a long history as with a short one (D6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import transaction

from points.history import history
from points.queries import balance, statement
from supportdesk.people.models import Customer
from tests.cast import Cast
from tests.points.ledger import DAY, charged, given, owner_sql, sql

DAYS, FEW, MANY = 30, 2, 20  # charges a day, within an hour of it


def rows_read(work: Callable[[], object]) -> dict[str, int]:
    """Rows of each table that the database reads for the work, by triggers as well; what it writes is taken back.

    Tables of tests are so small that reading all of one is the best plan: not here, where the question is
    whether there is another one. Reads of an index alone are not counted, so there are none.
    """
    with transaction.atomic():
        for plan in ("seqscan", "hashjoin", "mergejoin", "indexonlyscan"):
            sql(f"SET LOCAL enable_{plan} = off")
        before = _counted()
        work()
        after = _counted()
        transaction.set_rollback(True)
    return {name: rows - before.get(name, 0) for name, rows in after.items() if rows > before.get(name, 0)}


def _counted() -> dict[str, int]:
    read = sql("SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables")
    return {str(name): int(rows) for name, rows in read}


def lived(customer: Customer, *, at: datetime, a_day: int) -> datetime:
    """Each day a lot that is spent at once, by ``a_day`` charges; one more lot is left. Gives the end."""
    for day in range(DAYS):
        now = at + day * DAY
        given(customer, a_day, at=now)
        for n in range(a_day):
            charged(customer, 1, at=now + n * timedelta(minutes=2))
    given(customer, 100, at=at + DAYS * DAY)
    return at + (DAYS + 1) * DAY


@pytest.mark.rule("D6")
def test_neither_charge_nor_page_reads_more_of_a_long_history(committed_cast: Cast, at: datetime):
    """Two customers with as many lots and days, but ten times the charges."""
    short, long = committed_cast.other, committed_cast.acme
    short.zone = short.place_name = "America/New_York"
    short.save()
    end = lived(short, at=at, a_day=FEW)
    assert end == lived(long, at=at, a_day=MANY)
    owner_sql("VACUUM ANALYZE")

    few, many = _read(short, at=end), _read(long, at=end)
    assert (many["charge"], many["balance"], many["picture"]) == (few["charge"], few["balance"], few["picture"])
    # Fifty lines of few charges a lot come from more lots than fifty lines of many.
    assert sum(many["statement"].values()) <= sum(few["statement"].values())


def _read(customer: Customer, *, at: datetime) -> dict[str, dict[str, int]]:
    pk = customer.pk
    return {
        "charge": rows_read(lambda: charged(customer, 10, at=at)),
        "balance": rows_read(lambda: balance(customer_id=pk, at=at)),
        "statement": rows_read(lambda: statement(customer_id=pk, at=at, size=50)),
        "picture": rows_read(lambda: history(customer_id=pk, zone=customer.zone, at=at)),
    }
