"""The one clock (D40): the database's, read at the edges and handed down as ``at``.

Only views, tasks, commands and the admin call ``now()``. Services and pure functions take the instant
as an argument. Tests set the clock with ``set_to``; nothing else may.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from django.db import connection

_set: ContextVar[datetime | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """The present instant in UTC, by the database's clock (D40).

    Processes whose own clocks disagree still agree on deadlines and expiries.
    """
    fixed = _set.get()
    if fixed is not None:
        return fixed
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        instant: datetime = cursor.fetchone()[0]
    return instant.astimezone(UTC)


@contextmanager
def set_to(instant: datetime) -> Iterator[None]:
    """Stands the clock still at ``instant`` (aware) inside the block. For tests."""
    if instant.tzinfo is None:
        raise ValueError("The clock takes an aware instant.")
    token = _set.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _set.reset(token)
