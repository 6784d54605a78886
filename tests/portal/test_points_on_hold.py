"""Points on hold on the customer's pages: in sight, not to be spent, and why (D32)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from points.history import history
from points.models import Lot
from tests.cast import Cast
from tests.incidents_helpers import signed_in
from tests.points.ledger import bought, charged, decided, given, on_hold
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D32")
DAY = timedelta(days=1)


@pytest.fixture
def lot(cast: Cast, clock_at: datetime) -> Lot:
    """Thirty points by card, ten spent; eight more were granted."""
    lot = bought(cast.acme, 30, at=clock_at - 30 * DAY)
    charged(cast.acme, at=clock_at - 20 * DAY)
    given(cast.acme, 8, at=clock_at - DAY)
    return lot


def html(cast: Cast, path: str = "/points/") -> str:
    return signed_in(cast.owner).get(path).content.decode()


def said(cast: Cast, path: str = "/points/") -> str:
    return plain(html(cast, path))


def test_points_on_hold_are_in_sight_and_not_on_hand(cast: Cast, lot: Lot, at: datetime):
    on_hold(lot, at=at)
    words = said(cast)
    assert (
        "20 points on hold: the payment of EUR 240.00 of 1 Nov 2026 is disputed; they cannot be spent until we have "
        "looked at it." in words
    )
    assert "On hand 8 points too few for a mail, which needs 10; 20 more on hold" in words
    assert "Next to expire 8 through" in words, "held points are not spent first"
    assert "28 today, 20 of them on hold" in words
    assert "20 of 30 on hold" in words
    assert "8 of 8 left" in words
    assert "20 points on hold" in said(cast, "/")
    assert re.findall(r'class="(lotfill[^"]*)"', html(cast)) == ["lotfill held", "lotfill"]


def test_money_that_went_back_is_said_otherwise(cast: Cast, lot: Lot, at: datetime):
    on_hold(lot, at=at, kind="refund")
    assert "20 points on hold: the payment of EUR 240.00 of 1 Nov 2026 went back to the card" in said(cast)


def test_two_claims_on_one_payment_are_one_sentence(cast: Cast, lot: Lot, at: datetime):
    first = on_hold(lot, at=at)
    on_hold(lot, at=at + DAY, kind="refund")
    assert said(cast).count("points on hold:") == 1
    decided(first, "released", by=cast.admin, at=at + DAY)
    assert "20 points on hold: the payment of EUR 240.00 of 1 Nov 2026 went back to the card" in said(cast)


def test_what_is_released_is_on_hand_again(cast: Cast, lot: Lot, at: datetime):
    decided(on_hold(lot, at=at), "released", by=cast.admin, at=at)
    words = said(cast)
    assert "on hold" not in words
    assert "On hand 28 points 2 mails" in words


def test_what_is_written_off_has_its_line(cast: Cast, lot: Lot, at: datetime):
    decided(on_hold(lot, at=at), "written_off", by=cast.admin, at=at)
    words = said(cast)
    assert "Written off: points of the lot of 1 Nov 2026 −20 balance 8" in words
    assert "20 written off" in words
    assert "on hold" not in words
    file = b"".join(signed_in(cast.owner).get("/points/statement.csv").streaming_content)  # type: ignore[attr-defined]
    assert "Written off: points of the lot of 1 Nov 2026" in file.decode()


@pytest.mark.rule("D6")
def test_the_balance_of_the_picture_is_the_statements(cast: Cast, lot: Lot, at: datetime):
    """A hold is no entry: what the entries add up to does not change with it."""

    def now() -> tuple[int, Any]:
        found = history(customer_id=cast.acme.pk, zone=cast.acme.zone, at=at)
        return found.balance, found.year

    before = now()
    on_hold(lot, at=at)
    assert now() == before


@pytest.mark.rule("D8")
def test_held_points_do_not_pay_a_draft(cast: Cast, lot: Lot, at: datetime):
    on_hold(lot, at=at)
    assert "10 points, 8 on hand" in said(cast, "/report/")


@pytest.mark.rule("D22")
def test_nobody_elses_hold_is_in_sight(cast: Cast, lot: Lot, at: datetime):
    on_hold(lot, at=at)
    assert "on hold" not in plain(signed_in(cast.stranger).get("/points/").content.decode())
