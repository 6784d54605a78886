"""A hold in Django admin: its page, two buttons, decided once (D32)."""

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

from incidents.models import Incident
from points.hold_services import Claim, place_hold
from points.models import Charge, Hold, HoldDecision, Lot
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import opened, signed_in
from tests.points.ledger import back, bought, charged, decided, given, left, on_hold, rows
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D32")
DAY = timedelta(days=1)
LIST = "/admin/points/hold/"


@pytest.fixture
def lot(cast: Cast, clock_at: datetime) -> Lot:
    """Thirty points by card, ten of them spent on an incident; five more were granted."""
    lot = bought(cast.acme, 30, at=clock_at - 10 * DAY)
    opened(cast.owner, at=clock_at, points=0)
    given(cast.acme, 5, at=clock_at)
    return lot


@pytest.fixture
def hold(lot: Lot, clock_at: datetime) -> Hold:
    return on_hold(lot, at=clock_at)


@pytest.fixture
def admin(cast: Cast) -> Client:
    return signed_in(cast.admin)


def page(hold: Hold) -> str:
    return reverse("admin:points_hold_change", args=[hold.pk])


def told(answer: Any) -> str:
    return plain(answer.content.decode())


def once(browser: Client, hold: Hold) -> str:
    (found,) = re.findall(r'name="key" value="(\w{32})"', browser.get(page(hold)).content.decode())
    return str(found)


def sent(browser: Client, hold: Hold, do: str, reason: str = "The bank decided") -> Any:
    return browser.post(page(hold), {"key": once(browser, hold), "do": do, "reason": reason}, follow=True)


def test_the_page_tells_the_whole_story(cast: Cast, hold: Hold, admin: Client, at: datetime):
    claim = Claim(
        kind=Hold.Kind.CHARGEBACK, provider_ref=hold.provider_ref, amount_minor=24000, currency="EUR",
        reason="", status="under_review", happened_at=at,
    )  # fmt: skip
    place_hold(purchase_id=hold.purchase_id, claim=claim, at=at + DAY)
    html = admin.get(page(hold)).content.decode()
    said = plain(html)
    assert "Chargeback of EUR 240.00: what about the 20 points on hold?" in said
    assert f"EUR 240.00 , chargeback the provider’s word: fraudulent {hold.provider_ref}" in said
    assert "the card ending 4242 Visa" in said
    assert "the bank wants an answer Tue 1 Dec, 20:30 for you the bank looks at it Wed 2 Dec, 20:30 for you" in said
    number = " ".join(Incident.objects.get().shown_number.split())
    assert f"30 points, bought 21 Nov 2026 until 21 Nov 2027 Left 20 on hold Spent 10 on {number}" in said
    assert "/desk/incidents/" in html
    assert "Release 5 → 25 points on hand" in said
    assert "Write off 5 → 5 points on hand 20 points on hold are gone for good." in said


def test_spent_and_given_back_is_said(cast: Cast, hold: Hold, admin: Client, at: datetime):
    back(Charge.objects.get(), at=at)
    said = told(admin.get(page(hold)))
    assert "given back" in said
    assert "10 points, credited until" in said
    assert "what about the 30 points on hold?" in said, "what is credited later is held as well"


@pytest.mark.parametrize(
    ("do", "words", "after", "remaining"),
    [
        ("released", "20 points are no longer held by this claim, and the customer is told.", 25, 20),
        ("written_off", "20 points are written off, and the customer is told.", 5, 0),
    ],
)
def test_either_button(cast: Cast, lot: Lot, hold: Hold, admin: Client, at: datetime, do, words, after, remaining):
    done = told(sent(admin, hold, do, "The bank\r\ndecided"))
    assert words in done
    assert "Decided by Ada Admin" in done
    assert "Write off 20" not in done
    assert (balance(customer_id=cast.acme.pk, at=at), left(lot)) == (after, [remaining])
    decision = HoldDecision.objects.get()
    assert (decision.outcome, decision.points, decision.reason, decision.actor) == (
        do, 20, "The bank\ndecided", cast.admin,
    )  # fmt: skip
    assert OutgoingMail.objects.filter(kind="points_hold_decided").count() == 1
    assert LogEntry.objects.get().object_id == str(hold.pk)
    assert "Ada Admin" in told(admin.get(reverse("admin:points_hold_history", args=[hold.pk])))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": ""}, "Say why: the customer reads it"),
        ({"reason": " \n "}, "Say why: the customer reads it"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"reason": "a\x00b"}, "Null characters are not allowed"),
        ({"do": ""}, "Press one of the buttons"),
        ({"do": "kept"}, "released, or written off"),
        ({"key": ""}, "required"),
        ({"key": "../x"}, "valid value"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_and_nothing_changes(hold: Hold, admin: Client, changed: dict[str, str], words: str):
    before = rows()
    form = {"key": once(admin, hold), "do": "written_off", "reason": "Why"} | changed
    answer = admin.post(page(hold), form)
    assert answer.status_code == 422
    assert words in told(answer)
    assert "Nothing is decided yet." in told(answer)
    assert (rows(), HoldDecision.objects.count()) == (before, 0)


def test_the_second_admin_is_told_who_decided_what(hold: Hold, lot: Lot, admin: Client):
    first, second = once(admin, hold), once(admin, hold)
    admin.post(page(hold), {"key": first, "do": "released", "reason": "Won"})
    answer = admin.post(page(hold), {"key": second, "do": "written_off", "reason": "Lost"}, follow=True)
    assert "Ada Admin was faster: released. Nothing was changed." in told(answer)
    twice = admin.post(page(hold), {"key": first, "do": "released", "reason": "Won"}, follow=True)
    assert "no longer held" in told(twice)
    other = admin.post(page(hold), {"key": first, "do": "written_off", "reason": "Lost"}, follow=True)
    assert "sent before with other content" in told(other)
    assert (HoldDecision.objects.count(), left(lot)) == (1, [20])


def test_another_claim_keeps_the_points(cast: Cast, lot: Lot, hold: Hold, admin: Client, at: datetime):
    other = on_hold(lot, at=at, kind="refund")
    said = told(admin.get(page(hold)))
    assert "Another claim on this purchase is not decided yet" in said
    assert "Release 5 → 5 points on hand" in said
    sent(admin, hold, "released")
    assert balance(customer_id=cast.acme.pk, at=at) == 5
    assert "Release 5 → 25 points on hand" in told(admin.get(page(other)))


def test_nothing_left_of_it_mails_nobody(cast: Cast, admin: Client, clock_at: datetime):
    lot = bought(cast.acme, 10, at=clock_at)
    charged(cast.acme, at=clock_at)
    hold = on_hold(lot, at=clock_at)
    before = OutgoingMail.objects.count()
    assert "No points are left of it: nobody is mailed." in told(admin.get(page(hold)))
    assert "It is decided. No points were left" in told(sent(admin, hold, "written_off"))
    assert OutgoingMail.objects.count() == before


@pytest.mark.rule("D22")
def test_nobody_else_gets_in(cast: Cast, hold: Hold):
    for who in (cast.technician, cast.owner, cast.stranger):
        browser = signed_in(who)
        for path in (LIST, page(hold)):
            assert browser.get(path, follow=True).status_code == 403
            form = {"key": "0" * 32, "do": "released", "reason": "Mine"}
            assert browser.post(path, form, follow=True).status_code == 403
    assert not HoldDecision.objects.exists()


@pytest.mark.parametrize("number", ["0", "4000000", "x", "9" * 30, "-1", "٣"])
def test_a_hold_that_is_none_is_not_there(admin: Client, hold: Hold, number: str):
    assert admin.get(f"{LIST}{number}/change/").status_code == 404


def test_the_list_has_the_open_ones_first_and_filters(cast: Cast, hold: Hold, admin: Client, at: datetime):
    done = on_hold(bought(cast.other, at=at), at=at - DAY)
    decided(done, "released", by=cast.admin, at=at)
    html = admin.get(LIST).content.decode()
    table = html[html.index('id="result_list"') :]
    assert table.index("Acme Tools") < table.index("Other Works")
    assert "released, Ada Admin" in plain(table)
    for value, acme, other in (("open", True, False), ("released", False, True), ("written_off", False, False)):
        shown = admin.get(LIST, {"decision": value}).content.decode()
        assert ("Acme Tools" in shown, "Other Works" in shown) == (acme, other), value
    assert "Acme Tools" in admin.get(LIST, {"q": "Acme"}).content.decode()


def test_the_page_and_the_list_need_as_many_queries_for_much_as_for_little(
    cast: Cast, lot: Lot, hold: Hold, admin: Client, at: datetime
):
    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert admin.get(path).status_code == 200
        return len(seen)

    asked(LIST)
    few, one = asked(LIST), asked(page(hold))
    decided(hold, "released", by=cast.admin, at=at)
    for _time in range(2):
        back(charged(cast.acme, at=at), at=at)
    again = on_hold(lot, at=at + timedelta(minutes=1))
    on_hold(bought(cast.other, at=at), at=at)
    assert (asked(LIST), asked(page(again))) == (few, one)
    assert one <= 20


def test_markup_of_the_provider_is_text(cast: Cast, lot: Lot, admin: Client, at: datetime):
    claim = Claim(
        kind=Hold.Kind.REFUND, provider_ref="<script>1</script>", amount_minor=1, currency="EUR",
        reason="<script>2</script>", status="<script>3</script>", happened_at=at,
    )  # fmt: skip
    hold = place_hold(purchase_id=lot.purchase_id, claim=claim, at=at)
    assert hold is not None
    html = admin.get(page(hold)).content.decode()
    assert not re.search(r"<script>\d", html)
    assert html.count("&lt;script&gt;") >= 3
