"""What is sold by card, and for how much (D32)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from points.currencies import a_point_costs
from points.lifetimes import last_day
from points.models import Payment, Price
from supportdesk.people.models import Customer
from supportdesk.places import zone_info


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One pack in one currency; money is in its smallest unit."""

    pack_id: int
    points: int
    amount_minor: int
    currency: str

    @property
    def a_point(self) -> str:
        """What one point of it costs, for comparing."""
        return a_point_costs(self.amount_minor, points=self.points, currency=self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The packs that a customer can buy in one currency, and the other currencies that there are."""

    currency: str
    currencies: tuple[str, ...]
    offers: tuple[Offer, ...]


def shop(*, customer: Customer, currency: str = "") -> Shop:
    """The packs on sale, smallest first: in ``currency``, else the one the customer paid in last, else the one with
    the most packs. Without prices there are no offers.
    """
    prices = list(Price.objects.filter(pack__active=True).select_related("pack").order_by("pack__points", "currency"))
    offered = [price.currency for price in prices]
    known = sorted(set(offered))
    if currency not in known:
        paid = Payment.objects.filter(customer=customer, state=Payment.State.PAID, currency__in=known)
        last = paid.order_by("-started_at").values_list("currency", flat=True).first()
        currency = last or max(known, key=offered.count, default="")
    return Shop(
        currency=currency,
        currencies=tuple(known),
        offers=tuple(
            Offer(pack_id=price.pack_id, points=price.pack.points, amount_minor=price.amount_minor, currency=currency)
            for price in prices
            if price.currency == currency
        ),
    )


def spendable_through(customer: Customer, *, at: datetime) -> datetime:
    """A time on the last local day through which points bought at ``at`` can be spent (D1)."""
    zone = zone_info(customer.zone)
    local = at.astimezone(zone)
    day = last_day(local.date())
    return datetime(day.year, day.month, day.day, 12, tzinfo=zone)
