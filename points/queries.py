"""What pages ask of the ledger. Points on hand are decided by the clock, never by a job (D1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum

from points.models import Cause, Entry, Lot
from points.spending import LotState, plan_spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Points that one lot pays or paid."""

    lot: Lot
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a charge would take, from which lots, and what would be left (R3, D2)."""

    cost: int
    on_hand: int
    parts: tuple[Part, ...]
    short_by: int

    @property
    def left(self) -> int:
        return self.on_hand - self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the statement: an entry, or an expiry that counts already and is not written yet."""

    at: datetime
    cause: Cause
    points: int
    lot: Lot
    reference: str
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Some lines, newest first, each with the balance after it; ``more`` where older ones follow."""

    lines: tuple[Line, ...]
    more: bool


def lots_on_hand(*, customer_id: int, at: datetime) -> QuerySet[Lot]:
    """The lots that can be spent at ``at``, in the order in which they are spent (D1, D2)."""
    lots = Lot.objects.filter(customer_id=customer_id, remaining__gt=0, expires_at__gt=at)
    return lots.order_by("expires_at", "bought_at", "pk")


def balance(*, customer_id: int, at: datetime) -> int:
    """Points on hand at ``at``: one query, however long the history."""
    found = lots_on_hand(customer_id=customer_id, at=at).order_by().aggregate(total=Sum("remaining"))
    return found["total"] or 0


def balances(customer_ids: Iterable[int], *, at: datetime) -> dict[int, int]:
    """Points on hand of several customers, in one query; a customer without any is left out."""
    lots = Lot.objects.filter(customer_id__in=set(customer_ids), remaining__gt=0, expires_at__gt=at)
    found = lots.order_by().values("customer_id").annotate(total=Sum("remaining"))
    return dict(found.values_list("customer_id", "total"))


def quote(*, customer_id: int, points: int, at: datetime) -> Quote:
    """What charging ``points`` at ``at`` would do; nothing is reserved by asking (R3)."""
    lots = {lot.pk: lot for lot in lots_on_hand(customer_id=customer_id, at=at)}
    states = [
        LotState(id=lot.pk, remaining=lot.remaining, expires_at=lot.expires_at, bought_at=lot.bought_at)
        for lot in lots.values()
    ]
    spending = plan_spending(lots=states, points=points, at=at)
    return Quote(
        cost=points,
        on_hand=spending.on_hand,
        parts=tuple(Part(lot=lots[pk], points=drawn) for pk, drawn in spending.parts),
        short_by=spending.short_by,
    )


def charge_parts(*, charge_id: int) -> list[Part]:
    """Which lots paid a charge, in the order in which they were drawn."""
    entries = Entry.objects.filter(charge_id=charge_id, cause=Cause.CHARGE).select_related("lot").order_by("pk")
    return [Part(lot=entry.lot, points=-entry.points) for entry in entries]


def statement(*, customer_id: int, at: datetime, page: int = 1, size: int = 50) -> Statement:
    """A page of the statement, newest first, by the instants at which entries count (D6).

    The newest balance is what the database keeps in the lots, so the first page costs the same however long
    the history is. An expiry that no job has written yet stands in its place all the same (D1). A page past
    the end is empty.
    """
    entries = Entry.objects.filter(customer_id=customer_id).order_by("-at", "-pk")
    start = (page - 1) * size
    # One row before the page and one after it say where it begins and ends.
    first = max(0, start - 1)
    rows = list(entries.select_related("lot", "charge")[first : start + size + 1])
    above = rows.pop(0).at if start and rows else None
    shown, more = rows[:size], len(rows) > size
    if start and not shown:
        return Statement(lines=(), more=False)
    left = Lot.objects.filter(customer_id=customer_id, remaining__gt=0)
    unwritten = list(left.filter(expires_at__lte=at))
    running = left.aggregate(total=Sum("remaining"))["total"] or 0
    running -= sum(lot.remaining for lot in unwritten if above is None or lot.expires_at <= above)
    if start:
        running -= entries.values("points")[:start].aggregate(total=Sum("points"))["total"] or 0

    here = [
        (lot.expires_at, 0, Cause.EXPIRY, -lot.remaining, lot, "")
        for lot in unwritten
        if (above is None or lot.expires_at <= above) and (not more or lot.expires_at > shown[-1].at)
    ]
    here += [
        (row.at, row.pk, Cause(row.cause), row.points, row.lot, row.charge.reference if row.charge else "")
        for row in shown
    ]
    lines = []
    # Of lines with one instant an unwritten expiry is the older one, and goes to the page of what follows.
    for counts_at, _pk, cause, points, lot, reference in sorted(
        here, key=lambda line: (line[0], line[1], line[4].pk), reverse=True
    ):
        lines.append(Line(at=counts_at, cause=cause, points=points, lot=lot, reference=reference, balance=running))
        running -= points
    return Statement(lines=tuple(lines), more=more)
