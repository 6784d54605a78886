"""What is known of a claim on a purchase's money, and what either decision would do (D32)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, IntegerField, OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from points.models import Cause, Charge, Entry, Hold, HoldNews, Lot
from points.queries import balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What an incident drew from a lot, and whether its charge was given back."""

    charge: Charge
    points: int
    given_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLot:
    """A lot of the purchase: what is left of it, and on what the rest was spent."""

    lot: Lot
    spent: tuple[Spent, ...]

    @property
    def spent_points(self) -> int:
        return sum(part.points for part in self.spent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A hold with its whole story. ``points`` are held and alive; ``others`` are undecided holds beside it."""

    hold: Hold
    news: tuple[HoldNews, ...]
    lots: tuple[ClaimedLot, ...]
    points: int
    others: tuple[Hold, ...]
    on_hand: int

    @property
    def if_released(self) -> int:
        """Points on hand if it is released: the same where another hold keeps them."""
        return self.on_hand if self.others else self.on_hand + self.points


def claimed(hold: Hold, *, at: datetime) -> Claimed:
    """All that the page of a hold shows, in the same few queries whatever was spent."""
    drawn = Entry.objects.filter(cause=Cause.CHARGE).select_related("charge__given_back").order_by("at", "pk")
    lots = Lot.objects.filter(purchase=hold.purchase_id).order_by("expires_at", "pk")
    found = lots.prefetch_related(Prefetch("entries", queryset=drawn))
    others = Hold.objects.filter(purchase=hold.purchase_id, decision=None).exclude(pk=hold.pk)
    return Claimed(
        hold=hold,
        news=tuple(hold.news.order_by("pk")),
        lots=tuple(ClaimedLot(lot=lot, spent=_spent(lot)) for lot in found),
        points=sum(lot.remaining for lot in found if lot.held and lot.expires_at > at),
        others=tuple(others),
        on_hand=balance(customer_id=hold.purchase.customer_id, at=at),
    )


def _spent(lot: Lot) -> tuple[Spent, ...]:
    return tuple(
        Spent(charge=entry.charge, points=-entry.points, given_back=hasattr(entry.charge, "given_back"))
        for entry in lot.entries.all()
        if entry.charge is not None
    )


def holds_on(*, customer_id: int, at: datetime) -> QuerySet[Hold]:
    """The customer's undecided holds that keep points now, one a purchase, with how many as ``points_held``."""
    lots = Lot.objects.filter(purchase=OuterRef("purchase"), held=True, remaining__gt=0, expires_at__gt=at).order_by()
    total = lots.values("purchase").annotate(total=Sum("remaining")).values("total")
    earlier = Hold.objects.filter(purchase=OuterRef("purchase"), decision=None, pk__lt=OuterRef("pk"))
    held = Hold.objects.filter(~Exists(earlier), purchase__customer=customer_id, decision=None)
    held = held.annotate(points_held=Coalesce(Subquery(total, output_field=IntegerField()), 0))
    return held.filter(points_held__gt=0).select_related("purchase")
