"""How lots come into the ledger: with a purchase, or as the credits of a charge. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from points.crediting import Credit
from points.lifetimes import expires_at
from points.models import Cause, Charge, Entry, Lot, Purchase
from supportdesk.people.models import Customer, User
from supportdesk.places import zone_info


def open_purchase(
    *, customer: Customer, points: int, bought_at: datetime, actor: User | None, key: str, **facts: Any
) -> Lot:
    """A purchase, its lot and the entry that fills it, dated by the customer's local date at ``bought_at`` (D1, D32).

    The customer's row is locked by the caller. ``facts`` are the purchase's other columns.
    """
    bought_on = bought_at.astimezone(zone_info(customer.zone)).date()
    purchase = Purchase.objects.create(
        customer=customer,
        points=points,
        bought_at=bought_at,
        bought_on=bought_on,
        zone=customer.zone,
        actor=actor,
        key=key,
        **facts,
    )
    lot = Lot.objects.create(
        customer=customer,
        purchase=purchase,
        points=points,
        bought_at=bought_at,
        expires_at=expires_at(bought_on=bought_on, zone=customer.zone),
    )
    Entry.objects.create(
        customer=customer, lot=lot, cause=Cause.PURCHASE, points=points, at=bought_at, actor=actor, key=f"open:{lot.pk}"
    )
    lot.refresh_from_db(fields=["remaining", "held"])
    return lot


def open_credits(*, charge: Charge, planned: Iterable[Credit], at: datetime, actor: User | None) -> None:
    """The credit lots of a charge's legs, and the entries that fill them (D3)."""
    planned = list(planned)
    drawn = Lot.objects.in_bulk([credit.lot_id for credit in planned])
    lots = Lot.objects.bulk_create(
        Lot(
            customer_id=charge.customer_id,
            purchase_id=drawn[credit.lot_id].purchase_id,
            origin=Lot.Origin.CREDIT,
            from_lot_id=credit.lot_id,
            from_charge=charge,
            points=credit.points,
            bought_at=drawn[credit.lot_id].bought_at,
            expires_at=credit.expires_at,
        )
        for credit in planned
    )
    Entry.objects.bulk_create(
        Entry(
            customer_id=charge.customer_id,
            lot=lot,
            charge=charge,
            cause=Cause.CREDIT,
            points=lot.points,
            at=at,
            actor=actor,
            key=f"open:{lot.pk}",
        )
        for lot in lots
    )
