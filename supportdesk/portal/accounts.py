"""A customer's points as the portal shows them, put together from the ledger's queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import QuerySet

from points.access import holders_for
from points.history import History, Life, history
from points.hold_services import held_points
from points.holding import holds_on
from points.models import Hold, Lot
from points.queries import Line, Statement, lots_on_hand, statement
from points.timeline import (
    Bar,
    Level,
    Picture,
    Span,
    add_months,
    balance_at,
    draw,
    first_instant,
    future_levels,
    past_levels,
)
from supportdesk import words
from supportdesk.people.models import Customer
from supportdesk.people.scope import Scope
from supportdesk.policy import POLICY
from supportdesk.portal import saying

LINES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Points on hand, the first lot to expire first."""

    customer: Customer
    lots: Sequence[Lot]
    held: int

    @property
    def is_low(self) -> bool:
        """True where they do not pay another e-mail incident (R1, D7)."""
        return self.balance < POLICY.email_points

    @property
    def balance(self) -> int:
        return sum(lot.remaining for lot in self.lots)


@dataclass(frozen=True, slots=True, kw_only=True)
class LotRow:
    """A lot of the picture, in numbers and in words."""

    life: Life
    bar: Bar
    state: str
    came: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """What the balance is at the end of a month; ``to_come`` if nothing is spent."""

    month: date
    balance: int
    to_come: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    line: Line
    said: saying.Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that the page of points shows of one customer."""

    customer: Customer
    history: History
    holds: Sequence[Hold]
    statement: Statement
    at: datetime
    past: tuple[Level, ...]
    future: tuple[Level, ...]
    picture: Picture

    @property
    def today(self) -> str:
        return words.day(self.at, self.customer.zone)

    @property
    def worth(self) -> str:
        return saying.worth(self.history.on_hand, self.customer.edition)

    @property
    def next_through(self) -> str:
        ends = self.history.next_ends
        return "" if ends is None else saying.through(ends, self.customer.zone)

    @property
    def next_in(self) -> str:
        return saying.in_days(self._next_days)

    @property
    def next_is_soon(self) -> bool:
        """Whether the first warning is out, or would be (D7)."""
        return self.history.next_ends is not None and self._next_days <= max(POLICY.expiry_warning_days)

    @property
    def _next_days(self) -> int:
        ends = self.history.next_ends
        return 0 if ends is None else saying.days_left(ends, self.customer.zone, at=self.at)

    @property
    def became(self) -> str:
        return saying.became(self.history.year, self.customer.zone)

    @property
    def lots(self) -> list[LotRow]:
        zone = self.customer.zone
        return [
            LotRow(
                life=life,
                bar=bar,
                state=saying.lot_state(life),
                came=saying.lot_came(life, zone),
                end=saying.lot_end(life, zone),
            )
            for life, bar in zip(self.history.lives, self.picture.bars, strict=True)
        ]

    @property
    def on_hold(self) -> list[str]:
        """Why points are on hold, a sentence each payment."""
        return [saying.on_hold(hold, points=hold.points_held) for hold in self.holds]  # type: ignore[attr-defined]

    @property
    def today_words(self) -> str:
        return saying.today(self.history)

    @property
    def left_out(self) -> str:
        return saying.left_out(self.history)

    @property
    def credits(self) -> list[str]:
        said = [saying.credit_life(life, self.customer.zone) for life in self.history.lives]
        return [text for text in said if text]

    @property
    def for_ears(self) -> str:
        return saying.for_ears(self.past, self.future, zone=self.customer.zone)

    @property
    def months(self) -> list[MonthRow]:
        """The picture's table, a month a row."""
        scale, rows = self.picture.scale, []
        for n in range(scale.months):
            ends = first_instant(add_months(scale.first, n + 1), scale.zone)
            to_come = ends > self.at
            balance = balance_at(self.future if to_come else self.past, ends)
            rows.append(MonthRow(month=add_months(scale.first, n), balance=balance, to_come=to_come))
        return rows

    @property
    def rows(self) -> list[StatementRow]:
        zone = self.customer.zone
        return [StatementRow(line=line, said=saying.cause(line.story, zone)) for line in self.statement.lines]


def accounts(scope: Scope, *, at: datetime) -> list[Account]:
    """One account for each customer whose points the contact may see (D21)."""
    return [
        Account(
            customer=customer,
            lots=list(lots_on_hand(customer_id=customer.pk, at=at)),
            held=held_points(customer_id=customer.pk, at=at),
        )
        for customer in own_holders(scope)
    ]


def sheets(scope: Scope, *, at: datetime, page: int) -> list[Sheet]:
    """One sheet for each customer whose points the contact may see (D21)."""
    return [_sheet(customer, at=at, page=page) for customer in own_holders(scope)]


def own_holders(scope: Scope) -> QuerySet[Customer]:
    """The customers of a contact whose points they see: staff see others' at the desk, not here (D21, D22)."""
    return holders_for(scope).filter(pk__in=scope.full_customer_ids).order_by("name", "pk")


def _sheet(customer: Customer, *, at: datetime, page: int) -> Sheet:
    found = history(customer_id=customer.pk, zone=customer.zone, at=at)
    past = past_levels(changes=found.changes, balance=found.balance, begins=found.scale.begins)
    future = future_levels(falls=found.falls, balance=found.balance, at=at)
    spans = [Span(began=life.began, ended=life.ended, points=life.lot.points, left=life.left) for life in found.lives]
    return Sheet(
        customer=customer,
        history=found,
        holds=list(holds_on(customer_id=customer.pk, at=at)) if found.on_hold else [],
        statement=statement(customer_id=customer.pk, at=at, page=page, size=LINES),
        at=at,
        past=past,
        future=future,
        picture=draw(scale=found.scale, at=at, past=past, future=future, spans=spans),
    )
