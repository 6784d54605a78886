"""Selling packs by card (D32). ``at`` is given by the caller; nothing here calls the provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from points import mails
from points.models import Lot, Pack, Payment, Price, PurchaseKind
from points.opening import open_purchase
from points.refusals import Contradiction, KeyReused
from supportdesk.people.models import Customer, User
from supportdesk.people.services import lock_customer

PROVIDER = "stripe"


class NotSold(Exception):
    """The pack is not sold at that price, or not any more. Nothing was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidFact:
    """What the provider's own record says of a payment that it took.

    ``payment_id`` is the number that we gave it to keep; ``paid_at`` its instant (UTC); money is in the smallest unit.
    """

    payment_id: str
    provider_ref: str
    amount_minor: int
    currency: str
    paid_at: datetime
    card_brand: str
    card_last4: str


@transaction.atomic
def begin_payment(
    *, customer: Customer, user: User, pack_id: int, amount_minor: int, currency: str, at: datetime, key: str
) -> Payment:
    """Keeps that somebody wants to buy a pack at the price that they read (D32). The same key gives the first back.

    Raises NotSold, KeyReused; then nothing has changed.
    """
    lock_customer(customer.pk)
    before = Payment.objects.filter(key=key).first()
    price = Price.objects.select_related("pack").filter(pack_id=pack_id, currency=currency, pack__active=True).first()
    if before is not None:
        points = Pack.objects.filter(pk=pack_id).values_list("points", flat=True).first()
        if (before.customer_id, before.points, before.currency) != (customer.pk, points, currency):
            raise KeyReused
        return before
    if price is None or price.amount_minor != amount_minor:
        raise NotSold
    return Payment.objects.create(
        customer=customer,
        user=user,
        points=price.pack.points,
        amount_minor=price.amount_minor,
        currency=price.currency,
        started_at=at,
        looked_at=at,
        key=key,
    )


@transaction.atomic
def settle_payment(*, payment_id: int, fact: PaidFact, at: datetime) -> Lot | None:
    """Makes the lot of a payment that was made: once, dated by the customer's local date at the payment (D1, D32).

    Gives the lot if it is a new one, and None where it was made before. A payment that was given up and is paid all
    the same counts. Locks the customer's row first.

    Raises Contradiction where amount, currency or payment differ from what was asked for, also after it was paid: a
    second payment of one is money that nobody asked for. Then there is no lot, and ``contradict_payment`` keeps what
    the provider says for an admin.
    """
    customer = lock_customer(Payment.objects.values_list("customer_id", flat=True).get(pk=payment_id))
    payment = Payment.objects.select_for_update(of=("self",)).get(pk=payment_id)
    asked = (str(payment.pk), payment.amount_minor, payment.currency, payment.provider_ref or fact.provider_ref)
    said = (fact.payment_id, fact.amount_minor, fact.currency, fact.provider_ref)
    if said != asked:
        raise Contradiction(f"asked for {asked}, the provider says {said}")
    if payment.state == Payment.State.PAID:
        return None
    lot = open_purchase(
        customer=customer,
        points=payment.points,
        # The provider's clock may be a little ahead of ours, and what counts tomorrow cannot be spent today.
        bought_at=min(fact.paid_at, at),
        actor=payment.user,
        key=f"payment:{payment.pk}",
        kind=PurchaseKind.CARD,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        provider=PROVIDER,
        provider_ref=fact.provider_ref,
        card_brand=fact.card_brand[:20],
        card_last4=fact.card_last4[:4],
    )
    payment.state = Payment.State.PAID
    payment.provider_ref = fact.provider_ref
    payment.purchase_id = lot.purchase_id
    payment.looked_at = at
    payment.last_error = ""
    payment.save(update_fields=["state", "provider_ref", "purchase", "looked_at", "last_error"])
    mails.bought(lot, at=at)
    return lot


def name_payment(*, payment_id: int, provider_ref: str) -> None:
    """Keeps how the provider names a payment; the first name stays."""
    Payment.objects.filter(pk=payment_id, provider_ref=None).update(provider_ref=provider_ref, last_error="")


def give_up_payment(*, payment_id: int, at: datetime) -> bool:
    """Keeps that a payment was given up, unless it was paid meanwhile."""
    left = Payment.objects.filter(pk=payment_id, state=Payment.State.OPEN)
    return left.update(state=Payment.State.CANCELLED, looked_at=at) == 1


def contradict_payment(*, payment_id: int, text: str, at: datetime) -> None:
    """Keeps, for an admin, that the provider's record of a payment is not what was asked for; it makes no lot.

    What was paid before stays paid, with the provider's other word beside it.
    """
    if not Payment.objects.filter(pk=payment_id, purchase=None).update(
        state=Payment.State.CONTRADICTED, last_error=text[:500], looked_at=at
    ):
        note_look(payment_id=payment_id, at=at, error=text)


def note_look(*, payment_id: int, at: datetime, error: str = "") -> None:
    """Keeps that the provider was asked about a payment, and what went wrong if anything did."""
    Payment.objects.filter(pk=payment_id).update(looked_at=at, last_error=error[:500])
