"""A product failure on the desk and in Django admin: marked, listed, determined (R14, D3, D4, D17)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.cases import CreditCase
from incidents.models import Incident
from incidents.services import crediting
from points.models import Lot
from points.queries import balance
from points.services import credit_back
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in, with_points
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("R14", "D17")
DAY = timedelta(days=1)
LIST = "/admin/incidents/creditcase/"


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    """Ten points: four of an old lot, six of a new one."""
    with_points(cast.acme, 4, at=clock_at - 200 * DAY)
    with_points(cast.acme, 30, at=clock_at)
    return opened(cast.owner, at=clock_at, points=0)


@pytest.fixture
def case(cast: Cast, incident: Incident, clock_at: datetime) -> CreditCase:
    return marked(incident, cast, at=clock_at)


@pytest.fixture
def admin(cast: Cast) -> Client:
    return signed_in(cast.admin)


def marked(incident: Incident, cast: Cast, *, at: datetime, reference: str = "QM-4518") -> CreditCase:
    return crediting.mark_bug(incident_id=incident.pk, reference=reference, user=cast.technician, at=at, key=key())


def page(case: CreditCase) -> str:
    return reverse("admin:incidents_creditcase_change", args=[case.pk])


def told(answer: Any) -> str:
    return plain(answer.content.decode())


def sent(browser: Client, case: CreditCase, do: str, **given: str) -> Any:
    """Presses a button of the page, with the key that came with it."""
    (once,) = re.findall(r'name="key" value="(\w{32})"', browser.get(page(case)).content.decode())
    return browser.post(page(case), {"key": once, "do": do, **given}, follow=True)


# The technician


def test_marking_on_the_page(cast: Cast, incident: Incident):
    desk, there = signed_in(cast.technician), f"/desk/incidents/{incident.number}/"
    body = desk.get(there).content.decode()
    assert "<summary>Mark as bug</summary>" in body
    assert "The customer is asked how they want the 10 points back" in plain(body)
    empty = desk.post(f"{there}bug/", {"bug-key": "0123456789", "bug-reference": " "})
    assert empty.status_code == 422
    assert "Give the reference of the bug" in told(empty)
    form = {"bug-key": "0123456789", "bug-reference": "QM-4518"}
    for _time in range(2):
        done = desk.post(f"{there}bug/", form, follow=True)
        assert "on the admins’ list, and the customer is asked: points or card." in told(done)
    assert "bug QM-4518, customer asked" in told(done)
    assert "<summary>Mark as bug</summary>" not in done.content.decode()
    again = desk.post(f"{there}bug/", {"bug-key": "9876543210", "bug-reference": "Other"})
    assert again.status_code == 422
    assert "Tess Technician marked it before, as QM-4518. Nothing was changed." in told(again)
    assert CreditCase.objects.count() == 1


def test_a_closed_incident_is_marked_too(cast: Cast, incident: Incident):
    Incident.objects.filter(pk=incident.pk).update(status="closed", closed_at=incident.opened_at)
    desk = signed_in(cast.technician)
    form = {"bug-key": "0123456789", "bug-reference": "QM-4518"}
    desk.post(f"/desk/incidents/{incident.number}/bug/", form)
    assert CreditCase.objects.get().state == "asked"


@pytest.mark.rule("D22")
def test_only_admins_have_the_list_beside_the_queue(cast: Cast, case: CreditCase, admin: Client):
    beside = re.compile(r'<a href="/admin/incidents/creditcase/"[^>]*>Credits<span class="count" data-tone="points">1<')
    assert beside.search(admin.get("/desk/").content.decode())
    assert "creditcase" not in signed_in(cast.technician).get("/desk/").content.decode()
    assert page(case) in admin.get(f"/desk/incidents/{case.incident.number}/").content.decode()
    assert page(case) not in signed_in(cast.technician).get(f"/desk/incidents/{case.incident.number}/").content.decode()


# The admin


@pytest.mark.rule("D22")
def test_nobody_else_gets_in(cast: Cast, case: CreditCase):
    for who in (cast.technician, cast.owner, cast.stranger):
        browser = signed_in(who)
        for path in (LIST, page(case)):
            assert browser.get(path, follow=True).status_code == 403
            assert browser.post(path, {"key": "0123456789", "do": "credited"}, follow=True).status_code == 403
    assert Client().get(page(case)).status_code == 302
    case.refresh_from_db()
    assert case.outcome == ""


@pytest.mark.parametrize("number", ["0", "4000000", "x", "9" * 30, "-1", "٣"])
def test_a_case_that_is_none_is_not_there(admin: Client, case: CreditCase, number: str):
    assert admin.get(f"{LIST}{number}/change/").status_code == 404
    assert admin.post(f"{LIST}{number}/change/", {"do": "credited"}).status_code == 404


def test_the_list_has_the_open_ones_first_and_filters(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    decided = marked(opened(cast.owner, at=at - DAY), cast, at=at - DAY, reference="QM-1")
    crediting.determine(case_id=decided.pk, outcome="refused", reason="No", user=cast.admin, at=at, key=key())
    body = admin.get(LIST).content.decode()
    assert body.index("QM-4518") < body.index("QM-1<")
    only = admin.get(LIST, {"state__exact": "determined"}).content.decode()
    assert ("QM-1<" in only, "QM-4518<" in only) == (True, False)
    assert "QM-4518" in admin.get(LIST, {"q": case.incident.number}).content.decode()


def test_the_list_needs_as_many_queries_for_ten_as_for_one(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert admin.get(path).status_code == 200
        return len(seen)

    one, single = asked(LIST), asked(page(case))
    for _time in range(10):
        marked(opened(cast.owner, at=at), cast, at=at)
    assert asked(LIST) == one
    assert asked(page(case)) == single
    assert max(one, single) <= 21


@pytest.mark.rule("D3", "D5")
def test_the_page_shows_where_the_points_came_from_and_what_comes_back(cast: Cast, case: CreditCase, admin: Client):
    said = told(admin.get(page(case)))
    number = " ".join(case.incident.shown_number.split())
    assert f"Credit for incident {number} ? customer asked" in said
    assert "Acme Tools, New York. Tess Technician marked it as a product failure" in said
    assert "10 points , by e-mail Tue 1 Dec, 10:00 in New York not given back before" in said
    assert "4 from the lot until 15 May 2027 4, bought 15 May 2026" in said
    assert "6 from the lot until 1 Dec 2027 30, bought 1 Dec 2026" in said
    assert "24 → 34 points on hand" in said
    assert "4 points until 16 May 2027 , 0:00 6 points until 2 Dec 2027 , 0:00" in said
    assert "Not possible: not all of these points were paid by card." in said
    assert "Give back 10 points" in said
    assert "Mailed to Olive Owner as written." in said


@pytest.mark.rule("D3", "D4")
def test_points_are_given_back_by_the_button(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    done = sent(admin, case, "credited")
    assert "10 points are back, and the customer is told." in told(done)
    assert "Determined by Ada Admin" in told(done)
    assert balance(customer_id=cast.acme.pk, at=at) == 34
    assert OutgoingMail.objects.filter(kind="incident_bug_determined", to_address="olive@acme.example").count() == 1
    assert LogEntry.objects.get().object_id == str(case.pk)
    assert "Give back 10 points" not in told(done)
    desk = told(signed_in(cast.technician).get(f"/desk/incidents/{case.incident.number}/"))
    assert "bug QM-4518, points given back" in desk
    assert "Ada Admin gave back 10 points" in desk


def test_the_credit_is_refused_with_a_reason(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    missing = sent(admin, case, "refused", why=" ")
    assert missing.status_code == 422
    assert "Say why: the customer reads it." in told(missing)
    assert "The credit is refused, and the customer is told why." in told(sent(admin, case, "refused", why="A habit"))
    case.refresh_from_db()
    assert (case.outcome, case.reason) == ("refused", "A habit")
    assert balance(customer_id=cast.acme.pk, at=at) == 24


@pytest.mark.rule("D3")
def test_a_later_day_is_shown_before_and_granted_with_its_reason(cast: Cast, case: CreditCase, admin: Client):
    shown = told(admin.get(page(case), {"later": "2027-09-30"}))
    assert "4 points until 1 Oct 2027 , 0:00 6 points until 2 Dec 2027 , 0:00" in shown
    without = sent(admin, case, "credited", later="2027-09-30")
    assert without.status_code == 422
    assert "Say why the points live longer" in told(without)
    sent(admin, case, "credited", later="2027-09-30", later_why="For the wait")
    ends = {lot.points: lot.expires_at.isoformat() for lot in Lot.objects.filter(origin="credit")}
    assert ends == {4: "2027-10-01T04:00:00+00:00", 6: "2027-12-02T05:00:00+00:00"}
    case.refresh_from_db()
    assert case.reason == "For the wait"


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2026-12-01", "This day is not ahead."),
        ("2099-01-01", "check the year"),
        ("soon", "Give a day as 2027-12-31."),
        ("2026-12-24", "All these points live longer than that anyway."),
    ],
)
def test_a_later_day_that_is_none_is_said_to_be_none(case: CreditCase, admin: Client, day: str, words: str):
    answer = sent(admin, case, "credited", later=day, later_why="For the wait")
    assert answer.status_code == 422
    assert words in told(answer)
    assert not Lot.objects.filter(origin="credit").exists()
    assert admin.get(page(case), {"later": day}).status_code == 200


@pytest.mark.parametrize("do", ["", "refunded", "x"])
def test_no_other_button_does_anything(case: CreditCase, admin: Client, do: str):
    assert sent(admin, case, do).status_code == 422
    case.refresh_from_db()
    assert case.outcome == ""


@pytest.mark.rule("D4")
def test_the_second_admin_is_told_who_decided_what(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    """Both look, then both press."""
    keys = [re.findall(r'name="key" value="(\w{32})"', admin.get(page(case)).content.decode())[0] for _time in range(2)]
    admin.post(page(case), {"key": keys[0], "do": "credited"})
    second = admin.post(page(case), {"key": keys[1], "do": "refused", "why": "No"}, follow=True)
    assert "Ada Admin was faster: points given back. Nothing was changed." in told(second)
    assert balance(customer_id=cast.acme.pk, at=at) == 34
    with clock.set_to(at + DAY):
        twice = admin.post(page(case), {"key": keys[0], "do": "credited"}, follow=True)
    assert "10 points are back" in told(twice)
    assert Lot.objects.filter(origin="credit").count() == 2


@pytest.mark.rule("D4")
def test_what_was_given_back_otherwise_is_said(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    credit_back(charge_id=case.charge_id, at=at, actor=None, key="k", reason="Declined")
    assert "This charge was given back before" in told(sent(admin, case, "credited"))
    said = told(admin.get(page(case)))
    assert "Not possible: what it cost was given back before, Declined." in said
    assert "Give back 10 points" not in said
    assert "The credit is refused" in told(sent(admin, case, "refused", why="You have them already"))
