"""The owner's one setting: how far an entry may be off the database's clock (D40)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection

from supportdesk.policy import POLICY
from supportdesk.roles import as_owner

AGES = timedelta(days=36_500)


def set_tolerance(tolerance: timedelta) -> None:
    """Sets it, as the owner's role; the application's role may only read it."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE points_ledgersetting SET clock_tolerance = make_interval(secs => %s)", [tolerance.total_seconds()]
        )


@contextmanager
def ledger_clock_widened() -> Iterator[None]:
    """Inside the block entries of any instant are taken: for a sample with a past, and for tests that set the clock."""
    set_tolerance(AGES)
    try:
        yield
    finally:
        set_tolerance(POLICY.clock_tolerance)
