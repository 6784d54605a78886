"""A refund to the card in Django admin and on the desk: previewed, decided once, followed to its end (R14, D4, D5)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.cases import CreditCase
from incidents.services import crediting
from points.models import Entry, GiveBack, Refund
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from tests.cards import BOTH, EUR, JPY, heard, paid_by_two, refunded
from tests.cast import Cast
from tests.desk.test_credits import page, sent, told
from tests.incidents_helpers import key, opened, signed_in
from tests.points.ledger import bought, charged, on_hold, rows

pytestmark = pytest.mark.rule("R14", "D4", "D5", "D17")
DAY = timedelta(days=1)
LIST = "/admin/points/refund/"


@pytest.fixture
def cards(settings: Any) -> None:
    """Refunds to a card are connected."""
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"


@pytest.fixture
def case(cast: Cast, clock_at: datetime, cards: None) -> CreditCase:
    return paid_by_two(cast, at=clock_at)


@pytest.fixture
def admin(cast: Cast) -> Client:
    return signed_in(cast.admin)


def nothing_changed(case: CreditCase) -> bool:
    case.refresh_from_db()
    return (case.outcome, GiveBack.objects.count(), Refund.objects.count()) == ("", 0, 0)


# Before


def test_both_outcomes_are_shown_exactly(case: CreditCase, admin: Client):
    said = told(admin.get(page(case)))
    assert f"Refund the card {BOTH} {EUR} to the card ending 4242 {JPY} to the card ending 4242" in said
    assert "Points stay as they are: 24." in said
    assert "24 → 34 points on hand" in said
    assert f"Refund {BOTH}" in said
    assert "Not possible" not in said


@pytest.mark.parametrize(("choice", "primary"), [("card", "refunded"), ("points", "credited"), ("", "credited")])
def test_the_customers_wish_is_marked(cast: Cast, case: CreditCase, admin: Client, at: datetime, choice: str, primary):
    if choice:
        crediting.choose(case_id=case.pk, contact=cast.owner, choice=choice, at=at)
    html = admin.get(page(case)).content.decode()
    assert re.findall(r'class="button primary" type="submit" name="do" value="(\w+)"', html) == [primary]
    assert html.count("customer’s wish") == bool(choice)
    if choice:
        assert f"customer prefers {'the card' if choice == 'card' else 'points'}" in html


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("granted", "not all of these points were paid by card"),
        ("not connected", "refunds to a card are not connected yet"),
        ("claimed", "money of a payment behind it went back already, or is disputed"),
    ],
)
def test_where_it_is_impossible_the_page_says_why(
    cast: Cast, clock_at: datetime, admin: Client, settings: Any, way: str, why: str
):
    settings.STRIPE_SECRET_KEY = "" if way == "not connected" else "sk_test_of_nobody"
    lot = None if way == "granted" else bought(cast.acme, 10, at=clock_at)
    incident = opened(cast.owner, at=clock_at, points=10 if lot is None else 0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="B", user=cast.technician, at=clock_at, key=key())
    if way == "claimed":
        assert lot is not None
        on_hold(lot, at=clock_at)
    html = admin.get(page(case)).content.decode()
    assert f"Not possible: {why}." in html
    assert 'value="refunded"' not in html
    refused = sent(admin, case, "refunded")
    assert refused.status_code == 422
    assert f"A refund to the card is not possible: {why}." in told(refused)
    assert nothing_changed(case)


# The decision


def test_the_cards_are_refunded_by_the_button(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    before = rows()
    done = told(sent(admin, case, "refunded"))
    assert f"{BOTH} go back, and the customer is told." in done
    assert "Determined by Ada Admin" in done
    assert f"{EUR} to the card ending 4242 waiting to be sent" in done
    assert "4 from the lot until" in done, "where the points came from is still there"
    assert [(refund.amount_minor, refund.currency) for refund in Refund.objects.order_by("pk")] == [
        (3200, "EUR"), (600, "JPY"),
    ]  # fmt: skip
    assert rows() == before
    assert balance(customer_id=cast.acme.pk, at=at) == 24
    mail = OutgoingMail.objects.get(kind="incident_bug_determined")
    assert EUR in mail.text
    desk = told(signed_in(cast.technician).get(f"/desk/incidents/{case.incident.number}/"))
    assert "bug QM-4518, to the card" in desk
    assert "the card ending 4242: waiting to be sent" in desk


def test_the_second_admin_is_told_who_decided_what(cast: Cast, case: CreditCase, admin: Client):
    keys = [re.findall(r'name="key" value="(\w{32})"', admin.get(page(case)).content.decode())[0] for _time in range(2)]
    admin.post(page(case), {"key": keys[0], "do": "refunded"})
    second = admin.post(page(case), {"key": keys[1], "do": "credited"}, follow=True)
    assert "Ada Admin was faster: to the card. Nothing was changed." in told(second)
    twice = admin.post(page(case), {"key": keys[0], "do": "refunded"}, follow=True)
    assert f"{BOTH} go back" in told(twice)
    assert (GiveBack.objects.count(), Refund.objects.count()) == (1, 2)
    assert not Entry.objects.filter(cause="credit").exists()


@pytest.mark.rule("D3")
def test_a_later_day_is_for_points_only(case: CreditCase, admin: Client):
    sent(admin, case, "refunded", later="2027-09-30", later_why="For the wait")
    case.refresh_from_db()
    assert (case.outcome, case.later_until) == ("refunded", None)


# After


def test_a_refund_is_followed_to_its_end(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    eur, jpy = refunded(case, cast, at=at)
    Refund.objects.filter(pk=eur.pk).update(tries=3, last_error="Connection refused <b>", next_try_at=at + DAY)
    said = told(admin.get(page(case)))
    assert "Tries 3 Next try Wed 2 Dec, 20:30 for you Last error Connection refused" in said
    assert "Connection refused <b>" not in admin.get(page(case)).content.decode()
    heard(eur, "sent", at=at)
    assert f"on its way Purchase 4 points, 2026-08-23 Provider’s reference re_{eur.pk}" in told(admin.get(page(case)))
    heard(eur, "done", at=at + DAY)
    heard(jpy, "failed", at=at + DAY, text="expired_or_canceled_card")
    said = told(admin.get(page(case)))
    assert "paid back" in said
    assert "Paid back Wed 2 Dec, 20:30 for you" in said
    assert "Provider’s word expired_or_canceled_card Refused Wed 2 Dec, 20:30 for you" in said
    assert "Back instead 6 points until 23 Nov 2027 , 0:00" in said
    assert "Try now" not in said
    desk = told(signed_in(cast.technician).get(f"/desk/incidents/{case.incident.number}/"))
    assert "the card ending 4242: paid back" in desk
    assert "refused, Wed 20:30 , points came back instead" in desk


def test_try_now(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    eur, jpy = refunded(case, cast, at=at)
    Refund.objects.filter(pk=eur.pk).update(tries=1, next_try_at=at + DAY)
    heard(jpy, "done", at=at)
    assert "It is tried again at once." in told(admin.post(page(case), {"again": eur.pk}, follow=True))
    eur.refresh_from_db()
    assert (eur.next_try_at, eur.state) == (at, "pending")
    assert "nothing left to try" in told(admin.post(page(case), {"again": jpy.pk}, follow=True))
    for wrong in ("0", "x", "", "4000000", "9" * 40):
        assert admin.post(page(case), {"again": wrong}).status_code == 404
    admin.get(page(case), {"again": eur.pk})
    assert signed_in(cast.technician).post(page(case), {"again": eur.pk}).status_code == 302


def test_a_refund_of_another_case_is_not_there(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    incident = opened(cast.owner, at=at)
    other = crediting.mark_bug(incident_id=incident.pk, reference="O", user=cast.technician, at=at, key=key())
    eur, _jpy = refunded(case, cast, at=at)
    assert admin.post(page(other), {"again": eur.pk}).status_code == 404


def test_the_page_needs_the_same_queries_whatever_the_legs(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert admin.get(page(case)).status_code == 200
        return len(seen)

    before = asked()
    refunds = refunded(case, cast, at=at)
    after = asked()
    heard(refunds[0], "failed", at=at)
    assert asked() == after
    assert max(before, after) <= 21


# The list


def test_the_list_has_the_stuck_ones_first_and_links_their_credits(
    cast: Cast, case: CreditCase, admin: Client, at: datetime
):
    eur, jpy = refunded(case, cast, at=at)
    heard(jpy, "sent", at=at)
    Refund.objects.filter(pk=eur.pk).update(tries=2, last_error="Timeout")
    html = admin.get(LIST).content.decode()
    assert html.index(EUR) < html.index(JPY)
    assert f'<a href="{page(case)}">QM-4518</a>' in html
    assert JPY not in admin.get(LIST, {"state__exact": "pending"}).content.decode()
    assert (
        f'<a href="{page(case)}">' in admin.get(reverse("admin:points_refund_change", args=[eur.pk])).content.decode()
    )
    tried = admin.post(LIST, {"action": "try_now", "_selected_action": [eur.pk, jpy.pk]}, follow=True)
    assert "2 refunds are tried again." in told(tried)
    for row in Refund.objects.all():
        for act in ("change", "delete"):
            there = reverse(f"admin:points_refund_{act}", args=[row.pk])
            assert admin.post(there, {"state": "done", "post": "yes"}).status_code == 403


def test_the_list_needs_as_many_queries_for_few_as_for_many(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert admin.get(LIST).status_code == 200
        return len(seen)

    refunded(case, cast, at=at)
    asked()
    few = asked()
    for _time in range(5):
        bought(cast.acme, 10, at=at)
        incident = opened(cast.owner, at=at, points=0)
        made = crediting.mark_bug(incident_id=incident.pk, reference="M", user=cast.technician, at=at, key=key())
        crediting.determine(case_id=made.pk, outcome="refunded", reason="", user=cast.admin, at=at, key=key())
    assert asked() == few


# What waits


@pytest.mark.rule("D22", "D32")
def test_what_waits_for_an_admin_is_counted(cast: Cast, case: CreditCase, admin: Client, at: datetime):
    index = told(admin.get("/admin/"))
    assert "1 credit to determine 0 holds to decide 0 refunds stuck 0 payments contradicted" in index
    Refund.objects.filter(pk=refunded(case, cast, at=at)[0].pk).update(tries=1, last_error="no answer")
    on_hold(bought(cast.other, at=at), at=at)
    charged(cast.acme, at=at)
    assert "0 credits to determine 1 hold to decide 1 refund stuck 0 payments" in told(admin.get("/admin/"))
    beside = told(admin.get("/desk/"))
    assert "Credits 0 Holds 1 Refunds stuck 1" in beside
    technician = told(signed_in(cast.technician).get("/desk/"))
    assert not any(word in technician for word in ("Holds", "Refunds", "Credits"))
