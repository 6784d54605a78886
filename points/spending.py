"""Which lots pay (D2). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LotState:
    """What spending needs to know of a lot: points left, and the instants (UTC) that order it."""

    id: int
    remaining: int
    expires_at: datetime
    bought_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Which lots pay how many points, in order, and how many points are missing (0 where all is paid)."""

    parts: tuple[tuple[int, int], ...]
    short_by: int
    on_hand: int


def spendable(lot: LotState, *, at: datetime) -> bool:
    """True until the instant of expiry, which itself no longer counts (D1)."""
    return lot.remaining > 0 and at < lot.expires_at


def plan_spending(*, lots: Iterable[LotState], points: int, at: datetime) -> Spending:
    """Draws ``points`` from the lots on hand: earliest expiry first, then earliest purchase, then lowest id (D2).

    Insufficiency is data, not an error: ``parts`` is then empty, for a charge is paid in full or not at all.

    >>> from datetime import UTC
    >>> january, march = datetime(2027, 1, 16, tzinfo=UTC), datetime(2027, 3, 2, tzinfo=UTC)
    >>> bought = datetime(2026, 1, 15, tzinfo=UTC)
    >>> lots = [LotState(id=1, remaining=5, expires_at=march, bought_at=bought),
    ...         LotState(id=2, remaining=5, expires_at=january, bought_at=bought),
    ...         LotState(id=3, remaining=30, expires_at=datetime(2027, 12, 2, tzinfo=UTC), bought_at=bought)]
    >>> plan_spending(lots=lots, points=10, at=datetime(2026, 12, 1, tzinfo=UTC)).parts
    ((2, 5), (1, 5))
    >>> plan_spending(lots=lots, points=41, at=datetime(2026, 12, 1, tzinfo=UTC)).short_by
    1
    """
    if points <= 0:
        raise ValueError(f"{points} points cannot be spent")
    usable = sorted(
        (lot for lot in lots if spendable(lot, at=at)), key=lambda lot: (lot.expires_at, lot.bought_at, lot.id)
    )
    on_hand = sum(lot.remaining for lot in usable)
    if on_hand < points:
        return Spending(parts=(), short_by=points - on_hand, on_hand=on_hand)
    parts: list[tuple[int, int]] = []
    missing = points
    for lot in usable:
        drawn = min(lot.remaining, missing)
        parts.append((lot.id, drawn))
        missing -= drawn
        if not missing:
            break
    return Spending(parts=tuple(parts), short_by=0, on_hand=on_hand)


def portions(parts: Iterable[tuple[int, int]], *, each: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """``parts`` cut into spendings of ``each`` points that are made one after the other, in the same order (D2).

    >>> portions([(1, 4), (2, 16)], each=10)
    (((1, 4), (2, 6)), ((2, 10),))
    """
    cut: list[list[tuple[int, int]]] = []
    room = 0
    for lot, points in parts:
        left = points
        while left:
            if not room:
                cut.append([])
                room = each
            drawn = min(room, left)
            cut[-1].append((lot, drawn))
            left -= drawn
            room -= drawn
    return tuple(tuple(portion) for portion in cut)
