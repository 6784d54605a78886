"""The mails about a bug of ours where cards paid: both ways, what goes back, what the card refused (R14, D4, D17)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.cases import CreditCase
from incidents.services import crediting
from supportdesk.mail.models import OutgoingMail
from tests.cards import EUR, JPY, heard, paid_by_two, refunded
from tests.cast import Cast
from tests.incidents_helpers import key, opened
from tests.points.ledger import bought
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("R14", "D4", "D17")
DAY = timedelta(days=1)


@pytest.fixture
def case(cast: Cast, clock_at: datetime, settings: Any) -> CreditCase:
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"
    return paid_by_two(cast, at=clock_at)


def both(kind: str) -> tuple[str, str, str]:
    """The subject, the text, and what the HTML says."""
    mail = OutgoingMail.objects.get(kind=f"incident_{kind}")
    return mail.subject, " ".join(mail.text.split()), plain(mail.html)


def test_a_marked_bug_names_both_ways(case: CreditCase):
    _subject, *bodies = both("bug_marked")
    for said in bodies:
        assert "4 points, valid until 23 Aug 2027" in said
        assert "6 points, valid until 21 Nov 2027" in said
        assert f"{EUR} to the card ending 4242" in said
        assert f"{JPY} to the card ending 4242" in said
        assert "your bank may take up to ten days to show it" in said
        assert "not possible" not in said


def test_a_marked_bug_says_why_no_card(cast: Cast, clock_at: datetime):
    opened_ = opened(cast.owner, at=clock_at)
    crediting.mark_bug(incident_id=opened_.pk, reference="B", user=cast.technician, at=clock_at, key=key())
    for said in both("bug_marked")[1:]:
        assert "not possible, not all of these points were paid by card" in said
        assert "ten days" not in said


def test_a_refund_names_amounts_and_cards(cast: Cast, case: CreditCase, at: datetime):
    refunded(case, cast, at=at)
    subject, *bodies = both("bug_determined")
    assert "It stops at night" in subject
    for said in bodies:
        assert "what it cost goes back to your card." in said
        assert f"{EUR} to the card ending 4242" in said
        assert f"{JPY} to the card ending 4242" in said
        assert "Your bank may take up to ten days to show it." in said
        assert "Should the card not take it, you get that part back as points instead, and we tell you." in said
        assert "QM-4518" in said


@pytest.mark.rule("D3")
def test_what_the_card_refused_is_back_as_points(cast: Cast, case: CreditCase, at: datetime):
    _eur, jpy = refunded(case, cast, at=at)
    heard(jpy, "failed", at=at + DAY, text="expired_or_canceled_card")
    subject, *bodies = both("refund_failed")
    assert "It stops at night" in subject
    for said in bodies:
        assert f"{JPY} could not be paid back to the card ending 4242. So the points are back:" in said
        assert "6 points, valid until 22 Nov 2027" in said
        assert "4 points" not in said, "the other leg is on its way"
        assert "expired_or_canceled_card" not in said


@pytest.mark.rule("D37")
def test_three_decimals(cast: Cast, clock_at: datetime, settings: Any):
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"
    bought(cast.acme, 10, 1005, at=clock_at, currency="KWD")
    incident = opened(cast.owner, at=clock_at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="B", user=cast.technician, at=clock_at, key=key())
    refunded(case, cast, at=clock_at)
    for said in both("bug_determined")[1:]:
        assert "KWD 1.005" in said
