"""What goes back to a card (D5). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A purchase as refunds see it: what was paid for how many points, and what is on its way back already.

    Money is in the currency's smallest unit. ``refunded_points`` and ``refunded_minor`` leave out what failed.
    """

    purchase_id: int
    points: int
    amount_minor: int
    refunded_points: int = 0
    refunded_minor: int = 0


def share(*, amount_minor: int, points: int, of: int) -> int:
    """What ``points`` of ``of`` cost, rounded to the smallest unit, halves to the even one.

    >>> [share(amount_minor=1000, points=points, of=30) for points in (10, 20, 30)]
    [333, 667, 1000]
    """
    return round_half_even(amount_minor * points, of)


def round_half_even(numerator: int, denominator: int) -> int:
    """A fraction of whole numbers, rounded without a detour over floats.

    >>> [round_half_even(n, 2) for n in (1, 3, 5)]
    [0, 2, 2]
    """
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def refund_of(paid: Paid, points: int) -> int:
    """What refunding ``points`` more of a purchase pays back: what all that was refunded then is worth, less
    what was refunded before (D5).

    So the sums come out exactly, in any order, also where one in the middle failed. Three charges of a pack of 30
    points for EUR 10.00:

    >>> back = Paid(purchase_id=1, points=30, amount_minor=1000)
    >>> refund_of(back, 10)
    333
    >>> refund_of(Paid(purchase_id=1, points=30, amount_minor=1000, refunded_points=10, refunded_minor=333), 10)
    334
    >>> refund_of(Paid(purchase_id=1, points=30, amount_minor=1000, refunded_points=20, refunded_minor=667), 10)
    333

    Nothing (0) where that is less than the smallest unit. The database takes no other amount.

    Raises ValueError for points that the purchase does not have any more.
    """
    after = paid.refunded_points + points
    if points <= 0 or after > paid.points:
        raise ValueError(f"{points} points of purchase {paid.purchase_id} cannot be refunded")
    worth = share(amount_minor=paid.amount_minor, points=after, of=paid.points)
    return max(worth - paid.refunded_minor, 0)


def legs_by_purchase(parts: Iterable[tuple[int, int]]) -> dict[int, int]:
    """What each purchase paid of a charge, from the purchase and the points of each lot: the legs of a refund (D4).

    >>> legs_by_purchase([(7, 4), (9, 3), (7, 3)])
    {7: 7, 9: 3}
    """
    legs: dict[int, int] = {}
    for purchase_id, points in parts:
        legs[purchase_id] = legs.get(purchase_id, 0) + points
    return legs
