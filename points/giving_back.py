"""What giving a charge back gave, or would give: as points or to the card (D3–D5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import BigIntegerField, Exists, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from points.crediting import Leg, plan_credits
from points.models import Cause, Charge, Entry, GiveBack, Hold, HoldNews, Lot, Purchase, PurchaseKind, Refund
from points.refunding import Paid, legs_by_purchase, refund_of
from points.refusals import NoCard

# What the provider says where the money stayed after all: a chargeback won, a refund that did not come about.
# The database knows the same words (points_refund_fits).
MONEY_STAYED: Final = ("won", "warning_closed", "failed", "canceled")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPart:
    """What one leg of a charge gives or gave back: the lot it drew on, the points, and when they end (D3).

    ``held`` where they are, or would be, on hold: in sight, and not on hand (D32).
    """

    lot: Lot
    points: int
    expires_at: datetime
    held: bool


def legs_of(*, charge_id: int) -> list[Leg]:
    """What each lot paid of a charge: the legs that are given back, each once (D4)."""
    entries = Entry.objects.filter(charge_id=charge_id, cause=Cause.CHARGE).order_by("lot_id")
    drawn = entries.values_list("lot_id", "lot__expires_at").annotate(points=Sum("points"))
    return [Leg(lot_id=lot_id, points=-points, expires_at=expires) for lot_id, expires, points in drawn]


def credit_preview(*, charge: Charge, at: datetime, later: datetime | None = None) -> tuple[CreditPart, ...]:
    """What giving the charge back as points at ``at`` would make, what ends first coming first (D3).

    Raises NotLater where ``later`` is later for no leg.
    """
    planned = plan_credits(
        legs=legs_of(charge_id=charge.pk), charged_at=charge.charged_at, credited_at=at, later=later, reason="preview"
    )
    lots = Lot.objects.select_related("purchase").in_bulk([credit.lot_id for credit in planned])
    return tuple(
        CreditPart(
            lot=lots[credit.lot_id],
            points=credit.points,
            expires_at=credit.expires_at,
            held=lots[credit.lot_id].held,
        )
        for credit in planned
    )


def credit_parts(*, charge_id: int) -> tuple[CreditPart, ...]:
    """What a charge gave back as points, what ends first coming first; empty where it gave nothing back."""
    credits_ = Lot.objects.filter(from_charge_id=charge_id, origin=Lot.Origin.CREDIT)
    return tuple(
        CreditPart(lot=lot.from_lot, points=lot.points, expires_at=lot.expires_at, held=lot.held)
        for lot in credits_.select_related("from_lot__purchase").order_by("expires_at", "from_lot_id")
        if lot.from_lot is not None
    )


def given_back(*, charge_id: int) -> GiveBack | None:
    """How and when a charge was given back, or None (D4)."""
    return GiveBack.objects.filter(charge_id=charge_id).select_related("actor").first()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundLeg:
    """What goes, or would go, back to the card that paid one purchase (D4, D5). Money is in the smallest unit."""

    purchase: Purchase
    points: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPreview:
    """What refunding a charge to cards would pay back now; without legs ``refusal`` says why it is impossible."""

    legs: tuple[RefundLeg, ...]
    refusal: NoCard | None


def refund_preview(*, charge_id: int) -> RefundPreview:
    """What refunding the charge to the cards that paid it would give, leg by leg (D4, D5).

    All legs or none: points that were granted, or paid by invoice, go to no card, and money that went back
    otherwise (a chargeback, a refund at the provider) does not go back twice (D32).
    """
    purchases = _drawn_purchases(charge_id)
    legs = {purchase.pk: refund_of(_paid(purchase), points) for purchase, points in purchases if _by_card(purchase)}
    refusal = _no_card(purchases, legs)
    if refusal is not None:
        return RefundPreview(legs=(), refusal=refusal)
    return RefundPreview(
        legs=tuple(
            RefundLeg(purchase=purchase, points=points, amount_minor=legs[purchase.pk])
            for purchase, points in purchases
        ),
        refusal=None,
    )


def _drawn_purchases(charge_id: int) -> list[tuple[Any, int]]:
    """The purchases that paid a charge and with how many points, each with what refunds of it need."""
    entries = Entry.objects.filter(charge_id=charge_id, cause=Cause.CHARGE).order_by("pk")
    legs = legs_by_purchase((purchase, -points) for purchase, points in entries.values_list("lot__purchase", "points"))
    live = Refund.objects.filter(purchase=OuterRef("pk")).exclude(state=Refund.State.FAILED).order_by()
    total = live.values("purchase").annotate(points_=Sum("points"), minor_=Sum("amount_minor"))
    gone = Hold.objects.filter(purchase=OuterRef("pk"))
    gone = gone.exclude(Exists(HoldNews.objects.filter(hold=OuterRef("pk"), status__in=MONEY_STAYED)))
    found = Purchase.objects.filter(pk__in=legs).annotate(
        refunded_points=Coalesce(Subquery(total.values("points_")), 0),
        refunded_minor=Coalesce(Subquery(total.values("minor_")), 0, output_field=BigIntegerField()),
        money_went_back=Exists(gone),
    )
    return [(purchase, legs[purchase.pk]) for purchase in found.order_by("pk")]


def money_went_back(*, purchase_id: int) -> bool:
    """Whether money of a purchase went back otherwise: a chargeback, a refund at the provider (D32)."""
    gone = Hold.objects.filter(purchase_id=purchase_id)
    return gone.exclude(Exists(HoldNews.objects.filter(hold=OuterRef("pk"), status__in=MONEY_STAYED))).exists()


def _paid(purchase: Any) -> Paid:
    return Paid(
        purchase_id=purchase.pk,
        points=purchase.points,
        amount_minor=purchase.amount_minor,
        refunded_points=purchase.refunded_points,
        refunded_minor=purchase.refunded_minor,
    )


def _by_card(purchase: Purchase) -> bool:
    return purchase.kind == PurchaseKind.CARD


def _no_card(purchases: Iterable[tuple[Any, int]], legs: dict[int, int]) -> NoCard | None:
    drawn = [purchase for purchase, _points in purchases]
    if not all(_by_card(purchase) for purchase in drawn):
        return "not_by_card"
    if not settings.STRIPE_SECRET_KEY:
        return "no_provider"
    if any(purchase.money_went_back for purchase in drawn):
        return "money_went_back"
    return None if all(legs[purchase.pk] for purchase in drawn) else "too_small"


def refunds_of(*, charge_id: int) -> tuple[Refund, ...]:
    """The legs of a charge that go back to cards, in the order of their purchases; empty where none does."""
    found = Refund.objects.filter(giveback__charge_id=charge_id).select_related("purchase", "giveback")
    return tuple(found.order_by("purchase_id"))
