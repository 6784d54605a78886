"""The ledger once more, in plain Python and without the desk's own deciding: what it has to say at any instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

STAYED = {"won", "warning_closed", "failed", "canceled"}


@dataclass
class TwinPurchase:
    customer: int
    points: int
    amount: int = 0  # 0: not by card
    refs: list[TwinHold] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return any(hold.outcome is None for hold in self.refs)


@dataclass
class TwinLot:
    pk: int
    purchase: TwinPurchase
    points: int
    bought_at: datetime
    expires_at: datetime
    remaining: int
    expired: int = 0
    written_off: int = 0


@dataclass
class TwinCharge:
    pk: int
    customer: int
    at: datetime
    legs: dict[int, int]  # points by place of the lot
    back: str = ""
    credited: set[int] = field(default_factory=set)


@dataclass
class TwinRefund:
    pk: int
    charge: TwinCharge
    purchase: TwinPurchase
    points: int
    amount: int
    state: str = "pending"


@dataclass
class TwinHold:
    pk: int
    purchase: TwinPurchase
    words: set[str]
    outcome: str | None = None


@dataclass
class Twin:
    """Every row is remembered; whatever is asked is added up from all of them."""

    lots: list[TwinLot] = field(default_factory=list)
    charges: list[TwinCharge] = field(default_factory=list)
    refunds: list[TwinRefund] = field(default_factory=list)
    holds: list[TwinHold] = field(default_factory=list)
    purchases: list[TwinPurchase] = field(default_factory=list)

    @staticmethod
    def a_year_later(at: datetime, zone: str) -> datetime:
        """The end, in UTC, of the same local date one year later (D1)."""
        day = at.astimezone(ZoneInfo(zone)).date()
        last = date(day.year + 1, 2, 28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year + 1)
        return datetime.combine(last + timedelta(days=1), time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC)

    def of(self, customer: int, at: datetime) -> list[TwinLot]:
        """Lots that have not ended by the clock."""
        return [lot for lot in self.lots if lot.purchase.customer == customer and at < lot.expires_at]

    def on_hand(self, customer: int, at: datetime) -> int:
        return sum(lot.remaining for lot in self.of(customer, at) if not lot.purchase.held)

    def held(self, customer: int, at: datetime) -> int:
        return sum(lot.remaining for lot in self.of(customer, at) if lot.purchase.held)

    def in_sight(self, customer: int, at: datetime) -> int:
        return sum(lot.remaining for lot in self.of(customer, at))

    def buy(self, pk: int, customer: int, points: int, at: datetime, zone: str, amount: int = 0) -> TwinLot:
        purchase = TwinPurchase(customer, points, amount)
        self.purchases.append(purchase)
        lot = TwinLot(pk, purchase, points, at, self.a_year_later(at, zone), points)
        self.lots.append(lot)
        return lot

    def pay(self, customer: int, points: int, at: datetime) -> dict[int, int] | None:
        """Point by point, each of what ends first (D2); None where too few are on hand (R3)."""
        if self.on_hand(customer, at) < points:
            return None
        legs: dict[int, int] = {}
        for _ in range(points):
            lot = min(
                (lot for lot in self.of(customer, at) if lot.remaining and not lot.purchase.held),
                key=lambda lot: (lot.expires_at, lot.bought_at, lot.pk),
            )
            lot.remaining -= 1
            place = self.lots.index(lot)
            legs[place] = legs.get(place, 0) + 1
        return legs

    def credits(self, charge: TwinCharge, at: datetime, only: TwinPurchase | None = None) -> list[TwinLot]:
        """What comes back, with the life it had; the lots' own numbers are not known yet (D3)."""
        made = []
        for place, points in charge.legs.items():
            source = self.lots[place]
            if only is not None and source.purchase is not only:
                continue
            assert place not in charge.credited, "once a leg"
            charge.credited.add(place)
            life = source.expires_at - charge.at
            made.append(TwinLot(0, source.purchase, points, source.bought_at, at + life, points))
        return made

    def live(self, purchase: TwinPurchase) -> tuple[int, int]:
        """Points and money of a purchase that went, or go, back to its card."""
        there = [refund for refund in self.refunds if refund.purchase is purchase and refund.state != "failed"]
        return sum(refund.points for refund in there), sum(refund.amount for refund in there)

    def refund(self, charge: TwinCharge) -> list[tuple[TwinPurchase, int, int]] | str:
        """What each purchase pays back of a charge, or why nothing does (D5)."""
        legs: list[tuple[TwinPurchase, int]] = []
        for purchase in self.purchases:
            points = sum(n for place, n in charge.legs.items() if self.lots[place].purchase is purchase)
            legs += [(purchase, points)] if points else []
        if any(not purchase.amount for purchase, _points in legs):
            return "not_by_card"
        if any(not hold.words & STAYED for purchase, _points in legs for hold in purchase.refs):
            return "money_went_back"
        found = []
        for purchase, points in legs:
            before, paid = self.live(purchase)
            worth = round(Fraction(purchase.amount, purchase.points) * (before + points))
            if worth - paid <= 0:
                return "too_small"
            found.append((purchase, points, worth - paid))
        return found

    def balanced(self) -> None:
        """Nothing is created or lost: each point that was bought is somewhere, and no money is paid back twice."""
        for purchase in self.purchases:
            lots = [lot for lot in self.lots if lot.purchase is purchase]
            there = sum(lot.remaining + lot.expired + lot.written_off for lot in lots)
            spent = sum(
                points
                for charge in self.charges
                for place, points in charge.legs.items()
                if self.lots[place].purchase is purchase and place not in charge.credited
            )
            assert purchase.points == there + spent
            points, money = self.live(purchase)
            assert points <= purchase.points
            assert 0 <= money <= purchase.amount
            assert points < purchase.points or money == purchase.amount
        assert all(0 <= lot.remaining <= lot.points for lot in self.lots)
