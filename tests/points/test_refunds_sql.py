"""What the database itself refuses of a refund to the card, whatever the application does (D4, D5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from points.crediting import plan_credits
from points.giving_back import MONEY_STAYED, legs_of
from points.models import Charge, GiveBack, HoldNews, Lot, Refund
from points.opening import open_credits
from points.refunding import share
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import (
    DAY,
    bought,
    charged,
    checked,
    given,
    key,
    on_hold,
    refused,
    said,
    sql,
    to_card,
)

pytestmark = [pytest.mark.rule("D4", "D5", "D6"), pytest.mark.usefixtures("provider")]


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    return bought(cast.acme, at=at)


@pytest.fixture
def charge(cast: Cast, lot: Lot, at: datetime) -> Charge:
    return charged(cast.acme, at=at)


@pytest.fixture
def refund(charge: Charge, at: datetime) -> Refund:
    (refund,) = to_card(charge, at=at)
    return refund


def goes_back(charge: Charge, *, at: datetime, means: str = "card") -> GiveBack:
    return GiveBack.objects.create(charge=charge, means=means, at=at, reason="A bug", key=key())


def raw_refund(lot: Lot, back: GiveBack, points: int = 10, amount_minor: int = 8000, **changed: Any) -> Refund:
    """A refund's row alone; right unless something is changed."""
    row: dict[str, Any] = {
        "giveback": back,
        "purchase": lot.purchase,
        "points": points,
        "amount_minor": amount_minor,
        "currency": "EUR",
        "key": key(),
        "decided_at": back.at,
        "next_try_at": back.at,
        **changed,
    }
    return Refund.objects.create(**row)


# A refund is a leg, and worth what it is worth


def test_a_right_one_is_taken(lot: Lot, charge: Charge, at: datetime):
    raw_refund(lot, goes_back(charge, at=at))
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    assert Refund.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "sent", "provider_ref": "re_1"}, "only goes forward: INSERT"),
        ({"state": "done", "provider_ref": "re_1"}, "only goes forward: INSERT"),
        ({"state": "failed"}, "only goes forward: INSERT"),
        ({"provider_ref": "re_1"}, "only goes forward: INSERT"),
        ({"currency": "USD"}, "was not paid by card in USD"),
        ({"points": 9, "amount_minor": 7200}, "paid 10 points of that charge, the refund is of 9"),
        ({"points": 30, "amount_minor": 24000}, "paid 10 points of that charge, the refund is of 30"),
        ({"amount_minor": 24000}, "10 more are not worth 24000"),
        ({"amount_minor": 24001}, "10 more are not worth 24001"),
        ({"amount_minor": 7999}, "10 more are not worth 7999"),
        ({"amount_minor": 0}, "not worth 0|refund_has_money"),
    ],
    ids=str,
)
def test_not_another_than_its_leg_and_amount(
    lot: Lot, charge: Charge, at: datetime, changed: dict[str, Any], words: str
):
    with refused(words):
        raw_refund(lot, goes_back(charge, at=at), **changed)


@pytest.mark.parametrize("kind", ["grant", "invoice"])
def test_not_of_a_purchase_that_no_card_paid(cast: Cast, at: datetime, kind: str):
    lot = given(cast.acme, 30, at=at)
    charge = charged(cast.acme, at=at)
    with refused("was not paid by card"):
        raw_refund(lot, goes_back(charge, at=at))
    with refused("was not paid by card"):
        raw_refund(lot, goes_back(charge, at=at), currency="")


def test_not_of_a_charge_that_comes_back_as_points(lot: Lot, charge: Charge, at: datetime):
    with refused("paid 0 points of that charge"):
        raw_refund(lot, goes_back(charge, at=at, means="points"))


def test_not_of_a_purchase_that_paid_nothing_of_it(cast: Cast, charge: Charge, at: datetime):
    other, theirs = bought(cast.acme, at=at + DAY), bought(cast.other, at=at)
    for lot in (other, theirs):
        with refused("paid 0 points of that charge"):
            raw_refund(lot, goes_back(charge, at=at))
    with refused("there is no purchase 4000000"):
        raw_refund(other, goes_back(charge, at=at), purchase_id=4_000_000, purchase=None)


def test_once_a_leg(lot: Lot, refund: Refund, at: datetime):
    with refused("refund_once_a_leg"):
        raw_refund(lot, refund.giveback)


def test_rows_of_one_statement_count_one_after_the_other(cast: Cast, at: datetime):
    """Together right, each wrong: the first would take what is the second's."""
    bought(cast.acme, 30, 1000, at=at)
    backs = [goes_back(charged(cast.acme, at=at), at=at) for _ in range(2)]
    row = (
        "INSERT INTO points_refund (giveback_id, purchase_id, points, amount_minor, currency, key, state, word,"
        " decided_at, tries, next_try_at, fence, last_error) SELECT b.id, lot.purchase_id, 10,"
        " CASE WHEN b.id = %s THEN {} ELSE {} END, 'EUR', format('raw %%s', b.id), 'pending', '', b.at, 0, b.at, 0, ''"
        " FROM points_giveback b, points_lot lot ORDER BY b.id"
    )
    for first, second in ((1, 666), (666, 1), (334, 333)):
        with refused("10 more are not worth"):
            sql(row.format(first, second), backs[0].pk)
    sql(row.format(333, 334), backs[0].pk)


@pytest.mark.parametrize(("amount", "points"), [(1000, 30), (5, 10), (15, 10), (25, 10), (1, 3), (7, 2), (99999999, 7)])
def test_the_database_rounds_as_the_desk_does(cast: Cast, at: datetime, amount: int, points: int):
    """Halves to the even one, and no other amount than that."""
    lot = bought(cast.acme, points, amount, at=at)
    back = goes_back(charged(cast.acme, 1, at=at), at=at)
    right = share(amount_minor=amount, points=1, of=points)
    for wrong in {right - 1, right + 1} - {0, -1}:
        with refused("more are not worth"):
            raw_refund(lot, back, 1, wrong)
    if right:
        raw_refund(lot, back, 1, right)
    transaction.set_rollback(True)


@pytest.mark.rule("D32")
def test_not_of_money_that_went_back_otherwise(lot: Lot, charge: Charge, at: datetime):
    hold = on_hold(lot, at=at)
    with refused("went back otherwise"):
        raw_refund(lot, goes_back(charge, at=at))
    for word in MONEY_STAYED:
        with transaction.atomic():
            HoldNews.objects.create(hold=hold, status=word, heard_at=at)
            raw_refund(lot, goes_back(charge, at=at))
            transaction.set_rollback(True)
    HoldNews.objects.create(hold=hold, status="lost", heard_at=at)
    with refused("went back otherwise"):
        raw_refund(lot, goes_back(charge, at=at))


# Only forward


@pytest.mark.parametrize(
    ("reached", "refused_next"),
    [
        (["sent"], ["pending"]),
        (["sent", "done"], ["pending", "sent"]),
        (["done"], ["pending", "sent"]),
        (["failed"], ["pending", "sent", "done"]),
        (["done", "failed"], ["pending", "sent", "done"]),
    ],
    ids=str,
)
def test_a_state_goes_forward_only(refund: Refund, at: datetime, reached: list[str], refused_next: list[str]):
    for state in reached:
        said(refund, state, at=at)
    for state in refused_next:
        settled = None if state in ("pending", "sent") else at
        with refused("only goes forward: UPDATE"):
            Refund.objects.update(state=state, settled_at=settled)


@pytest.mark.parametrize(
    "changed",
    [
        {"points": 30},
        {"amount_minor": 24000},
        {"currency": "USD"},
        {"key": "another"},
        {"decided_at": datetime(2020, 1, 1).astimezone()},
        {"settled_at": datetime(2030, 1, 1).astimezone()},
        {"provider_ref": "re_other"},
        {"provider_ref": None},
        {"fence": 2},
    ],
    ids=str,
)
def test_nothing_else_changes(refund: Refund, at: datetime, changed: dict[str, Any]):
    Refund.objects.update(fence=3)
    said(refund, "done", at=at)
    with refused("only goes forward: UPDATE"):
        Refund.objects.update(**changed)


def test_it_moves_to_no_other_charge_or_purchase(cast: Cast, refund: Refund, at: datetime):
    other = bought(cast.acme, at=at + DAY)
    with refused("only goes forward"):
        Refund.objects.update(purchase=other.purchase)
    with refused("only goes forward"):
        Refund.objects.update(giveback=goes_back(charged(cast.acme, at=at), at=at))


def test_what_its_way_needs_may_change(refund: Refund, at: datetime):
    Refund.objects.update(tries=4, next_try_at=at + DAY, claimed_until=at + DAY, fence=4, last_error="timed out")
    Refund.objects.update(claimed_until=None, word="on its way", last_error="")


@pytest.mark.parametrize("table", ["points_refund", "points_payment"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE"], ids=str.split)
def test_neither_role_takes_one_away(provider: None, committed_cast: Cast, at: datetime, table: str, statement: str):
    bought(committed_cast.acme, at=at)
    to_card(charged(committed_cast.acme, at=at), at=at)
    with refused("permission denied for table"):
        sql(statement.format(table))
    with as_owner(), refused("only goes forward|a payment stays"):
        sql(statement.format(table))


def test_the_owner_moves_none_backwards_either(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, at=at)
    (refund,) = to_card(charged(committed_cast.acme, at=at), at=at)
    said(refund, "failed", at=at)
    with as_owner():
        for change in ("state = 'done', provider_ref = 're_1'", "amount_minor = 1", "settled_at = settled_at + '1 s'"):
            with refused("only goes forward"):
                sql(f"UPDATE points_refund SET {change}")
        with refused("stays"):
            sql("UPDATE points_payment SET amount_minor = 1")


# In full, and either points or money


def test_a_charge_goes_back_to_the_card_in_full(cast: Cast, lot: Lot, at: datetime):
    other = bought(cast.acme, 5, 4000, at=at - DAY)
    charge = charged(cast.acme, at=at)
    with refused("of 10 points: refunds of 0, 0 of them failed, 0 credited"):
        goes_back(charge, at=at)
    with refused("of 10 points: refunds of 5, 0 of them failed"):
        raw_refund(other, goes_back(charge, at=at), 5, 4000)
    back = goes_back(charge, at=at)
    raw_refund(other, back, 5, 4000)
    raw_refund(lot, back, 5, 4000)
    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_not_to_a_card_where_a_grant_paid_a_part(cast: Cast, lot: Lot, at: datetime):
    free = given(cast.acme, 4, at=at - DAY)
    charge = charged(cast.acme, at=at)
    with refused("refunds of 6, 0 of them failed"):
        raw_refund(lot, goes_back(charge, at=at), 6, 4800)
    with refused("was not paid by card"):
        raw_refund(free, goes_back(charge, at=at), 4, 3200)


def points_back(charge: Charge, *, at: datetime) -> None:
    planned = plan_credits(legs=legs_of(charge_id=charge.pk), charged_at=charge.charged_at, credited_at=at)
    open_credits(charge=charge, planned=planned, at=at, actor=None)


def test_not_failed_without_its_points(refund: Refund, at: datetime):
    for state in ("pending", "done"):
        if state == "done":
            said(refund, "done", at=at)
        with refused("refunds of 10, 10 of them failed, 0 credited"):
            Refund.objects.update(state="failed", settled_at=at)


@pytest.mark.parametrize("state", ["pending", "sent", "done"])
def test_no_points_for_what_did_not_fail(charge: Charge, refund: Refund, at: datetime, state: str):
    if state != "pending":
        said(refund, state, at=at)
    with refused("goes back to the card"):
        points_back(charge, at=at)
    with refused("points_giveback_charge_id"):
        goes_back(charge, at=at, means="points")


def test_no_points_twice_for_what_failed(charge: Charge, refund: Refund, at: datetime):
    said(refund, "failed", at=at)
    with refused("lot_credited_once_a_leg"):
        points_back(charge, at=at)


def test_no_points_for_the_other_leg(cast: Cast, lot: Lot, at: datetime):
    bought(cast.acme, 5, 4000, at=at - DAY)
    charge = charged(cast.acme, at=at)
    first, _second = to_card(charge, at=at)
    with refused("goes back to the card"):
        Refund.objects.filter(pk=first.pk).update(state="failed", settled_at=at)
        points_back(charge, at=at)


def test_no_money_for_what_came_back_as_points(lot: Lot, charge: Charge, at: datetime):
    with refused("points_giveback_charge_id"):
        points_back_said = goes_back(charge, at=at, means="points")
        points_back(charge, at=at)
        raw_refund(lot, goes_back(charge, at=points_back_said.at))


# Two at once


def _overlapping(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """The second begins, and sees the database, before the first commits."""
    inside, go = threading.Event(), threading.Event()

    def holds() -> None:
        with transaction.atomic():
            first()
            inside.set()
            go.wait(1)

    def follows() -> None:
        inside.wait(10)
        with transaction.atomic():
            second()
        go.set()

    return at_once(holds, follows)


def _raw_back(lot: Lot, charge: Charge, amount_minor: int, *, at: datetime, isolation: str = "") -> None:
    if isolation:
        sql(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
    raw_refund(lot, goes_back(charge, at=at), amount_minor=amount_minor)


def test_two_at_once_are_not_paid_back_more_than_was_paid(committed_cast: Cast, at: datetime):
    """Each of ten points for EUR 10.00 of 30: the first gets 3.33, and the next 3.34, never both the same."""
    lot = bought(committed_cast.acme, 30, 1000, at=at)
    charges = [charged(committed_cast.acme, at=at) for _ in range(2)]
    done = _overlapping(*[partial(_raw_back, lot, charge, 333, at=at) for charge in charges])
    assert done[0] is None
    assert isinstance(done[1], IntegrityError)
    assert "10 points paid back with 333, 10 more are not worth 333" in str(done[1])
    assert Refund.objects.count() == 1


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_older_than_the_lock_counts_nothing(committed_cast: Cast, at: datetime, isolation: str):
    lot = bought(committed_cast.acme, 30, 1000, at=at)
    charge = charged(committed_cast.acme, at=at)

    @transaction.atomic
    def write() -> None:
        _raw_back(lot, charge, 333, at=at, isolation=isolation)

    with pytest.raises(IntegrityError, match="is counted in READ COMMITTED only"):
        write()
    assert not Refund.objects.exists()


def test_constraints_that_wait_do_not_wait_past_the_commit(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, at=at)
    charge = charged(committed_cast.acme, at=at)

    @transaction.atomic
    def write() -> None:
        sql("SET CONSTRAINTS ALL DEFERRED")
        goes_back(charge, at=at)

    with pytest.raises(DatabaseError, match="refunds of 0"):
        write()
    assert not GiveBack.objects.exists()
    assert "nothing differs" in checked()
