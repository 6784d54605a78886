"""What changes the ledger: grants, charges, credits, expiries (D1–D4, D6). ``at`` is given by the caller."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from points import warning_services
from points.charging import lots_to_spend, write_charge
from points.crediting import NotLater, ReasonMissing, plan_credits
from points.giving_back import legs_of
from points.models import Cause, Charge, Entry, GiveBack, Lot, Purchase, PurchaseKind
from points.opening import open_credits, open_purchase
from points.refusals import AlreadyGivenBack, BadPoints, KeyReused, NotEnoughPoints
from points.spending import plan_spending
from supportdesk.people.models import Customer, User
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY

__all__ = ["AlreadyGivenBack", "BadPoints", "KeyReused", "NotEnoughPoints", "NotLater", "ReasonMissing"]


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
    return open_purchase(
        customer=customer,
        points=points,
        bought_at=at,
        actor=actor,
        key=key,
        kind=kind,
        amount_minor=amount_minor,
        currency=currency,
        reason=reason.strip(),
    )


@transaction.atomic
def charge(
    *, customer_id: int, points: int, channel: str, reference: str, at: datetime, actor: User | None, key: str
) -> Charge:
    """Takes ``points`` from the lots on hand, earliest expiry first, in full or not at all (R3, D2).

    Locks the customer's row first. The same key with the same content gives the first charge back. Where the
    charge leaves too little for another incident, the customer is told (D7).

    Raises NotEnoughPoints, KeyReused; then nothing has changed.
    """
    customer = lock_customer(customer_id)
    spending = plan_spending(lots=lots_to_spend(customer_id=customer_id, at=at), points=points, at=at)
    made = None
    if not spending.short_by:
        made = write_charge(
            customer_id=customer_id,
            points=points,
            channel=channel,
            reference=reference,
            at=at,
            actor_id=None if actor is None else actor.pk,
            key=key,
            spending=spending,
        )
    if made is not None:
        warning_services.tell_of_charge(customer=customer, charge=made, on_hand=spending.on_hand)
        return made
    # Asked only now: a charge that comes for the first time needs no look before.
    before = Charge.objects.filter(key=key).first()
    if before is None:
        raise NotEnoughPoints(needed=points, on_hand=spending.on_hand)
    same = (before.customer_id, before.points, before.channel, before.reference)
    if same != (customer_id, points, channel, reference):
        raise KeyReused
    return before


@transaction.atomic
def credit_back(
    *, charge_id: int, at: datetime, actor: User | None, key: str, reason: str, expires_at: datetime | None = None
) -> list[Lot]:
    """Gives a charge back as points: a credit lot for each lot that it drew on, what ends first coming first (D3, D4).

    Each has the points of its leg, the life they had left when they were spent, and the same purchase.
    ``expires_at`` grants them a later end, ``reason`` says why. Locks the customer's row first. The same key
    with the same content gives the first credits back.

    Raises AlreadyGivenBack, NotLater, ReasonMissing, KeyReused; then nothing has changed.
    """
    reason = reason.strip()
    lock_customer(Charge.objects.values_list("customer_id", flat=True).get(pk=charge_id))
    before = GiveBack.objects.filter(key=key).first()
    if before is not None:
        if (before.charge_id, before.means, before.reason, before.expires_at) != (
            charge_id,
            GiveBack.Means.POINTS,
            reason,
            expires_at,
        ):
            raise KeyReused
        return _credits_of(charge_id)
    done = GiveBack.objects.filter(charge_id=charge_id).select_related("actor").first()
    if done is not None:
        raise AlreadyGivenBack(when=done.at, by=done.actor)
    if not reason:
        raise ReasonMissing(_("Say why: the reason stands in the ledger for ever."))
    made = Charge.objects.get(pk=charge_id)
    planned = plan_credits(
        legs=legs_of(charge_id=charge_id), charged_at=made.charged_at, credited_at=at, later=expires_at, reason=reason
    )
    GiveBack.objects.create(
        charge=made,
        means=GiveBack.Means.POINTS,
        at=at,
        actor=actor,
        reason=reason,
        expires_at=expires_at,
        key=key,
    )
    open_credits(charge=made, planned=planned, at=at, actor=actor)
    return _credits_of(charge_id)


def _credits_of(charge_id: int) -> list[Lot]:
    credits_ = Lot.objects.filter(from_charge_id=charge_id, origin=Lot.Origin.CREDIT)
    return list(credits_.order_by("expires_at", "from_lot_id"))


def write_expiries(*, at: datetime, limit: int = 500) -> int:
    """Writes the entries of lots that have expired, and gives how many; safe twice and late (D1, D6).

    Nothing depends on it: a lot past its instant cannot be spent whether this ran or not. The entry counts
    at ``expires_at``, however late it is written.
    """
    due = Lot.objects.filter(remaining__gt=0, expires_at__lte=at).order_by("expires_at", "pk")
    return sum(_expire(lot_id, customer_id, at) for lot_id, customer_id in due.values_list("pk", "customer_id")[:limit])


@transaction.atomic
def _expire(lot_id: int, customer_id: int, at: datetime) -> bool:
    customer = lock_customer(customer_id)
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
    warning_services.tell_of_expiry(customer=customer, expired_at=lot.expires_at, at=at)
    return True
