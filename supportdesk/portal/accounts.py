"""A customer's points as the portal shows them, put together from the ledger's queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from points.access import holders_for
from points.models import Lot
from points.queries import Statement, lots_on_hand, statement
from supportdesk.people.models import Customer
from supportdesk.people.scope import Scope

LINES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Points on hand, the first lot to expire first; on the points page also a page of the statement."""

    customer: Customer
    lots: Sequence[Lot]
    statement: Statement | None = None

    @property
    def balance(self) -> int:
        return sum(lot.remaining for lot in self.lots)


def accounts(scope: Scope, *, at: datetime, page: int | None = None) -> list[Account]:
    """One account for each customer whose points the contact may see (D21); with ``page`` its statement, too."""
    holders = holders_for(scope).filter(pk__in=scope.full_customer_ids).order_by("name", "pk")
    return [
        Account(
            customer=customer,
            lots=list(lots_on_hand(customer_id=customer.pk, at=at)),
            statement=None if page is None else statement(customer_id=customer.pk, at=at, page=page, size=LINES),
        )
        for customer in holders
    ]
