"""The card after a bug, as its customer sees it: chosen, on its way, paid back, refused (R14, D4, D5, D17)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.cases import CreditCase
from incidents.services import crediting
from tests.cards import BOTH, EUR, JPY, heard, paid_by_two, refunded
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in
from tests.points.ledger import back, bought, charged
from tests.portal.test_credits import said, there
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("R14", "D4", "D5", "D17")
DAY = timedelta(days=1)


@pytest.fixture
def case(cast: Cast, clock_at: datetime, settings: Any) -> CreditCase:
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"
    return paid_by_two(cast, at=clock_at)


def choose(cast: Cast, case: CreditCase, choice: str) -> str:
    browser: Client = signed_in(cast.owner)
    answer = browser.post(there(case.incident, "credit/"), {"choice": choice}, follow=True)
    return plain(answer.content.decode())


def test_both_ways_stand_side_by_side(cast: Cast, case: CreditCase):
    words = said(cast, there(case.incident))
    assert "As points Points by lot 4 points valid until" in words
    assert f"As a refund to the card {EUR} to the card ending 4242 {JPY} to the card ending 4242" in words
    assert f"I want {BOTH} back on the card" in words
    assert "Not possible" not in words


def test_the_choice_can_change_until_it_is_determined(cast: Cast, case: CreditCase, at: datetime):
    words = choose(cast, case, "card")
    assert "You want a refund to the card. We decide, and tell you by mail." in words
    assert "Olive Owner wants a refund to the card" in words
    assert "You can change your mind until we have decided." in words
    assert words.count("Chosen by Olive Owner") == 1
    assert "I want the 10 points back" in words
    words = choose(cast, case, "points")
    assert f"I want {BOTH} back on the card" in words
    assert words.count("Chosen by Olive Owner") == 1
    choose(cast, case, "card")
    refunded(case, cast, at=at)
    assert "It is decided already; see below." in choose(cast, case, "points")
    case.refresh_from_db()
    assert (case.choice, case.outcome) == ("card", "refunded")


def test_a_card_that_became_impossible_is_said(cast: Cast, case: CreditCase, settings: Any):
    choose(cast, case, "card")
    settings.STRIPE_SECRET_KEY = ""
    words = said(cast, there(case.incident))
    assert "As a refund to the card Not possible: refunds to a card are not connected yet." in words
    assert "I want the 10 points back" in words


def test_the_refund_is_followed_in_the_customers_words(cast: Cast, case: CreditCase, at: datetime):
    eur, jpy = refunded(case, cast, at=at)
    words = said(cast, there(case.incident))
    assert "It was a bug of ours: what it cost goes back to your card" in words
    assert f"{EUR} to the card ending 4242 : on its way; your bank may take up to ten days to show it." in words
    heard(eur, "done", at=at + DAY)
    heard(jpy, "failed", at=at + DAY, text="expired_or_canceled_card")
    words = said(cast, there(case.incident))
    assert f"{EUR} to the card ending 4242 : paid back on 2 Dec 2026 ." in words
    assert f"{JPY} to the card ending 4242 : the card did not take it, so points came back:" in words
    assert "6 points, valid until 22 Nov 2027." in words
    assert "expired_or_canceled_card" not in words, "the provider's word is the desk's (D22)"
    assert "The refund was paid back to the card" in words


@pytest.mark.rule("D6")
def test_the_statement_says_what_went_back_to_which_card(cast: Cast, case: CreditCase, at: datetime):
    browser = signed_in(cast.owner)

    def lines() -> tuple[str, str]:
        page = plain(browser.get("/points/").content.decode())
        return page, b"".join(browser.get("/points/statement.csv").streaming_content).decode()  # type: ignore[attr-defined]

    before = lines()
    assert not any("refunded" in text for text in before)
    eur, jpy = refunded(case, cast, at=at)
    for text in lines():
        assert f"; refunded to the card ending 4242, {EUR}" in text
        assert f"; refunded to the card ending 4242, {JPY}" in text
    heard(jpy, "failed", at=at + DAY)
    for text in lines():
        assert f"; refunded to the card ending 4242, {EUR}" in text
        assert f", {JPY}" not in text.replace("by card, JPY 3000", "")
        assert "Credited: what incident" in text
    heard(eur, "done", at=at + DAY)
    assert f"refunded to the card ending 4242, {EUR}" in lines()[0]


def test_one_refund_of_two_lots_is_said_in_parts(cast: Cast, clock_at: datetime, settings: Any):
    """Points that were credited, and the rest of the same purchase, pay one incident: that is one leg (D4)."""
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"
    bought(cast.acme, 10, 8000, at=clock_at - DAY)
    back(charged(cast.acme, 4, at=clock_at - DAY), at=clock_at - DAY)
    incident = opened(cast.owner, at=clock_at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="B", user=cast.technician, at=clock_at, key=key())
    (refund,) = refunded(case, cast, at=clock_at)
    assert (refund.points, refund.amount_minor) == (10, 8000)
    page = plain(signed_in(cast.owner).get("/points/").content.decode())
    assert page.count("; refunded to the card ending 4242, part of EUR 80.00") == 2


def test_the_page_needs_the_same_queries_for_one_leg_and_two(cast: Cast, case: CreditCase, at: datetime):
    browser = signed_in(cast.owner)

    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert browser.get(path).status_code == 200
        return len(seen)

    open_, points = asked(there(case.incident)), asked("/points/")
    refunded(case, cast, at=at)
    assert asked(there(case.incident)) <= open_
    assert asked("/points/") == points
    assert open_ <= 28
