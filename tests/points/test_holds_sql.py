"""What the database itself refuses of points on hold, whatever the application does (D6, D32)."""

from __future__ import annotations

import threading
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from points.models import Charge, Entry, Hold, HoldDecision, Lot
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import (
    DAY,
    back,
    bought,
    charged,
    checked,
    decided,
    given,
    key,
    left,
    on_hold,
    raw_charge,
    raw_entry,
    refused,
    sql,
)

pytestmark = pytest.mark.rule("D6", "D32")


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    return bought(cast.acme, at=at)


def raw_hold(lot: Lot, *, at: datetime) -> Hold:
    """A hold's row alone."""
    return Hold.objects.create(
        purchase=lot.purchase,
        kind="chargeback",
        provider_ref=key(),
        amount_minor=1,
        currency="EUR",
        happened_at=at,
        placed_at=at,
    )


def raw_decision(hold: Hold, cast: Cast, points: int, *, at: datetime, outcome: str = "written_off") -> HoldDecision:
    """A decision's row alone."""
    return HoldDecision.objects.create(
        hold=hold, outcome=outcome, points=points, reason="Looked at", actor=cast.admin, at=at, key=key()
    )


def written_off(lot: Lot, points: int, *, at: datetime) -> int:
    return raw_entry(lot.customer, lot.pk, "writeoff", -points, at=at)


def held(*lots: Lot) -> list[bool]:
    found = dict(Lot.objects.values_list("pk", "held"))
    return [found[lot.pk] for lot in lots]


@pytest.mark.parametrize("table", ["points_hold", "points_holdnews", "points_holddecision"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"], ids=str.split)
def test_what_was_held_and_decided_stays_written(committed_cast: Cast, at: datetime, table: str, statement: str):
    hold = on_hold(bought(committed_cast.acme, at=at), at=at)
    decided(hold, "released", by=committed_cast.admin, at=at)
    with refused("permission denied for table"):
        sql(statement.format(table))
    with as_owner(), refused("append-only|referenced in a foreign key"):
        sql(statement.format(table))


@pytest.mark.parametrize("change", ["held = NOT held", "held = false, remaining = 30", "held = true"])
def test_nobody_marks_a_lot(committed_cast: Cast, at: datetime, change: str):
    lot = bought(committed_cast.acme, at=at)
    on_hold(lot, at=at)
    with refused("permission denied for table"):
        sql(f"UPDATE points_lot SET {change}")
    with as_owner(), refused("a lot changes by entries only"):
        sql(f"UPDATE points_lot SET {change}")
    assert held(lot) == [True]


def test_a_hold_marks_all_lots_of_its_purchase_and_no_other(cast: Cast, lot: Lot, at: datetime):
    other = bought(cast.acme, at=at + DAY)
    (credit,) = back(charged(cast.acme, at=at), at=at)
    first, second = raw_hold(lot, at=at), raw_hold(lot, at=at)
    assert held(lot, credit, other) == [True, True, False]
    raw_decision(first, cast, 30, at=at, outcome="released")
    assert held(lot, credit) == [True, True]
    raw_decision(second, cast, 30, at=at, outcome="released")
    assert held(lot, credit, other) == [False, False, False]


def test_a_lot_that_comes_into_a_held_purchase_begins_held(cast: Cast, lot: Lot, at: datetime):
    charge = charged(cast.acme, at=at)
    raw_hold(lot, at=at)
    (credit,) = back(charge, at=at)
    assert held(credit) == [True]


def test_what_is_held_is_not_spent(cast: Cast, lot: Lot, at: datetime):
    raw_hold(lot, at=at)
    with refused("points on hold are not spent"):
        paid = raw_charge(cast.acme, 5, at=at)
        raw_entry(cast.acme, lot.pk, "charge", -5, at=at, charge_id=paid)
    assert left(lot) == [30]


def test_only_what_is_held_is_written_off(cast: Cast, lot: Lot, at: datetime):
    with refused("only they are written off"):
        written_off(lot, 30, at=at)
    with refused("only they are written off"):
        written_off(given(cast.acme, 5, at=at), 5, at=at)
    hold = raw_hold(lot, at=at)
    with refused("only they are written off"):
        raw_decision(hold, cast, 30, at=at)
        written_off(lot, 30, at=at)


def test_it_is_written_off_whole_and_before_it_expires(cast: Cast, lot: Lot, at: datetime):
    hold = raw_hold(lot, at=at)
    with refused("written off whole, and before it expires"):
        written_off(lot, 29, at=at)
    for late in (lot.expires_at, lot.expires_at + DAY):
        with refused("written off whole, and before it expires"):
            written_off(lot, 30, at=late)
    written_off(lot, 30, at=at)
    raw_decision(hold, cast, 30, at=at)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    assert left(lot) == [0]


@pytest.mark.parametrize(
    ("entry", "decision", "words"),
    [
        (True, None, "30 points written off, 0 decided"),
        (True, 29, "30 points written off, 29 decided"),
        (True, 31, "30 points written off, 31 decided"),
        (False, 30, "0 points written off, 30 decided"),
    ],
)
def test_what_is_written_off_is_what_was_decided(
    cast: Cast, lot: Lot, at: datetime, entry: bool, decision: int | None, words: str
):
    hold = raw_hold(lot, at=at)
    with refused(words):
        if entry:
            written_off(lot, 30, at=at)
        if decision is not None:
            raw_decision(hold, cast, decision, at=at)


def test_a_hold_that_is_released_writes_nothing_off(cast: Cast, lot: Lot, at: datetime):
    hold = raw_hold(lot, at=at)
    with refused("30 points written off, 0 decided"):
        written_off(lot, 30, at=at)
        raw_decision(hold, cast, 30, at=at, outcome="released")


@pytest.mark.parametrize("changed", [{"reason": ""}, {"outcome": "kept"}], ids=str)
def test_a_decision_has_its_reason_and_is_one_of_two(cast: Cast, lot: Lot, at: datetime, changed: dict[str, Any]):
    hold = raw_hold(lot, at=at)
    row = {"hold": hold, "outcome": "released", "points": 30, "reason": "x", "actor": cast.admin, "at": at}
    with refused("hold_decision_has_a_reason|hold_outcome_known"):
        HoldDecision.objects.create(**{**row, **changed}, key=key())


def test_a_hold_is_decided_once(cast: Cast, lot: Lot, at: datetime):
    hold = raw_hold(lot, at=at)
    raw_decision(hold, cast, 30, at=at, outcome="released")
    with refused("points_holddecision_hold_id"):
        raw_decision(hold, cast, 30, at=at, outcome="released")


# Past the services' lock


def _meanwhile(first: Any, second: Any) -> list[Any]:
    """The second begins before the first, which has written already, commits."""
    wrote, begun = threading.Event(), threading.Event()

    def begins() -> None:
        with transaction.atomic():
            first()
            wrote.set()
            begun.wait(1)

    def follows() -> None:
        wrote.wait(10)
        with transaction.atomic():
            second()
        begun.set()

    return at_once(begins, follows)


@pytest.mark.parametrize("hold_first", [True, False])
def test_a_credit_and_a_hold_at_once_leave_no_free_lot(committed_cast: Cast, at: datetime, hold_first: bool):
    """Each would miss the other's row: the purchase's lock lets them in one after the other."""
    lot = bought(committed_cast.acme, at=at)
    bought(committed_cast.acme, at=at + DAY)
    charge = charged(committed_cast.acme, at=at)
    works = [partial(raw_hold, lot, at=at), partial(_credit, lot, charge, at=at)]
    assert _meanwhile(*(works if hold_first else reversed(works))) == [None, None]
    assert sorted(Lot.objects.filter(purchase=lot.purchase).values_list("origin", "held")) == [
        ("credit", True),
        ("purchase", True),
    ]
    assert "nothing differs" in checked()


def _credit(lot: Lot, charge: Charge, *, at: datetime) -> None:
    """A credit as raw SQL writes it, without the customer's lock."""
    sql(
        "INSERT INTO points_giveback (charge_id, means, at, reason, key) VALUES (%s, 'points', %s, 'A bug', 'raw')",
        charge.pk,
        at,
    )
    ((made,),) = sql(
        "INSERT INTO points_lot (customer_id, purchase_id, origin, from_lot_id, from_charge_id, points, remaining,"
        " bought_at, expires_at) VALUES (%s, %s, 'credit', %s, %s, 10, 0, %s, %s) RETURNING id",
        *(lot.customer_id, lot.purchase_id, lot.pk, charge.pk, lot.bought_at, lot.expires_at),
    )
    raw_entry(lot.customer, made, "credit", 10, at=at, charge_id=charge.pk)


def test_two_holds_decided_at_once_free_the_lots(committed_cast: Cast, at: datetime):
    lot = bought(committed_cast.acme, at=at)
    holds = [raw_hold(lot, at=at) for _ in range(2)]
    works = [partial(raw_decision, hold, committed_cast, 30, at=at, outcome="released") for hold in holds]
    assert _meanwhile(*works) == [None, None]
    assert held(lot) == [False]


@pytest.mark.parametrize("hold_first", [True, False])
def test_a_charge_and_a_hold_at_once_agree(committed_cast: Cast, at: datetime, hold_first: bool):
    lot = bought(committed_cast.acme, at=at)

    def spends() -> None:
        paid = raw_charge(committed_cast.acme, 5, at=at)
        raw_entry(committed_cast.acme, lot.pk, "charge", -5, at=at, charge_id=paid)

    works = [partial(raw_hold, lot, at=at), spends]
    done = _meanwhile(*(works if hold_first else reversed(works)))
    assert held(lot) == [True]
    if hold_first:
        assert isinstance(done[1], DatabaseError)
        assert "points on hold are not spent" in str(done[1])
    assert left(lot) == [30 if hold_first else 25]
    assert Entry.objects.filter(cause="charge").count() == (0 if hold_first else 1)
    assert "nothing differs" in checked()
