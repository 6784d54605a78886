"""An account in time, for its page: the same few queries and a bounded answer however long the history (D1, D6).

What happened in a day is added up by the database, from the tallies that it keeps; nothing here reads entries
one by one. Lots that are past their instant count as expired whether a job has written it or not.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import (
    BooleanField,
    Case,
    Count,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from points.models import OPENING, Cause, Entry, Lot, Tally
from points.queries import lots_on_hand
from points.timeline import Change, Scale, scale_of, year_began

LOTS_SHOWN = 12
TO_COME = "to come"


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A lot from its first instant to its last: what is left, or how it ended and of how many points.

    What is left of a lot on hold is in sight, and can't be spent (D32).
    """

    lot: Lot
    began: datetime
    ended: datetime
    state: Literal["left", "expired", "spent"]
    points: int

    @property
    def left(self) -> int:
        return self.points if self.state == "left" else 0

    @property
    def on_hold(self) -> bool:
        return self.lot.held and self.state == "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The twelve months that end today: ``at_hand`` at their start or bought since, and what became of points."""

    at_hand: int
    used: int
    credited: int
    expired: int
    last_expired_at: datetime | None
    taken: int  # written off


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """``changes`` since the scale begins, a day each; ``falls`` still to come; ``lives`` in the order of their ends."""

    scale: Scale
    on_hand: int
    on_hold: int
    next_points: int
    next_ends: datetime | None
    changes: tuple[Change, ...]
    falls: tuple[Change, ...]
    year: Year
    lives: tuple[Life, ...]
    later_lots: int  # with points left, but not among the lives: they expire later
    older_lots: int  # ended, and not among the lives

    @property
    def balance(self) -> int:
        """What the entries add up to: points on hand, and those on hold (D6, D32)."""
        return self.on_hand + self.on_hold

    @property
    def ever(self) -> bool:
        """Whether there were points at any time."""
        return bool(self.lives or self.later_lots or self.older_lots)


def history(*, customer_id: int, zone: str, at: datetime) -> History:
    """All that the page of points draws and says, beside the statement."""
    lots = Lot.objects.filter(customer_id=customer_id)
    alive = Q(remaining__gt=0, expires_at__gt=at)
    totals = lots.aggregate(
        points=Sum("remaining", filter=alive, default=0),
        held=Sum("remaining", filter=alive & Q(held=True), default=0),
        lots=Count("pk", filter=alive),
        latest=Max("expires_at", filter=alive),
        ever=Count("pk"),
    )
    scale = scale_of(at=at, zone=zone, latest=totals["latest"])
    since = year_began(at=at, zone=zone)
    days = scale.days
    by_day = [*_entries_by_day(customer_id, days), *_expiries_by_day(customer_id, days, ends=scale.ends, at=at)]
    changes = [row for row in by_day if row["cause"] != TO_COME]
    lately = bisect(days, since)
    falls = [row for row in by_day if row["cause"] == TO_COME]
    lives = _lives(lots, alive=alive, since=since)
    shown = sum(1 for life in lives if life.state == "left")
    coming = lots_on_hand(customer_id=customer_id, at=at).order_by("expires_at")
    first = coming.values("expires_at").annotate(points=Sum("remaining")).first()
    return History(
        scale=scale,
        on_hand=totals["points"] - totals["held"],
        on_hold=totals["held"],
        next_points=first["points"] if first else 0,
        next_ends=first["expires_at"] if first else None,
        changes=_changes(changes),
        falls=_changes(falls),
        year=_year([row for row in changes if row["day"] >= lately], balance=totals["points"]),
        lives=lives,
        later_lots=totals["lots"] - shown,
        older_lots=totals["ever"] - totals["lots"] - (len(lives) - shown),
    )


def _day(column: str, days: Sequence[datetime]) -> Func:
    """Which of the local days an instant lies in, the first being 1.

    The database is told when they begin: it may know other zones than the pinned ones. As one text, for a
    thousand values are dear to hand over one by one.
    """
    begins = Value(f"{{{','.join(day.isoformat() for day in days)}}}")
    template = "width_bucket(%(expressions)s::timestamptz[])"
    return Func(F(column), begins, template=template, output_field=IntegerField())


def _entries_by_day(customer_id: int, days: Sequence[datetime]) -> list[dict[str, Any]]:
    """What the tallies of each day come to: by the hour, or by the quarter where days begin within an hour."""
    minutes = Tally.HOUR if all(day.minute == 0 for day in days) else Tally.QUARTER
    tallies = Tally.objects.filter(customer_id=customer_id, minutes=minutes, begins__gte=days[0]).order_by()
    by_day = tallies.annotate(day=_day("begins", days)).values("day", "cause")
    return [dict(row) for row in by_day.annotate(net=Sum("points"), last=Max("last_at"))]


def _expiries_by_day(
    customer_id: int, days: Sequence[datetime], *, ends: datetime, at: datetime
) -> list[dict[str, Any]]:
    """What expired and is not written yet, and what is to come."""
    lots = Lot.objects.filter(customer_id=customer_id, remaining__gt=0, expires_at__gte=days[0], expires_at__lte=ends)
    gone = ExpressionWrapper(Q(expires_at__lte=at), output_field=BooleanField())
    by_day = lots.order_by().annotate(day=_day("expires_at", days), gone=gone).values("day", "gone")
    rows = by_day.annotate(net=-Sum("remaining"), last=Max("expires_at"))
    return [row | {"cause": Cause.EXPIRY if row["gone"] else TO_COME} for row in rows]


def _changes(rows: Iterable[dict[str, Any]]) -> tuple[Change, ...]:
    """One change a day, at the last instant at which something changed in it."""
    days: dict[int, Change] = {}
    for row in rows:
        before = days.get(row["day"])
        days[row["day"]] = Change(
            at=max(before.at, row["last"]) if before else row["last"],
            points=row["net"] + (before.points if before else 0),
        )
    return tuple(days[day] for day in sorted(days) if days[day].points)


def _year(rows: list[dict[str, Any]], *, balance: int) -> Year:
    def net(*causes: str) -> int:
        return sum(row["net"] for row in rows if row["cause"] in causes)

    bought = net(Cause.PURCHASE)
    return Year(
        at_hand=balance - sum(row["net"] for row in rows) + bought,
        used=-net(Cause.CHARGE),
        credited=net(Cause.CREDIT),
        expired=-net(Cause.EXPIRY),
        last_expired_at=max((row["last"] for row in rows if row["cause"] == Cause.EXPIRY), default=None),
        taken=-net(Cause.WRITEOFF),
    )


def _lives(lots: Any, *, alive: Q, since: datetime) -> tuple[Life, ...]:
    """Those with points left, first to expire first, and while there is room those ended since, the latest first."""
    its = Entry.objects.filter(lot=OuterRef("pk"))
    found = (
        lots.filter(expires_at__gte=since)
        .annotate(
            soonest=Case(When(alive, then=F("expires_at"))),
            began=Coalesce(Subquery(its.filter(cause__in=OPENING).values("at")[:1]), F("bought_at")),
            written=Subquery(its.filter(cause=Cause.EXPIRY).values("points")[:1]),
            last_drawn=Case(When(remaining=0, then=Subquery(its.order_by("-at").values("at")[:1]))),
        )
        .select_related("purchase", "from_charge", "from_lot")
        .order_by(F("soonest").asc(nulls_last=True), "-expires_at", "-bought_at", "-pk")
    )
    lives = [_life(lot) for lot in found[:LOTS_SHOWN]]
    kept = [life for life in lives if life.state == "left" or life.ended >= since]
    return tuple(sorted(kept, key=lambda life: (life.state == "left", life.ended, life.lot.pk)))


def _life(lot: Any) -> Life:
    if lot.soonest is not None:
        return Life(lot=lot, began=lot.began, ended=lot.expires_at, state="left", points=lot.remaining)
    expired = lot.remaining or -(lot.written or 0)
    if expired:
        return Life(lot=lot, began=lot.began, ended=lot.expires_at, state="expired", points=expired)
    return Life(lot=lot, began=lot.began, ended=lot.last_drawn, state="spent", points=lot.points)
