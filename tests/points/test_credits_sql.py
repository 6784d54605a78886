"""What the database itself refuses of a credit, whatever the application does (D3, D4, D6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from points.models import Charge, GiveBack, Lot
from supportdesk.roles import as_owner
from tests.cast import Cast
from tests.points.ledger import DAY, TICK, back, charged, given, key, raw_entry, raw_lot, refused, sql

pytestmark = pytest.mark.rule("D3", "D4", "D6")


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    return given(cast.acme, 30, at=at)


@pytest.fixture
def charge(cast: Cast, lot: Lot, at: datetime) -> Charge:
    return charged(cast.acme, at=at)


def say_given_back(charge: Charge, *, at: datetime, **changed: Any) -> None:
    row = {"charge": charge, "means": "points", "at": at, "reason": "A bug", "key": key(), **changed}
    GiveBack.objects.create(**row)


@contextmanager
def wrong(words: str, charge: Charge, *, at: datetime, **changed: Any) -> Iterator[None]:
    """The database refuses, with these words, what the block writes for a charge that is given back."""
    with refused(words):
        say_given_back(charge, at=at, **changed)
        yield


def raw_credit(lot: Lot, charge: Charge, points: int = 10, *, at: datetime, named: Any = "", **changed: Any) -> int:
    """A credit's lot and entry as SQL writes them; right unless something is changed."""
    row: dict[str, Any] = {
        "purchase_id": lot.purchase_id,
        "origin": "credit",
        "from_lot_id": lot.pk,
        "from_charge_id": charge.pk,
        "bought_at": lot.bought_at,
        "expires_at": at + (lot.expires_at - charge.charged_at),
        **changed,
    }
    customer = row.pop("customer", lot.customer)
    made = raw_lot(customer, points, at=at, **row)
    raw_entry(customer, made, "credit", points, at=at, charge_id=charge.pk if named == "" else named)
    return made


def test_a_right_one_is_taken(lot: Lot, charge: Charge, at: datetime):
    say_given_back(charge, at=at + DAY)
    raw_credit(lot, charge, at=at + DAY)
    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_whatever_zone_the_session_is_in(lot: Lot, charge: Charge, at: datetime):
    """Days across a change of the clocks have 24 hours all the same."""
    spring = at + timedelta(days=110)
    sql("SET TIME ZONE 'America/New_York'")
    say_given_back(charge, at=spring)
    raw_credit(lot, charge, at=spring)
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("SET TIME ZONE 'UTC'")


@pytest.mark.parametrize("points", [9, 11, 30])
def test_not_other_points_than_the_leg_spent(lot: Lot, charge: Charge, at: datetime, points: int):
    with wrong("the credit has", charge, at=at):
        raw_credit(lot, charge, points, at=at)


def test_not_to_another_customer(cast: Cast, lot: Lot, charge: Charge, at: datetime):
    with wrong("different customers|of another customer", charge, at=at):
        raw_credit(lot, charge, at=at, customer=cast.other)
    theirs = given(cast.other, 30, at=at)
    charged(cast.other, at=at)
    with wrong("of another customer", charge, at=at):
        raw_credit(theirs, charge, at=at, customer=cast.acme)


def test_not_of_a_lot_that_the_charge_did_not_draw_on(cast: Cast, lot: Lot, charge: Charge, at: datetime):
    other = given(cast.acme, 30, at=at + DAY)
    with wrong("drew 0 points on lot", charge, at=at):
        raw_credit(other, charge, at=at + DAY)


def test_not_twice_a_leg(lot: Lot, charge: Charge, at: datetime):
    back(charge, at=at)
    with refused("lot_credited_once_a_leg"):
        raw_credit(lot, charge, at=at)
    with refused("points_giveback_charge_id"):
        say_given_back(charge, at=at)


def test_not_of_another_purchase(cast: Cast, lot: Lot, charge: Charge, at: datetime):
    other = given(cast.acme, 30, at=at + DAY)
    with wrong("of another purchase", charge, at=at):
        raw_credit(lot, charge, at=at, purchase_id=other.purchase_id)
    with wrong("of another purchase", charge, at=at):
        raw_credit(lot, charge, at=at, bought_at=lot.bought_at - DAY)


@pytest.mark.parametrize("off", [-TICK, TICK, -DAY, 100 * DAY])
def test_not_with_another_life(lot: Lot, charge: Charge, at: datetime, off: timedelta):
    with wrong("it has to at", charge, at=at):
        raw_credit(lot, charge, at=at, expires_at=lot.expires_at + off)


def test_a_later_end_only_as_it_was_granted(lot: Lot, charge: Charge, at: datetime):
    until = lot.expires_at + 30 * DAY
    for off in (-TICK, TICK):
        with wrong("it has to at", charge, at=at, expires_at=until):
            raw_credit(lot, charge, at=at, expires_at=until + off)
    say_given_back(charge, at=at, expires_at=until)
    raw_credit(lot, charge, at=at, expires_at=until)
    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_not_before_the_charge(lot: Lot, charge: Charge, at: datetime):
    with wrong("it has to at", charge, at=at):
        raw_credit(lot, charge, at=at - DAY)


def test_not_without_its_charge_or_the_word_that_it_is_given_back(lot: Lot, charge: Charge, at: datetime):
    with refused("is not given back"):
        raw_credit(lot, charge, at=at)
    with wrong("names no charge", charge, at=at):
        raw_credit(lot, charge, at=at, named=None)
    for without in ("from_charge_id", "from_lot_id"):
        with wrong("lot_credit_has_its_lot", charge, at=at):
            raw_credit(lot, charge, at=at, **{without: None})  # type: ignore[arg-type]


def test_not_half(cast: Cast, lot: Lot, at: datetime):
    """A charge of two legs, of which one comes back."""
    first = given(cast.acme, 4, at=at - DAY)
    charge = charged(cast.acme, at=at)
    with refused("of 10 points is given back with 4"):
        say_given_back(charge, at=at)
        raw_credit(first, charge, 4, at=at)
    with refused("is given back with 0"):
        say_given_back(charge, at=at)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": ""}, "giveback_has_a_reason"),
        ({"means": "cash"}, "giveback_means_known"),
        ({"means": "card", "expires_at": datetime(2030, 1, 1).astimezone()}, "giveback_of_money"),
    ],
)
def test_the_word_has_a_reason_and_a_means(charge: Charge, at: datetime, changed: dict[str, Any], words: str):
    with refused(words):
        say_given_back(charge, at=at, **changed)


@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"], ids=str.split)
def test_what_was_given_back_stays_so(committed_cast: Cast, at: datetime, statement: str):
    given(committed_cast.acme, 30, at=at)
    back(charged(committed_cast.acme, at=at), at=at)
    with refused("permission denied for table"):
        sql(statement.format("points_giveback"))
    with as_owner(), refused("append-only|referenced in a foreign key"):
        sql(statement.format("points_giveback"))


def test_the_migration_goes_back_and_forth(fresh_db: str):
    call_command("migrate", "incidents", "0002", verbosity=0)
    call_command("migrate", "points", "0002", verbosity=0)
    with as_owner():
        assert sql("SELECT to_regclass('points_giveback'), to_regproc('points_entry_credits')") == [(None, None)]
    call_command("migrate", verbosity=0)
    with as_owner():
        assert sql("SELECT has_table_privilege('desk_app', 'points_giveback', 'UPDATE')") == [(False,)]
