"""The SQL of a charge, two statements between the customer's lock and the commit.

Plain SQL, for while a charge is made nobody else can spend of this customer: most of what it took before was
Python that built the same five queries anew. What is decided is decided elsewhere: which lots are on hand by
``queries.lots_on_hand``, which of them pay by ``plan_spending``, what is refused by the database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from django.db import connection

from points.models import Cause, Charge
from points.queries import lots_on_hand
from points.spending import LotState, Spending

# Stand in the compiled query where a call has its values; no call has these.
_CUSTOMER: Final = -1
_AT: Final = datetime.min.replace(tzinfo=UTC)

_COLUMNS: Final = [field.attname for field in Charge._meta.concrete_fields]

# The entries are made from the charge's row, so where the key was there already there are none. Numbered in the
# order in which the lots are drawn on, which is how ``charge_parts`` tells it.
_WRITE: Final = f"""
WITH made AS (
    INSERT INTO points_charge (customer_id, points, channel, reference, charged_at, actor_id, key)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (key) DO NOTHING
    RETURNING {", ".join(_COLUMNS)}
), drawn AS (
    INSERT INTO points_entry (customer_id, lot_id, charge_id, cause, points, at, actor_id, key)
    SELECT made.customer_id, part.lot_id, made.id, '{Cause.CHARGE.value}', -part.points, made.charged_at,
           made.actor_id, 'charge:' || made.id || ':' || part.lot_id
    FROM made, unnest(%s::bigint[], %s::integer[]) WITH ORDINALITY AS part (lot_id, points, place)
    ORDER BY part.place
)
SELECT {", ".join(_COLUMNS)} FROM made
"""  # noqa: S608 names of columns


@cache
def _lots_query() -> tuple[str, tuple[Any, ...]]:
    """``lots_on_hand`` as SQL, compiled once: what is on hand is said there alone."""
    lots = lots_on_hand(customer_id=_CUSTOMER, at=_AT).order_by()
    sql, values = lots.values_list("pk", "remaining", "expires_at", "bought_at").query.sql_with_params()
    return sql, tuple(values)


def lots_to_spend(*, customer_id: int, at: datetime) -> list[LotState]:
    """The lots on hand at ``at``, in no order (D1). One query; it reads these lots and no others.

    A statement of its own, after the one that locked the customer: joined to it, it would see the lots as they
    were before the wait.
    """
    sql, values = _lots_query()
    asked: dict[Any, Any] = {_CUSTOMER: customer_id, _AT: at}
    with connection.cursor() as cursor:
        cursor.execute(sql, [asked.get(value, value) for value in values])
        return [
            LotState(id=pk, remaining=left, expires_at=expires, bought_at=bought)
            for pk, left, expires, bought in cursor.fetchall()
        ]


def write_charge(
    *,
    customer_id: int,
    points: int,
    channel: str,
    reference: str,
    at: datetime,
    actor_id: int | None,
    key: str,
    spending: Spending,
) -> Charge | None:
    """Writes a charge and its entries by one statement; None where the key has a charge, then nothing is written.

    The key decides, not a look before: of two customers with one key at the same instant the later one waits
    for the other's end and gets None, or writes where that was rolled back.
    """
    charge = (customer_id, points, channel, reference, at, actor_id, key)
    lots, drawn = zip(*spending.parts, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [*charge, list(lots), list(drawn)])
        row = cursor.fetchone()
    return None if row is None else Charge.from_db(connection.alias, _COLUMNS, row)
