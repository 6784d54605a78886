"""What changes the ledger: grants, charges, expiries (D1, D2, D6). ``at`` is given by the caller."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from points.lifetimes import expires_at
from points.models import Cause, Charge, Entry, Lot, Purchase, PurchaseKind
from points.spending import LotState, plan_spending
from supportdesk.people.models import Customer, User
from supportdesk.people.services import lock_customer
from supportdesk.places import zone_info
from supportdesk.policy import POLICY


class NotEnoughPoints(Exception):
    """Fewer points are on hand than the charge needs. Nothing was changed (R3, D8)."""

    def __init__(self, *, needed: int, on_hand: int) -> None:
        super().__init__(f"needs {needed}, {on_hand} on hand")
        self.needed = needed
        self.on_hand = on_hand


class BadPoints(ValueError):
    """A number of points that no lot can have; the text says which can."""


class ReasonMissing(ValueError):
    """Points that an admin enters need a reason."""


class KeyReused(Exception):
    """The key was used before, for other content. Nothing was changed."""


@transaction.atomic
def grant(
    *,
    customer: Customer,
    points: int,
    at: datetime,
    reason: str,
    actor: User | None,
    key: str,
    kind: str = PurchaseKind.GRANT,
    amount_minor: int = 0,
    currency: str = "",
) -> Lot:
    """Gives a customer a lot that was bought by invoice or granted, dated by their local date at ``at`` (D1, D32).

    The same key with the same content gives the first lot back. Money is in the currency's smallest unit.

    Raises BadPoints, ReasonMissing, KeyReused; then nothing has changed.
    """
    if not 1 <= points <= POLICY.lot_points_max:
        raise BadPoints(
            _("A lot has between 1 and %(max)d points, not %(points)d.")
            % {"max": POLICY.lot_points_max, "points": points}
        )
    if not reason.strip():
        raise ReasonMissing(_("Say why: the reason stands in the ledger for ever."))
    customer = lock_customer(customer.pk)
    before = Purchase.objects.filter(key=key).first()
    if before is not None:
        same = (before.customer_id, before.points, before.kind, before.amount_minor, before.currency, before.reason)
        if same != (customer.pk, points, kind, amount_minor, currency, reason.strip()):
            raise KeyReused
        return before.lots.get(origin=Lot.Origin.PURCHASE)
    bought_on = at.astimezone(zone_info(customer.zone)).date()
    purchase = Purchase.objects.create(
        customer=customer,
        kind=kind,
        points=points,
        amount_minor=amount_minor,
        currency=currency,
        bought_at=at,
        bought_on=bought_on,
        zone=customer.zone,
        reason=reason.strip(),
        actor=actor,
        key=key,
    )
    lot = Lot.objects.create(
        customer=customer,
        purchase=purchase,
        points=points,
        bought_at=at,
        expires_at=expires_at(bought_on=bought_on, zone=customer.zone),
    )
    Entry.objects.create(
        customer=customer, lot=lot, cause=Cause.PURCHASE, points=points, at=at, actor=actor, key=f"open:{lot.pk}"
    )
    lot.refresh_from_db(fields=["remaining"])
    return lot


@transaction.atomic
def charge(
    *, customer_id: int, points: int, channel: str, reference: str, at: datetime, actor: User | None, key: str
) -> Charge:
    """Takes ``points`` from the lots on hand, earliest expiry first, in full or not at all (R3, D2).

    Locks the customer's row first. The same key with the same content gives the first charge back.

    Raises NotEnoughPoints, KeyReused; then nothing has changed.
    """
    lock_customer(customer_id)
    before = Charge.objects.filter(key=key).first()
    if before is not None:
        same = (before.customer_id, before.points, before.channel, before.reference)
        if same != (customer_id, points, channel, reference):
            raise KeyReused
        return before
    lots = Lot.objects.filter(customer_id=customer_id, remaining__gt=0, expires_at__gt=at)
    spending = plan_spending(
        lots=[
            LotState(id=pk, remaining=left, expires_at=expires, bought_at=bought)
            for pk, left, expires, bought in lots.values_list("pk", "remaining", "expires_at", "bought_at")
        ],
        points=points,
        at=at,
    )
    if spending.short_by:
        raise NotEnoughPoints(needed=points, on_hand=spending.on_hand)
    made = Charge.objects.create(
        customer_id=customer_id,
        points=points,
        channel=channel,
        reference=reference,
        charged_at=at,
        actor=actor,
        key=key,
    )
    Entry.objects.bulk_create(
        Entry(
            customer_id=customer_id,
            lot_id=lot_id,
            charge=made,
            cause=Cause.CHARGE,
            points=-drawn,
            at=at,
            actor=actor,
            key=f"charge:{made.pk}:{lot_id}",
        )
        for lot_id, drawn in spending.parts
    )
    return made


def write_expiries(*, at: datetime, limit: int = 500) -> int:
    """Writes the entries of lots that have expired, and gives how many; safe twice and late (D1, D6).

    Nothing depends on it: a lot past its instant cannot be spent whether this ran or not. The entry counts
    at ``expires_at``, however late it is written.
    """
    due = Lot.objects.filter(remaining__gt=0, expires_at__lte=at).order_by("expires_at", "pk")
    return sum(_expire(lot_id, customer_id) for lot_id, customer_id in due.values_list("pk", "customer_id")[:limit])


@transaction.atomic
def _expire(lot_id: int, customer_id: int) -> bool:
    lock_customer(customer_id)
    lot = Lot.objects.get(pk=lot_id)
    if not lot.remaining:
        return False
    Entry.objects.create(
        customer_id=customer_id,
        lot=lot,
        cause=Cause.EXPIRY,
        points=-lot.remaining,
        at=lot.expires_at,
        key=f"expiry:{lot.pk}",
    )
    return True
