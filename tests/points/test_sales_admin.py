"""Packs and prices in Django admin, and what is only looked at beside them (D32, D37)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from points.models import Pack, Payment, Price, ProviderEvent, RefusedCall
from points.sale_services import begin_payment, contradict_payment
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import signed_in
from tests.points.ledger import bought, key
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D32")
ADD, LIST = "/admin/points/pack/add/", "/admin/points/pack/"


@pytest.fixture
def admin(cast: Cast, clock_at: datetime) -> Client:
    return signed_in(cast.admin)


@pytest.fixture
def pack(db: None) -> Pack:
    """The thirty of the migration."""
    return Pack.objects.get(points=30)


def there(pack: Pack, act: str = "change") -> str:
    return reverse(f"admin:points_pack_{act}", args=[pack.pk])


def form(*prices: tuple[str, str], pack: Pack | None = None, points: str = "", **more: str) -> dict[str, str]:
    """The form as it is sent, with these prices typed into it: currency and amount."""
    known = list(pack.prices.order_by("currency")) if pack else []
    filled = {
        "points": points,
        "active": "on",
        "prices-TOTAL_FORMS": str(len(prices)),
        "prices-INITIAL_FORMS": str(len(known)),
    }
    for n, (currency, amount) in enumerate(prices):
        filled |= {f"prices-{n}-currency": currency, f"prices-{n}-amount": amount}
        filled |= {f"prices-{n}-id": str(known[n].pk) if n < len(known) else ""}
        filled |= {f"prices-{n}-pack": str(pack.pk) if pack else ""}
    return filled | more


def errors(answer: Any) -> dict[str, list[str]]:
    """What stands at which field; prices by their number."""
    assert answer.status_code == 200
    found = {name: list(said) for name, said in answer.context["adminform"].form.errors.items()}
    for formset in answer.context["inline_admin_formsets"]:
        assert not formset.formset.non_form_errors()
        for n, one in enumerate(formset.formset.forms):
            found |= {f"{n}.{name}": list(said) for name, said in one.errors.items()}
    return found


def prices(pack: Pack) -> list[tuple[str, int]]:
    return list(pack.prices.order_by("currency").values_list("currency", "amount_minor"))


def test_the_packs_of_the_rules_are_there(admin: Client):
    assert tuple(Pack.objects.values_list("points", flat=True)) == POLICY.pack_sizes
    said = plain(admin.get(LIST).content.decode())
    assert said.count("no price yet: not offered") == len(POLICY.pack_sizes)


@pytest.mark.rule("D37")
def test_prices_are_typed_as_they_are_written(admin: Client, pack: Pack):
    sent = form(("EUR", "245.10"), ("JPY", "3000"), ("KWD", "24.000"), ("USD", "270"), pack=pack)
    assert admin.post(there(pack), sent).status_code == 302
    assert prices(pack) == [("EUR", 24510), ("JPY", 3000), ("KWD", 24000), ("USD", 27000)]
    html = admin.get(there(pack)).content.decode()
    for typed in ("245.10", "3000", "24.000", "270.00"):
        assert f'value="{typed}"' in html
    said = plain(html)
    for shown in ("EUR 8.17 30 points, EUR 245.10", "JPY 100 30 points, JPY 3000", "USD 9.00 30 points, USD 270.00"):
        assert shown in said
    assert "EUR 245.10 (EUR 8.17 a point)" in plain(admin.get(LIST).content.decode())


def test_a_price_is_changed_and_taken_away(admin: Client, pack: Pack):
    for currency in ("EUR", "USD"):
        Price.objects.create(pack=pack, currency=currency, amount_minor=24000)
    gone = {"prices-1-DELETE": "on"}
    assert admin.post(there(pack), form(("EUR", "250"), ("USD", "240"), pack=pack, **gone)).status_code == 302
    assert prices(pack) == [("EUR", 25000)]
    assert admin.post(there(pack), form(("EUR", "250"), pack=pack) | {"active": ""}).status_code == 302
    pack.refresh_from_db()
    assert not pack.active


@pytest.mark.rule("D37")
@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ([("EUR", "-1")], "0.amount", "not below nothing"),
        ([("EUR", "0")], "0.amount", "more than nothing"),
        ([("EUR", "")], "0.amount", "required"),
        ([("EUR", "1000000")], "0.amount", "At most EUR 999999.99"),
        ([("JPY", "100000000")], "0.amount", "At most JPY 99999999"),
        ([("KWD", "100000")], "0.amount", "At most KWD 99999.999"),
        ([("EUR", "9" * 40)], "0.amount", "more than 14 digits"),
        ([("EUR", "1e50")], "0.amount", "more than 14 digits"),
        ([("EUR", "NaN")], "0.amount", "Enter a number"),
        ([("EUR", "Infinity")], "0.amount", "Enter a number"),
        ([("EUR", "EUR 5")], "0.amount", "Enter a number"),
        ([("EUR", "24.105")], "0.amount", "EUR has 2 decimals, not more."),
        ([("KWD", "24.005")], "0.amount", "for example KWD 24.000"),
        ([("ISK", "2400")], "0.currency", "counts this currency in other units"),
        ([("JPY", "24.5")], "0.amount", "JPY has 0 decimals, not more."),
        ([("", "5")], "0.currency", "Choose the currency."),
        ([("XXX", "5")], "0.currency", "“XXX” is no currency."),
        ([("eu", "5")], "0.currency", "“EU” is no currency."),
        ([("EUR", "5"), ("eur", "6")], "1.currency", "has a price already"),
    ],
    ids=str,
)
def test_a_bad_price_is_said_at_its_field(
    admin: Client, pack: Pack, typed: list[tuple[str, str]], field: str, words: str
):
    found = errors(admin.post(there(pack), form(*typed, pack=pack)))
    assert list(found) == [field]
    assert len(found[field]) == 1
    assert words in found[field][0]
    assert prices(pack) == []


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ("-5", "1 point at least"),
        ("0", "1 point at least"),
        ("1000000", "More than 100000 points"),
        ("9" * 40, "More than 100000 points"),
        ("ten", "whole number"),
        ("2.5", "whole number"),
        ("", "required"),
        ("30", "There is a pack of that many points already."),
    ],
)
def test_a_bad_pack_is_said_at_its_field(admin: Client, points: str, words: str):
    found = errors(admin.post(ADD, form(("EUR", "5"), points=points)))
    assert list(found) == ["points"]
    assert words in found["points"][0]
    assert (Pack.objects.count(), Price.objects.count()) == (len(POLICY.pack_sizes), 0)


def test_a_new_pack_comes_with_its_price(admin: Client):
    assert admin.post(ADD, form(("EUR", "400"), points="50")).status_code == 302
    assert prices(Pack.objects.get(points=50)) == [("EUR", 40000)]


def test_a_pack_keeps_its_size(admin: Client, pack: Pack):
    admin.post(there(pack), form(pack=pack, points="31"))
    pack.refresh_from_db()
    assert pack.points == 30


def test_a_pack_that_was_sold_is_not_deleted(cast: Cast, admin: Client, pack: Pack, at: datetime):
    bought(cast.acme, 30, at=at)
    page = admin.get(there(pack)).content.decode()
    assert there(pack, "delete") not in page
    assert "take “offered” away" in page
    assert admin.post(there(pack, "delete"), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [pack.pk], "post": "yes"}
    admin.post(LIST, chosen)
    assert Pack.objects.filter(pk=pack.pk).exists()
    unsold = Pack.objects.get(points=300)
    assert admin.post(there(unsold, "delete"), {"post": "yes"}).status_code == 302
    assert not Pack.objects.filter(pk=unsold.pk).exists()


def test_a_price_that_changes_leaves_a_payment_as_it_is(cast: Cast, admin: Client, pack: Pack, at: datetime):
    Price.objects.create(pack=pack, currency="EUR", amount_minor=24000)
    assert cast.owner.user is not None
    payment = begin_payment(
        customer=cast.acme, user=cast.owner.user, pack_id=pack.pk, amount_minor=24000, currency="EUR", at=at, key=key()
    )
    admin.post(there(pack), form(("EUR", "300"), pack=pack))
    payment.refresh_from_db()
    assert (prices(pack), payment.amount_minor) == ([("EUR", 30000)], 24000)


@pytest.mark.rule("D22")
def test_only_admins_price_packs(cast: Cast, pack: Pack):
    for who in (None, cast.owner, cast.technician):
        browser = signed_in(who)
        for path in (LIST, ADD, there(pack), there(pack, "delete")):
            assert browser.get(path).status_code == 302
            assert browser.post(path, form(("EUR", "5"), points="7", pack=pack)).status_code == 302
    assert (Pack.objects.count(), Price.objects.count()) == (len(POLICY.pack_sizes), 0)


# Looked at


def test_payments_with_what_contradicts_first(cast: Cast, admin: Client, pack: Pack, at: datetime):
    Price.objects.create(pack=pack, currency="EUR", amount_minor=24000)
    assert cast.owner.user is not None
    odd = begin_payment(
        customer=cast.acme, user=cast.owner.user, pack_id=pack.pk, amount_minor=24000, currency="EUR", at=at, key=key()
    )
    contradict_payment(payment_id=odd.pk, text="asked for 24000 <EUR>, the provider says 1", at=at)
    lot = bought(cast.other, 10, 9900, at=at)
    table = admin.get("/admin/points/payment/").content.decode()
    table = table[table.index('id="result_list"') :]
    assert table.index("the provider says 1") < table.index("EUR 99.00")
    assert "<EUR>" not in table
    only = admin.get("/admin/points/payment/", {"state__exact": "paid"}).content.decode()
    assert ("EUR 99.00" in only, "EUR 240.00" in only) == (True, False)
    paid = Payment.objects.get(state="paid")
    page = admin.get(reverse("admin:points_payment_change", args=[paid.pk])).content.decode()
    assert reverse("admin:points_purchase_change", args=[lot.purchase_id]) in page
    assert "1 payment contradicted" in plain(admin.get("/admin/").content.decode())
    assert "Payments that differ 1" in plain(admin.get("/desk/").content.decode())


@pytest.mark.parametrize(("outcome", "seen"), [("", "evt_waiting"), ("applied", "evt_applied")])
def test_events_by_outcome(admin: Client, at: datetime, outcome: str, seen: str):
    ProviderEvent.objects.create(event_ref="evt_waiting", kind="a", received_at=at, next_try_at=at, payment_ref="pi_w")
    ProviderEvent.objects.create(
        event_ref="evt_applied", kind="b", received_at=at, next_try_at=at, outcome="applied", handled_at=at,
        payment_ref="pi_a",
    )  # fmt: skip
    html = admin.get("/admin/points/providerevent/", {"outcome__exact": outcome}).content.decode()
    shown = [name for name, ref in (("evt_waiting", "pi_w"), ("evt_applied", "pi_a")) if ref in html]
    assert shown == [seen]


@pytest.mark.parametrize("model", [Pack, Payment, ProviderEvent, RefusedCall], ids=lambda model: model.__name__)
def test_a_list_takes_the_same_queries_for_few_rows_and_many(cast: Cast, admin: Client, at: datetime, model: Any):
    def fill(rows: int) -> None:
        for n in range(rows):
            lot = bought((cast.acme, cast.other)[n % 2], at=at)
            pack = Pack.objects.create(points=1000 + lot.pk)
            Price.objects.create(pack=pack, currency="EUR", amount_minor=lot.pk)
            ProviderEvent.objects.create(event_ref=f"evt_{lot.pk}", kind="a", received_at=at, next_try_at=at)
            RefusedCall.objects.create(day=at.date(), reason=f"r{lot.pk}", last_at=at)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(f"/admin/points/{model._meta.model_name}/").status_code == 200
        return len(queries)

    fill(2)
    count()
    few = count()
    fill(20)
    assert count() == few


@pytest.mark.parametrize("name", ["payment", "providerevent", "refusedcall"])
def test_what_is_looked_at_is_not_changed(cast: Cast, admin: Client, at: datetime, name: str):
    bought(cast.acme, at=at)
    ProviderEvent.objects.create(event_ref="evt_1", kind="a", received_at=at, next_try_at=at)
    RefusedCall.objects.create(day=at.date(), reason="bad signature", last_at=at)
    model: Any = {"payment": Payment, "providerevent": ProviderEvent, "refusedcall": RefusedCall}[name]
    row, before = model.objects.get().pk, list(model.objects.values())
    assert admin.get(reverse(f"admin:points_{name}_add")).status_code == 403
    for act in ("change", "delete"):
        there = reverse(f"admin:points_{name}_{act}", args=[row])
        assert admin.post(there, {"state": "paid", "times": "0", "post": "yes"}).status_code == 403
    assert list(model.objects.values()) == before
