"""A product failure as its customer sees it: both ways, the choice, what became of it (R14, D3, D5, D17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.cases import CreditCase
from incidents.models import Incident
from incidents.services import crediting
from points.models import Lot
from points.queries import balance
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.people.templatetags.words import ends
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in
from tests.points.ledger import bought, on_hold
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("R14", "D17")
DAY = timedelta(days=1)


def case_of(contact: Contact, cast: Cast, *, at: datetime) -> CreditCase:
    incident = opened(contact, at=at)
    return crediting.mark_bug(incident_id=incident.pk, reference="QM-4518", user=cast.technician, at=at, key=key())


@pytest.fixture
def case(cast: Cast, clock_at: datetime) -> CreditCase:
    return case_of(cast.owner, cast, at=clock_at)


def there(incident: Incident, act: str = "") -> str:
    return f"/incidents/{incident.number}/{act}"


def said(cast: Cast, path: str) -> str:
    return plain(signed_in(cast.owner).get(path).content.decode())


@pytest.mark.rule("D3", "D5")
def test_the_page_previews_both_ways(cast: Cast, case: CreditCase, at: datetime):
    words = said(cast, there(case.incident))
    assert "bug of ours" in words
    assert "10 points, valid until 1 Dec 2027" in words
    assert "As a refund to the card Not possible: not all of these points were paid by card." in words
    assert "I want the 10 points back" in words
    assert "Please say so by Tue 15 Dec, 10:00 ; if you say nothing, it is points." in words
    assert "Reference QM-4518" in words
    with clock.set_to(at + 100 * DAY):
        assert "10 points, valid until 10 Mar 2028" in said(cast, there(case.incident)), "worth what it was worth"


def test_points_are_chosen_by_the_button(cast: Cast, case: CreditCase):
    browser = signed_in(cast.owner)
    assert "Bugs of ours: how do you want back what they cost? It stops at night , 10 points until 15 Dec 2026" in said(
        cast, "/"
    )
    for _time in range(2):
        done = browser.post(there(case.incident, "credit/"), {"choice": "points"}, follow=True)
        assert "You want the points back. We decide, and tell you by mail." in plain(done.content.decode())
    assert "Chosen by Olive Owner" in plain(done.content.decode())
    assert "Olive Owner wants the points back" in plain(done.content.decode())
    case.refresh_from_db()
    assert (case.choice, case.chosen_by) == ("points", cast.owner)
    assert "Bugs of ours" not in said(cast, "/")


@pytest.mark.rule("D5")
def test_the_card_is_refused_with_the_reason(cast: Cast, case: CreditCase):
    browser = signed_in(cast.owner)
    answer = browser.post(there(case.incident, "credit/"), {"choice": "card"}, follow=True)
    assert "not possible: not all of these points were paid by card. Nothing was changed." in plain(
        answer.content.decode()
    )
    for wrong in ({}, {"choice": "cash"}):
        answer = browser.post(there(case.incident, "credit/"), wrong, follow=True)
        assert "Choose points or the card." in plain(answer.content.decode())
    case.refresh_from_db()
    assert case.choice == ""


@pytest.mark.rule("D21", "D22")
def test_nobody_chooses_for_another_customer_or_a_colleagues_incident(cast: Cast, case: CreditCase, at: datetime):
    for who in (cast.stranger, cast.restricted):
        browser = signed_in(who)
        assert browser.post(there(case.incident, "credit/"), {"choice": "points"}).status_code == 404
        assert browser.get(there(case.incident)).status_code == 404
        assert "Bugs of ours" not in browser.get("/").content.decode()
    without = opened(cast.owner, at=at)
    assert signed_in(cast.owner).post(there(without, "credit/"), {"choice": "points"}).status_code == 404
    case.refresh_from_db()
    assert case.choice == ""


@pytest.mark.rule("D21")
def test_a_restricted_contact_chooses_for_their_own(cast: Cast, clock_at: datetime):
    case = case_of(cast.restricted, cast, at=clock_at)
    browser = signed_in(cast.restricted)
    assert "10 points, valid until 1 Dec 2027" in plain(browser.get(there(case.incident)).content.decode())
    assert browser.post(there(case.incident, "credit/"), {"choice": "points"}).status_code == 302
    case.refresh_from_db()
    assert case.chosen_by == cast.restricted


@pytest.mark.rule("D3", "D4")
def test_what_came_back_is_told_on_the_page_and_in_the_statement(cast: Cast, case: CreditCase, at: datetime):
    crediting.determine(case_id=case.pk, outcome="credited", reason="", user=cast.admin, at=at, key=key())
    words = said(cast, there(case.incident))
    assert "It was a bug of ours: 10 points are back 10 points, valid until 1 Dec 2027" in words
    assert "I want the" not in words
    number = " ".join(case.incident.shown_number.split())
    statement = said(cast, "/points/")
    assert f"Credited: what incident {number} cost +10 balance 10" in statement
    assert "10 of 10 left credited 1 Dec 2026 through 1 Dec 2027" in statement
    late = signed_in(cast.owner).post(there(case.incident, "credit/"), {"choice": "points"}, follow=True)
    assert "It is decided already; see below." in plain(late.content.decode())


def test_a_refusal_is_told_with_its_reason(cast: Cast, case: CreditCase, at: datetime):
    crediting.determine(
        case_id=case.pk, outcome="refused", reason="It is <b>old</b>.", user=cast.admin, at=at, key=key()
    )
    page = signed_in(cast.owner).get(there(case.incident)).content.decode()
    assert "What it cost is not given back" in page
    assert "It is &lt;b&gt;old&lt;/b&gt;." in page


def test_silence_is_told(cast: Cast, case: CreditCase, at: datetime):
    crediting.record_silence(at=at + 14 * DAY)
    assert "Nobody answered, so it is points." in said(cast, there(case.incident))


def test_the_home_needs_as_many_queries_for_ten_bugs_as_for_one(cast: Cast, case: CreditCase, at: datetime):
    browser = signed_in(cast.owner)

    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert browser.get(path).status_code == 200
        return len(seen)

    one = asked("/")
    for _time in range(10):
        case_of(cast.owner, cast, at=at)
    assert asked("/") == one
    assert one <= 24
    assert asked(there(case.incident)) <= 28


@pytest.mark.rule("D3")
def test_an_end_within_a_day_is_said_with_its_time():
    """A lot through 25 November that is spent and given back two minutes later is dead for most of the 26th."""
    lot = Lot(expires_at=datetime(2027, 11, 26, 5, 0, tzinfo=UTC))
    assert ends(lot, "America/New_York") == "25 Nov 2027"
    lot.expires_at += timedelta(minutes=2)
    assert ends(lot, "America/New_York") == "26 Nov 2027, 0:02"


@pytest.mark.rule("D3", "D32")
def test_what_comes_back_on_hold_is_said_before_and_after(cast: Cast, clock_at: datetime, at: datetime):
    lot = bought(cast.acme, 10, 9000, at=clock_at)
    incident = opened(cast.owner, at=clock_at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="B", user=cast.technician, at=clock_at, key=key())
    on_hold(lot, at=clock_at)
    assert "10 points of it are on hold at first" in said(cast, there(case.incident))
    page = plain(signed_in(cast.admin).get(f"/admin/incidents/creditcase/{case.pk}/change/").content.decode())
    assert "0 → 0 points on hand" in page
    crediting.determine(case_id=case.pk, outcome="credited", reason="", user=cast.admin, at=at, key=key())
    mail = OutgoingMail.objects.get(kind="incident_bug_determined")
    for body in (mail.text, mail.html):
        assert "10 points of it are on hold at first" in body
    assert balance(customer_id=cast.acme.pk, at=at) == 0
