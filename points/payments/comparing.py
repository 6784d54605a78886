"""Compares the ledger with the provider's records, a page of them a call (D5, D32)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from points.giving_back import MONEY_STAYED
from points.models import Hold, ProviderEvent, Purchase, PurchaseKind, Refund
from points.payments import provider
from points.payments.facts import DisputeFact, Intent, RefundFact
from points.payments.syncing import is_of, word_of

# What happened there just now may still be on its way here: that is no difference yet.
GRACE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ours:
    """What the ledger has of payments by card, by the provider's names."""

    purchases: dict[str, Purchase]
    refunds: list[Refund]
    holds: frozenset[str]
    heard_of: frozenset[str]  # payments of which an event waits to be looked after

    @classmethod
    def now(cls) -> _Ours:
        bought = Purchase.objects.filter(kind=PurchaseKind.CARD)
        waiting = ProviderEvent.objects.filter(outcome=ProviderEvent.Outcome.WAITING)
        return cls(
            purchases={purchase.provider_ref: purchase for purchase in bought},
            refunds=list(Refund.objects.select_related("purchase").order_by("pk")),
            holds=frozenset(Hold.objects.values_list("provider_ref", flat=True)),
            heard_of=frozenset(waiting.values_list("payment_ref", flat=True)),
        )


def differences(*, at: datetime) -> Iterator[str]:
    """What differs, a line each. What is ours is read before and after the provider's records: it works meanwhile.

    Raises ProviderDown, ProviderRefused.
    """
    before = _Ours.now()
    intents = {intent.ref: intent for intent in provider.all_intents()}
    refunds = {fact.ref: fact for fact in provider.all_refunds()}
    disputes = list(provider.all_disputes())
    after = _Ours.now()
    yield from _purchases(before, intents)
    yield from _payments(after, intents, refunds, at=at)
    yield from _refunds(before, after, refunds)
    yield from _unknown(after, refunds, disputes, at=at)


def _purchases(before: _Ours, intents: dict[str, Intent]) -> Iterator[str]:
    for ref, purchase in before.purchases.items():
        intent = intents.get(ref)
        if intent is None:
            yield f"purchase {purchase.pk}: the provider has no payment {ref}"
        elif not intent.is_paid:
            yield f"purchase {purchase.pk}: payment {ref} is {intent.status} at the provider"
        elif (purchase.amount_minor, purchase.currency) != (intent.received_minor, intent.currency):
            yield (
                f"purchase {purchase.pk}: paid with {purchase.amount_minor} {purchase.currency}, the provider took "
                f"{intent.received_minor} {intent.currency}"
            )


def _payments(
    after: _Ours, intents: dict[str, Intent], refunds: dict[str, RefundFact], *, at: datetime
) -> Iterator[str]:
    """Money that was taken for a payment of ours, did not go back, and bought nothing."""
    for ref, intent in intents.items():
        is_ours = intent.is_paid and intent.payment_id and ref not in after.purchases
        if not is_ours or ref in after.heard_of or _is_fresh(intent.paid_at, at):
            continue
        back = sum(fact.amount_minor for fact in refunds.values() if fact.payment_ref == ref and _went_back(fact))
        if back < intent.received_minor:
            yield (
                f"payment {intent.payment_id}: the provider took {intent.received_minor} {intent.currency} "
                f"as {ref}, there is no purchase"
            )


def _refunds(before: _Ours, after: _Ours, facts: dict[str, RefundFact]) -> Iterator[str]:
    now = {refund.pk: refund for refund in after.refunds}
    for refund in before.refunds:
        if refund.provider_ref is None:
            continue
        fact = facts.get(refund.provider_ref)
        state = now[refund.pk].state
        if fact is None:
            yield f"refund {refund.pk}: the provider has no refund {refund.provider_ref}"
        elif not is_of(fact, refund):
            yield (
                f"refund {refund.pk}: {refund.amount_minor} {refund.currency} of payment "
                f"{refund.purchase.provider_ref}, {fact.ref} is {fact.amount_minor} {fact.currency} of "
                f"{fact.payment_ref}"
            )
        elif word_of(fact).state != state and fact.payment_ref not in after.heard_of:
            yield f"refund {refund.pk}: {state}, {fact.ref} is {fact.status} at the provider"


def _unknown(
    after: _Ours, refunds: dict[str, RefundFact], disputes: list[DisputeFact], *, at: datetime
) -> Iterator[str]:
    """Money of our purchases that went back, or is asked back, and neither a refund nor a hold says so."""
    known = {refund.provider_ref for refund in after.refunds} | after.holds
    waiting = {refund.key: refund for refund in after.refunds if refund.state == Refund.State.PENDING}
    for fact in refunds.values():
        purchase = after.purchases.get(fact.payment_ref)
        if purchase is None or fact.ref in known or not _went_back(fact) or _is_fresh(fact.created_at, at):
            continue
        if fact.key not in waiting or not is_of(fact, waiting[fact.key]):
            yield f"purchase {purchase.pk}: refund {fact.ref} of {fact.amount_minor} {fact.currency} is not known here"
    for dispute in disputes:
        purchase = after.purchases.get(dispute.payment_ref)
        if purchase is None or dispute.ref in known or dispute.status in MONEY_STAYED:
            continue
        if not _is_fresh(dispute.created_at, at):
            yield (
                f"purchase {purchase.pk}: dispute {dispute.ref} of {dispute.amount_minor} {dispute.currency} "
                "holds nothing here"
            )


def _went_back(fact: RefundFact) -> bool:
    return word_of(fact).state != Refund.State.FAILED


def _is_fresh(happened_at: datetime | None, at: datetime) -> bool:
    return happened_at is not None and happened_at > at - GRACE
