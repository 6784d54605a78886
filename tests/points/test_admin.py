"""The ledger in Django admin: looked at, added to, never edited or deleted (D6, D32)."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from points.models import Charge, Entry, Lot, Purchase
from points.services import grant
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.points.ledger import charged, given, key, left, rows

pytestmark = pytest.mark.rule("D6")

ADD = "admin:points_purchase_add"
MODELS = (Entry, Lot, Charge, Purchase)


@pytest.fixture
def browser(cast: Cast, client: Client, clock_at: datetime) -> Client:
    """A browser in which the admin has signed in."""
    client.force_login(cast.admin, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    """Thirty points of acme, ten of them spent."""
    lot = given(cast.acme, 30, at=at)
    charged(cast.acme, at=at)
    return lot


def form(browser: Client, cast: Cast, **changed: str) -> dict[str, str]:
    """The add form as it comes, filled in for a grant of thirty points, then changed."""
    page = browser.get(reverse(ADD)).content.decode()
    (once,) = re.findall(r'name="once" value="(\w{32})"', page)
    filled = {"customer": str(cast.acme.pk), "kind": "grant", "points": "30", "amount": "", "currency": ""}
    return filled | {"reason": "For the trouble", "once": once} | changed


def errors(response: Any) -> dict[str, list[str]]:
    """The errors of the form that came back, by field."""
    assert response.status_code == 200
    return {name: list(texts) for name, texts in response.context["adminform"].form.errors.items()}


# Looked at


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nothing_that_is_written_is_edited_or_deleted(browser: Client, lot: Lot, model: type[Any]):
    row, before = model.objects.values().first(), rows()
    sent = {name: value for name, value in row.items() if value is not None} | {"points": 1000, "post": "yes"}
    name = f"admin:points_{model._meta.model_name}"
    for verb in ("change", "delete"):
        address = reverse(f"{name}_{verb}", args=[row["id"]])
        assert browser.post(address, sent).status_code == 403
    assert browser.get(reverse(f"{name}_delete", args=[row["id"]])).status_code == 403
    listed = reverse(f"{name}_changelist")
    browser.post(listed, {"action": "delete_selected", "_selected_action": [row["id"]], "post": "yes"})
    assert "delete_selected" not in browser.get(listed).content.decode()
    assert (model.objects.values().get(pk=row["id"]), rows()) == (row, before)


@pytest.mark.parametrize("model", MODELS[:3], ids=lambda model: model.__name__)
def test_nothing_but_a_purchase_is_added(browser: Client, lot: Lot, model: type[Any]):
    before = rows()
    address = reverse(f"admin:points_{model._meta.model_name}_add")
    assert (browser.get(address).status_code, browser.post(address, {"points": 5}).status_code) == (403, 403)
    assert rows() == before


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_row_can_be_looked_at(browser: Client, lot: Lot, model: type[Any]):
    row = model.objects.first()
    page = browser.get(reverse(f"admin:points_{model._meta.model_name}_change", args=[row.pk]))
    assert page.status_code == 200
    said = page.content.decode()
    assert "Acme Tools" in said
    assert 'name="_save"' not in said
    assert 'name="points"' not in said


@pytest.mark.rule("D22")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_nobody_but_an_admin_sees_the_ledger(cast: Cast, client: Client, lot: Lot, model: type[Any]):
    for user in (cast.technician, cast.owner.user):
        assert user is not None
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        for verb in ("changelist", "add"):
            page = client.get(reverse(f"admin:points_{model._meta.model_name}_{verb}"))
            assert page.status_code in (302, 403, 404)
    before = rows()
    assert client.post(reverse(ADD), {"customer": cast.acme.pk, "points": 5, "once": "k"}).status_code in (
        302,
        403,
        404,
    )
    assert rows() == before


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_takes_the_same_queries_for_few_rows_and_many(
    browser: Client, cast: Cast, at: datetime, model: type[Any]
):
    def fill(rows: int) -> None:
        for n in range(rows):
            customer = (cast.acme, cast.other)[n % 2]
            grant(customer=customer, points=30, at=at, reason="Why", actor=cast.admin, key=key())
            charged(customer, at=at)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse(f"admin:points_{model._meta.model_name}_changelist")).status_code == 200
        return len(queries)

    fill(2)
    count()  # what is read once is read
    few = count()
    fill(20)
    assert count() == few
    for words in ("Acme", "nothing of that name"):
        page = browser.get(reverse(f"admin:points_{model._meta.model_name}_changelist"), {"q": words})
        assert page.status_code == 200


# Added to


@pytest.mark.rule("D1", "D32")
def test_a_grant_through_the_form_is_a_lot_of_today_where_the_customer_is(browser: Client, cast: Cast, at: datetime):
    sent = browser.post(reverse(ADD), form(browser, cast))
    assert sent.status_code == 302
    purchase = Purchase.objects.get()
    assert (purchase.kind, purchase.points, purchase.reason, purchase.actor) == (
        "grant", 30, "For the trouble", cast.admin,
    )  # fmt: skip
    assert (purchase.bought_at, purchase.bought_on) == (at, date(2026, 12, 1))
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 0, "Entry": 1}
    assert left(Lot.objects.get()) == [30]


@pytest.mark.rule("D32", "D37")
@pytest.mark.parametrize(
    ("amount", "currency", "minor"), [("245.10", "eur", 24510), ("3000", "JPY", 3000), ("0.001", " KWD", 1)]
)
def test_an_invoice_is_kept_in_its_smallest_unit(browser: Client, cast: Cast, amount: str, currency: str, minor: int):
    sent = browser.post(reverse(ADD), form(browser, cast, kind="invoice", amount=amount, currency=currency))
    assert sent.status_code == 302
    purchase = Purchase.objects.get()
    assert (purchase.kind, purchase.amount_minor, purchase.currency) == ("invoice", minor, currency.strip().upper())


@pytest.mark.rule("D32", "D37")
@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"points": "0"}, "points", "1 point at least"),
        ({"points": "-1"}, "points", "1 point at least"),
        ({"points": str(POLICY.lot_points_max + 1)}, "points", "More than 100000 points"),
        ({"points": "9" * 30}, "points", "More than 100000 points"),
        ({"points": "abc"}, "points", "whole number"),
        ({"points": "10.5"}, "points", "whole number"),
        ({"points": ""}, "points", "required"),
        ({"reason": ""}, "reason", "Say why"),
        ({"reason": " \n "}, "reason", "Say why"),
        ({"reason": "x" * 501}, "reason", "at most 500"),
        ({"customer": ""}, "customer", "required"),
        ({"customer": "987654"}, "customer", "not one of the available"),
        ({"kind": "card"}, "kind", "not one of the available"),
        ({"once": ""}, "once", "required"),
        ({"amount": "5"}, "amount", "A grant costs nothing"),
        ({"kind": "invoice", "amount": "245.10"}, "currency", "Choose the currency"),
        ({"kind": "invoice", "amount": "245.10", "currency": "XXX"}, "currency", "is no currency"),
        ({"kind": "invoice", "currency": "EUR"}, "amount", "Enter the amount"),
        ({"kind": "invoice", "amount": "12.345", "currency": "EUR"}, "amount", "EUR has 2 decimals"),
        ({"kind": "invoice", "amount": "12.5", "currency": "JPY"}, "amount", "JPY has 0 decimals"),
        ({"kind": "invoice", "amount": "12.345 EUR", "currency": "EUR"}, "amount", "Enter a number"),
        ({"kind": "invoice", "amount": "-1", "currency": "EUR"}, "amount", "not below nothing"),
        ({"kind": "invoice", "amount": "NaN", "currency": "EUR"}, "amount", "Enter a number"),
        ({"kind": "invoice", "amount": "9" * 15, "currency": "EUR"}, "amount", "14 digits"),
        ({"kind": "invoice", "amount": "1E+40", "currency": "EUR"}, "amount", "14 digits"),
    ],
    ids=str,
)
def test_what_is_wrong_stands_at_its_field(
    browser: Client, cast: Cast, changed: dict[str, str], field: str, words: str
):
    found = errors(browser.post(reverse(ADD), form(browser, cast, **changed)))
    assert list(found) == [field]
    assert len(found[field]) == 1
    assert words in found[field][0]
    assert not any(rows().values())


@pytest.mark.rule("D1")
def test_a_past_date_is_not_offered_nor_taken(browser: Client, cast: Cast, at: datetime):
    page = browser.get(reverse(ADD)).content.decode()
    assert not re.findall(r'name="(bought|zone|expires|at)', page)
    past = {"bought_at_0": "2020-01-01", "bought_at_1": "10:00", "bought_on": "2020-01-01", "bought_at": "2020-01-01"}
    browser.post(reverse(ADD), form(browser, cast) | past | {"zone": "Asia/Kolkata", "provider_ref": "x"})
    purchase = Purchase.objects.get()
    assert (purchase.bought_at, purchase.bought_on, purchase.zone) == (at, date(2026, 12, 1), cast.acme.zone)


def test_a_form_sent_twice_is_one_lot(browser: Client, cast: Cast):
    filled = form(browser, cast)
    assert [browser.post(reverse(ADD), filled).status_code for _ in range(2)] == [302, 302]
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 0, "Entry": 1}


@pytest.mark.parametrize("changed", [{"points": "31"}, {"reason": "Another"}, {"customer": "other"}])
def test_a_form_sent_again_with_other_content_is_refused_with_a_word(
    browser: Client, cast: Cast, changed: dict[str, str]
):
    filled = form(browser, cast)
    browser.post(reverse(ADD), filled)
    logged = LogEntry.objects.count()
    if "customer" in changed:
        changed = {"customer": str(cast.other.pk)}
    again = browser.post(reverse(ADD), filled | changed, follow=True)
    assert again.redirect_chain == [(reverse(ADD), 302)]
    assert "sent before with other content" in again.content.decode()
    assert (Purchase.objects.get().points, Purchase.objects.get().customer) == (30, cast.acme)
    assert (rows(), LogEntry.objects.count()) == ({"Purchase": 1, "Lot": 1, "Charge": 0, "Entry": 1}, logged)


@pytest.mark.rule("D22")
def test_markup_in_a_reason_is_text(browser: Client, cast: Cast):
    browser.post(reverse(ADD), form(browser, cast, reason="<script>alert(1)</script>"))
    page = browser.get(reverse("admin:points_purchase_change", args=[Purchase.objects.get().pk])).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
