"""The mails of a purchase, a hold and a warning, in text and HTML, with odd currencies (D7, D30, D32, D37)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from points.models import LowBalance
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.points.ledger import bought, charged, decided, on_hold
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D32")
EVIL = "<img src=x onerror=alert(1)>"


def both(kind: str) -> tuple[str, str, str]:
    """The subject, the text, and what the HTML says."""
    mail = OutgoingMail.objects.filter(kind=kind).latest("pk")
    return mail.subject, " ".join(mail.text.split()), plain(mail.html)


@pytest.mark.rule("D37")
@pytest.mark.parametrize(
    ("minor", "currency", "amount"), [(24510, "EUR", "EUR 245.10"), (3000, "JPY", "JPY 3000"), (5, "KWD", "KWD 0.005")]
)
def test_the_receipt(cast: Cast, clock_at: datetime, minor: int, currency: str, amount: str):
    lot = bought(cast.acme, 30, minor, at=clock_at, currency=currency)
    subject, *bodies = both("points_bought")
    assert subject == "30 points added, 30 on hand"
    for said in bodies:
        for words in (
            "30 points were added for Acme Tools.",
            amount,
            "with the card ending 4242 (Visa)",
            "1 December 2026",
            f"Purchase number: {lot.purchase_id}",
            "They can be spent through",
            "1 Dec 2027",
            "On hand now: 30 points",
            "This mail is your receipt.",
        ):
            assert words in said, words
    assert "/points/" in bodies[0]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("chargeback", "The card’s bank asks the payment of JPY 3000 back that was made on 1 December 2026."),
        ("refund", "JPY 3000 of the payment of 1 December 2026 went back to the card."),
    ],
)
def test_points_on_hold(cast: Cast, clock_at: datetime, kind: str, words: str):
    on_hold(bought(cast.acme, 30, 3000, at=clock_at, currency="JPY"), at=clock_at, kind=kind)
    subject, *bodies = both("points_held")
    assert subject == "30 points are on hold"
    for said in bodies:
        assert "30 points of Acme Tools are on hold." in said
        assert words in said
        assert "On hand now: 0 points" in said
        assert "We tell you by mail what becomes of it." in said


@pytest.mark.parametrize(
    ("outcome", "words", "on_hand"),
    [
        ("released", "20 points of Acme Tools are no longer on hold.", "20 points"),
        ("written_off", "20 points of Acme Tools were written off.", "0 points"),
    ],
)
def test_a_decided_hold(cast: Cast, clock_at: datetime, outcome: str, words: str, on_hand: str):
    lot = bought(cast.acme, 30, at=clock_at)
    charged(cast.acme, at=clock_at)
    decided(on_hold(lot, at=clock_at), outcome, by=cast.admin, at=clock_at, reason=f"It is over {EVIL}\nSorted")
    _subject, *bodies = both("points_hold_decided")
    for said in bodies:
        assert words in said
        assert f"On hand now: {on_hand}" in said
        assert "It is over" in said
    assert EVIL not in OutgoingMail.objects.get(kind="points_hold_decided").html


@pytest.mark.rule("D7", "D8")
@pytest.mark.parametrize("connected", [True, False])
def test_a_low_balance_leads_to_buying_where_cards_are_taken(
    cast: Cast, clock_at: datetime, settings: Any, connected: bool
):
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody" if connected else ""
    bought(cast.acme, 10, at=clock_at)
    charged(cast.acme, at=clock_at)
    assert LowBalance.objects.count() == 1
    mail = OutgoingMail.objects.get(kind="points_low")
    for body in (mail.text, mail.html):
        assert ("/buy/" in body, "Buy points" in body) == (connected, connected)
