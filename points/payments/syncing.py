"""Applies what the provider says of a payment: any number of times, in any order, only ever forward (D5, D32)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from django.db import transaction

from points.giving_back import MONEY_STAYED
from points.hold_services import Claim, place_hold
from points.models import Hold, Payment, ProviderEvent, Purchase, Refund
from points.payments.facts import DisputeFact, Intent, RefundFact, Snapshot
from points.refund_services import RefundWord
from points.refusals import Contradiction
from points.sale_services import (
    PaidFact,
    contradict_payment,
    give_up_payment,
    name_payment,
    note_look,
    settle_payment,
)
from supportdesk.people.services import lock_customer

Outcome = ProviderEvent.Outcome

# Anything else that the provider may say of a refund is a way of being on its way.
_STATES = {
    "succeeded": Refund.State.DONE,
    "failed": Refund.State.FAILED,
    "canceled": Refund.State.FAILED,
}


class Settle(Protocol):
    """Records the provider's word on a refund with all that it causes: the callers' own, for it reaches up."""

    def __call__(self, *, refund_id: int, word: RefundWord, at: datetime) -> Refund | None: ...


def word_of(fact: RefundFact) -> RefundWord:
    """The provider's record of a refund as the ledger takes it."""
    return RefundWord(
        state=_STATES.get(fact.status, Refund.State.SENT), provider_ref=fact.ref, text=fact.failure or fact.status
    )


def is_of(fact: RefundFact, refund: Refund) -> bool:
    """Whether the provider's record is of this refund: its key, its payment, its money, and no other name."""
    return (
        fact.key == refund.key
        and (fact.payment_ref, fact.amount_minor, fact.currency)
        == (refund.purchase.provider_ref, refund.amount_minor, refund.currency)
        and (refund.provider_ref == fact.ref or (refund.provider_ref is None and refund.state != Refund.State.FAILED))
    )


@transaction.atomic
def apply(snapshot: Snapshot, *, at: datetime, settle: Settle) -> tuple[Outcome, str]:
    """Writes all that is new in a snapshot, or nothing; gives what became of it, and a word where it contradicts.

    A paid payment gets its lot, refunds of ours their state, and money that went back otherwise holds the points.
    What contradicts our records of the payment changes nothing else. Locks the customer's row first.

    Rule: D32.
    """
    intent = snapshot.intent
    payment = _payment_of(intent)
    if payment is None:
        return Outcome.UNKNOWN, ""
    lock_customer(payment.customer_id)
    payment.refresh_from_db()
    if payment.provider_ref not in (None, intent.ref):
        return Outcome.CONTRADICTS, f"{intent.ref} names payment {payment.pk}, which is {payment.provider_ref}"
    if intent.is_paid:
        try:
            _settle(intent, payment, at=at)
        except Contradiction as contradiction:
            contradict_payment(payment_id=payment.pk, text=contradiction.text, at=at)
            return Outcome.CONTRADICTS, contradiction.text
    else:
        name_payment(payment_id=payment.pk, provider_ref=intent.ref)
        if intent.status == "canceled":
            give_up_payment(payment_id=payment.pk, at=at)
    note_look(payment_id=payment.pk, at=at)
    purchase = Purchase.objects.filter(payment=payment.pk).first()
    if purchase is not None:
        _apply_refunds(snapshot.refunds, purchase, at=at, settle=settle)
        _apply_disputes(snapshot.disputes, purchase, at=at)
    return Outcome.APPLIED, ""


def _payment_of(intent: Intent) -> Payment | None:
    """Ours by the provider's name, or by what we gave it to keep where the name was not written down any more."""
    named = Payment.objects.filter(provider_ref=intent.ref).first()
    if named is not None or not (intent.payment_id.isascii() and intent.payment_id.isdigit()):
        return named
    return Payment.objects.filter(pk=intent.payment_id[:18], key=intent.payment_key).first()


def _settle(intent: Intent, payment: Payment, *, at: datetime) -> None:
    """Raises Contradiction. What was settled before is not asked again: its text at the provider may be edited."""
    if payment.state == Payment.State.PAID:
        return
    if intent.customer_id != str(payment.customer_id):
        raise Contradiction(f"of customer {payment.customer_id}, the provider says {intent.customer_id!r}")
    settle_payment(
        payment_id=payment.pk,
        fact=PaidFact(
            payment_id=intent.payment_id,
            provider_ref=intent.ref,
            amount_minor=intent.received_minor,
            currency=intent.currency,
            paid_at=intent.paid_at or at,
            card_brand=intent.card_brand,
            card_last4=intent.card_last4,
        ),
        at=at,
    )


def _apply_refunds(facts: tuple[RefundFact, ...], purchase: Purchase, *, at: datetime, settle: Settle) -> None:
    """Each of our refunds takes the first record that is of it; every other record holds the points."""
    waiting = {refund.key: refund for refund in Refund.objects.filter(purchase=purchase).select_related("purchase")}
    for fact in sorted(facts, key=lambda fact: (fact.created_at, fact.ref)):
        refund = waiting.get(fact.key)
        if refund is not None and is_of(fact, refund):
            settled = settle(refund_id=refund.pk, word=word_of(fact), at=at)
            refund.provider_ref = fact.ref
            refund.state = settled.state if settled is not None else refund.state
        else:
            _hold(
                purchase,
                Claim(
                    kind=Hold.Kind.REFUND,
                    provider_ref=fact.ref,
                    amount_minor=fact.amount_minor,
                    currency=fact.currency,
                    reason=fact.failure,
                    status=fact.status[:40],
                    happened_at=fact.created_at,
                ),
                at=at,
            )


def _apply_disputes(facts: tuple[DisputeFact, ...], purchase: Purchase, *, at: datetime) -> None:
    for fact in facts:
        _hold(
            purchase,
            Claim(
                kind=Hold.Kind.CHARGEBACK,
                provider_ref=fact.ref,
                amount_minor=fact.amount_minor,
                currency=fact.currency,
                reason=fact.reason,
                status=fact.status[:40],
                happened_at=fact.created_at,
            ),
            at=at,
        )


def _hold(purchase: Purchase, claim: Claim, *, at: datetime) -> None:
    """Holds the points, unless the money had come back before we heard of it."""
    if claim.status in MONEY_STAYED and not Hold.objects.filter(provider_ref=claim.provider_ref).exists():
        return
    place_hold(purchase_id=purchase.pk, claim=claim, at=at)
