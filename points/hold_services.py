"""Points whose money went back otherwise: held, then released or written off (D32). ``at`` is given by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from points import mails, warning_services
from points.models import Cause, Entry, Hold, HoldDecision, HoldNews, Lot, Purchase
from points.queries import balance
from points.refusals import AlreadyDecided, KeyReused, ReasonMissing
from supportdesk.people.models import User
from supportdesk.people.services import lock_customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Money of a purchase that went back, or is asked back, without us: the provider's record of it.

    ``amount_minor`` is in the smallest unit of ``currency``; ``status`` is the provider's own word.
    """

    kind: Hold.Kind
    provider_ref: str
    amount_minor: int
    currency: str
    reason: str
    status: str
    happened_at: datetime


@transaction.atomic
def place_hold(*, purchase_id: int, claim: Claim, at: datetime) -> Hold | None:
    """Holds what is left of a purchase's lots, once a claim, and keeps what the provider says of it later (D32).

    The points stay in sight, can't be spent and don't count as on hand; the customer is told. Gives the hold if it
    is a new one. Locks the customer's row first.
    """
    purchase = Purchase.objects.get(pk=purchase_id)
    customer = lock_customer(purchase.customer_id)
    known = Hold.objects.filter(provider_ref=claim.provider_ref).first()
    if known is not None:
        HoldNews.objects.get_or_create(hold=known, status=claim.status, defaults={"heard_at": at})
        return None
    before = balance(customer_id=customer.pk, at=at)
    hold = Hold.objects.create(
        purchase=purchase,
        kind=claim.kind,
        provider_ref=claim.provider_ref,
        amount_minor=claim.amount_minor,
        currency=claim.currency,
        reason=claim.reason[:500],
        happened_at=claim.happened_at,
        placed_at=at,
    )
    HoldNews.objects.create(hold=hold, status=claim.status, heard_at=at)
    after = balance(customer_id=customer.pk, at=at)
    if after < before:
        mails.held(hold, points=before - after, at=at)
        warning_services.tell_of_hold(customer=customer, before=before, after=after, at=at)
    return hold


@transaction.atomic
def decide_hold(
    *, hold_id: int, outcome: HoldDecision.Outcome, reason: str, actor: User, at: datetime, key: str
) -> HoldDecision:
    """An admin's word on a hold: the points are free again, or what is left of them is written off (D32).

    Points of a purchase with another open hold stay held when one is released; where they are free, or gone, the
    customer is told. The same key with the same content gives the first decision back.

    Raises AlreadyDecided, ReasonMissing, KeyReused; then nothing has changed.
    """
    reason = reason.strip()
    hold = Hold.objects.select_related("purchase").get(pk=hold_id)
    lock_customer(hold.purchase.customer_id)
    before = HoldDecision.objects.select_related("actor").filter(hold=hold).first()
    if before is not None:
        if before.key != key:
            raise AlreadyDecided(by=before.actor, when=before.at, outcome=before.outcome)
        if (before.outcome, before.reason) != (outcome, reason):
            raise KeyReused
        return before
    if HoldDecision.objects.filter(key=key).exists():
        raise KeyReused
    if not reason:
        raise ReasonMissing(_("Say why: the reason stands in the ledger for ever."))
    lots = list(Lot.objects.filter(purchase=hold.purchase_id, held=True, remaining__gt=0, expires_at__gt=at))
    points = sum(lot.remaining for lot in lots)
    if outcome == HoldDecision.Outcome.WRITTEN_OFF:
        Entry.objects.bulk_create(
            Entry(
                customer_id=lot.customer_id,
                lot=lot,
                cause=Cause.WRITEOFF,
                points=-lot.remaining,
                at=at,
                actor=actor,
                key=f"writeoff:{hold.pk}:{lot.pk}",
            )
            for lot in lots
        )
    decision = HoldDecision.objects.create(
        hold=hold, outcome=outcome, points=points, reason=reason, actor=actor, at=at, key=key
    )
    stays = Hold.objects.filter(purchase=hold.purchase_id, decision=None).exists()
    if points and not (stays and outcome == HoldDecision.Outcome.RELEASED):
        mails.hold_decided(decision, at=at)
    return decision


def held_points(*, customer_id: int, at: datetime) -> int:
    """Points that are on hold at ``at``: in sight, not on hand (D32)."""
    held = Lot.objects.filter(customer_id=customer_id, held=True, remaining__gt=0, expires_at__gt=at)
    return held.aggregate(total=Sum("remaining"))["total"] or 0
