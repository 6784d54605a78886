"""What giving a charge back makes: one credit for each lot that it drew on (D3, D4). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from points.lifetimes import credit_expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What one lot paid of a charge, and when that lot expires or expired (UTC)."""

    lot_id: int
    points: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What one leg gives back: the same points, until ``expires_at``; ``by_rule`` is when they would end by D3."""

    lot_id: int
    points: int
    expires_at: datetime
    by_rule: datetime

    @property
    def is_extended(self) -> bool:
        return self.expires_at > self.by_rule


class NotLater(ValueError):
    """A later expiry was granted that is later for no leg; ``latest`` is when the last one ends by D3."""

    def __init__(self, latest: datetime) -> None:
        super().__init__(f"the points live until {latest.isoformat()} as it is")
        self.latest = latest


class ReasonMissing(ValueError):
    """Points that somebody enters, and a later expiry, need a reason."""


def plan_credits(
    *,
    legs: Iterable[Leg],
    charged_at: datetime,
    credited_at: datetime,
    later: datetime | None = None,
    reason: str = "",
) -> tuple[Credit, ...]:
    """One credit a leg, with the life its points had left when they were spent (D3); what ends first comes first.

    Months may pass between charge and credit: the life does not shrink.

    >>> from datetime import UTC
    >>> spent, found = datetime(2026, 12, 1, 15, tzinfo=UTC), datetime(2027, 6, 1, 15, tzinfo=UTC)
    >>> legs = [Leg(lot_id=1, points=4, expires_at=datetime(2027, 1, 1, tzinfo=UTC)),
    ...         Leg(lot_id=2, points=6, expires_at=datetime(2027, 11, 1, tzinfo=UTC))]
    >>> for credit in plan_credits(legs=legs, charged_at=spent, credited_at=found):
    ...     print(credit.lot_id, credit.points, credit.expires_at)
    1 4 2027-07-02 00:00:00+00:00
    2 6 2028-05-01 00:00:00+00:00

    A later expiry, granted with a reason, moves only what would end before it:

    >>> later = datetime(2027, 12, 1, tzinfo=UTC)
    >>> for credit in plan_credits(legs=legs, charged_at=spent, credited_at=found, later=later, reason="The wait"):
    ...     print(credit.lot_id, credit.expires_at, credit.is_extended)
    1 2027-12-01 00:00:00+00:00 True
    2 2028-05-01 00:00:00+00:00 False

    Raises NotLater, ReasonMissing, ValueError.
    """
    if credited_at < charged_at:
        raise ValueError("a charge is not given back before it was made")
    found = sorted(
        (
            (credit_expires_at(lot_expires_at=leg.expires_at, charged_at=charged_at, credited_at=credited_at), leg)
            for leg in legs
        ),
        key=lambda pair: (pair[0], pair[1].lot_id),
    )
    if later is not None:
        if not reason.strip():
            raise ReasonMissing("say why the points live longer")
        latest = found[-1][0]
        if all(later <= by_rule for by_rule, _leg in found):
            raise NotLater(latest)
    return tuple(
        Credit(
            lot_id=leg.lot_id,
            points=leg.points,
            expires_at=by_rule if later is None else max(by_rule, later),
            by_rule=by_rule,
        )
        for by_rule, leg in found
    )
