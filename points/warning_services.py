"""What warns customers of points that expire, and of too few that are left (D7). ``at`` is given by the caller.

An expiry comes with time alone, so a beat looks for it: one query, then one transaction a lot. A balance falls
by an entry alone, so whoever writes the entry tells of the fall, in the same transaction and under the same
lock: only there both sides of the fall are known, no beat has to add up everybody's balance, and no fall
between two beats is missed or told of twice.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from points import mails
from points.models import Charge, ExpiryWarning, Lot, LowBalance
from points.queries import balance, balance_around, lots_to_warn_of, told_of_points
from points.warnings import cheapest_price, falls_under, threshold_due
from supportdesk.people.models import Customer, Edition
from supportdesk.people.services import lock_customer

logger = logging.getLogger(__name__)


def warn_of_expiries(*, at: datetime) -> int:
    """Warns of every lot that is due at ``at``, and gives how many; safe twice, at once and late (D7).

    One mail a lot and recipient. What is wrong with one lot keeps no other customer from being warned.
    """
    warned = 0
    for lot_id, customer_id, expires_at, zone in lots_to_warn_of(at=at):
        try:
            if threshold_due(expires_at=expires_at, zone=zone, at=at) is not None:
                warned += _warn(lot_id, customer_id, at=at)
        except Exception:
            logger.exception("Lot %s: the customer could not be warned of its expiry.", lot_id)
    return warned


@transaction.atomic
def _warn(lot_id: int, customer_id: int, *, at: datetime) -> bool:
    """Decides again under the customer's lock: meanwhile the lot may be spent or held, or another run have warned."""
    lock_customer(customer_id)
    lot = Lot.objects.select_related("purchase", "customer").get(pk=lot_id)
    days = threshold_due(expires_at=lot.expires_at, zone=lot.purchase.zone, at=at)
    if days is None or lot.held or not lot.remaining or lot.warnings.filter(days__lte=days).exists():
        return False
    if not told_of_points(customer_id):
        return False
    ExpiryWarning.objects.create(lot=lot, days=days, warned_at=at)
    mails.expiring(lot, days=days, at=at)
    return True


def tell_of_charge(*, customer: Customer, charge: Charge, on_hand: int) -> None:
    """Tells of the fall that a charge is, where it is one; ``on_hand`` before it. In the charge's transaction."""
    left = on_hand - charge.points
    if falls_under(_price(customer), before=on_hand, after=left):
        _tell(customer, charge=charge, fell_at=charge.charged_at, on_hand=left, at=charge.charged_at)


def tell_of_expiry(*, customer: Customer, expired_at: datetime, at: datetime) -> None:
    """Tells of the fall that an expiry was, where it was one. In the transaction that writes the entry, after it.

    That may be late: what was bought since is enough not to tell, and so is a later fall that was told of.
    Lots that expire at one instant are one fall.
    """
    price = _price(customer)
    now = balance(customer_id=customer.pk, at=at)
    if now >= price:
        return
    before, after = balance_around(customer_id=customer.pk, instant=expired_at)
    told = LowBalance.objects.filter(customer=customer, fell_at__gte=expired_at)
    if falls_under(price, before=before, after=after) and not told.exists():
        _tell(customer, charge=None, fell_at=expired_at, on_hand=now, at=at)


def tell_of_hold(*, customer: Customer, before: int, after: int, at: datetime) -> None:
    """Tells of the fall that a hold is, where it is one (D7, D32). In the transaction that places it.

    An expiry may have fallen at that very instant: then the customer knows.
    """
    told = LowBalance.objects.filter(customer=customer, charge=None, fell_at=at)
    if falls_under(_price(customer), before=before, after=after) and not told.exists():
        _tell(customer, charge=None, fell_at=at, on_hand=after, at=at)


def _price(customer: Customer) -> int:
    return cheapest_price(by_phone=customer.edition != Edition.COMMUNITY)


def _tell(customer: Customer, *, charge: Charge | None, fell_at: datetime, on_hand: int, at: datetime) -> None:
    mark = LowBalance.objects.create(customer=customer, charge=charge, fell_at=fell_at, on_hand=on_hand, warned_at=at)
    mails.low(mark, at=at)
