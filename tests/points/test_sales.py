"""Buying a pack by card: begun, paid, given up, contradicted (D1, D32)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points.models import Lot, Pack, Payment, Price, Purchase
from points.refusals import Contradiction, KeyReused
from points.sale_services import (
    NotSold,
    PaidFact,
    begin_payment,
    contradict_payment,
    give_up_payment,
    name_payment,
    note_look,
    settle_payment,
)
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Customer
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, TICK, checked, key, rows

pytestmark = pytest.mark.rule("D32")


@pytest.fixture
def price(db: None) -> Price:
    """Thirty points for EUR 240.00."""
    return Price.objects.create(pack=Pack.objects.get(points=30), amount_minor=24000, currency="EUR")


def begun(cast: Cast, price: Price, *, at: datetime, key_: str = "", **changed: Any) -> Payment:
    values = {
        "customer": cast.acme,
        "user": cast.owner.user,
        "pack_id": price.pack_id,
        "amount_minor": price.amount_minor,
        "currency": "EUR",
        **changed,
    }
    return begin_payment(**values, at=at, key=key_ or key())


def paid(payment: Payment, *, at: datetime, **changed: Any) -> PaidFact:
    fact = PaidFact(
        payment_id=str(payment.pk),
        provider_ref=f"pi_{payment.pk}",
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        paid_at=at,
        card_brand="visa",
        card_last4="4242",
    )
    return replace(fact, **changed)


def settled(payment: Payment, *, at: datetime, paid_at: datetime | None = None, **changed: Any) -> Lot | None:
    return settle_payment(payment_id=payment.pk, fact=paid(payment, at=paid_at or at, **changed), at=at)


def state(payment: Payment) -> str:
    return Payment.objects.get(pk=payment.pk).state


def test_the_packs_are_there(db: None):
    assert list(Pack.objects.values_list("points", "active")) == [(10, True), (30, True), (100, True), (300, True)]


def test_a_payment_keeps_what_it_asks_for(cast: Cast, price: Price, at: datetime):
    payment = begun(cast, price, at=at, key_="k")
    assert (payment.points, payment.amount_minor, payment.currency, payment.state) == (30, 24000, "EUR", "open")
    Price.objects.update(amount_minor=99900)
    assert begun(cast, price, at=at + DAY, key_="k") == payment
    with pytest.raises(NotSold):  # the price that somebody read is the one that they pay
        begun(cast, price, at=at + DAY)
    assert begun(cast, price, at=at + DAY, amount_minor=99900).amount_minor == 99900
    lot = settled(payment, at=at + DAY)
    assert lot is not None
    assert (lot.points, lot.purchase.amount_minor) == (30, 24000)


def test_a_price_that_is_gone_meanwhile_gives_the_first_back(cast: Cast, price: Price, at: datetime):
    payment = begun(cast, price, at=at, key_="k")
    Price.objects.all().delete()
    assert begun(cast, price, at=at, key_="k") == payment


def test_a_key_is_of_one_customer_pack_and_currency(cast: Cast, price: Price, at: datetime):
    begun(cast, price, at=at, key_="k")
    other = Price.objects.create(pack=Pack.objects.get(points=10), amount_minor=9000, currency="EUR")
    Price.objects.create(pack=price.pack, amount_minor=26000, currency="USD")
    for changed in ({"customer": cast.other}, {"pack_id": other.pack_id}, {"currency": "USD"}):
        with pytest.raises(KeyReused):
            begun(cast, price, at=at, key_="k", **changed)
    assert Payment.objects.count() == 1


def test_what_is_not_sold_is_not_begun(cast: Cast, price: Price, at: datetime):
    for changed in ({"currency": "JPY"}, {"pack_id": 4_000_000}):
        with pytest.raises(NotSold):
            begun(cast, price, at=at, **changed)
    Pack.objects.update(active=False)
    with pytest.raises(NotSold):
        begun(cast, price, at=at)
    assert not Payment.objects.exists()


def test_what_was_paid_is_one_lot_however_often_it_is_said(cast: Cast, price: Price, at: datetime):
    payment = begun(cast, price, at=at)
    lot = settled(payment, at=at)
    assert lot is not None
    assert (lot.remaining, lot.held, lot.customer) == (30, False, cast.acme)
    bought = lot.purchase
    assert (bought.kind, bought.amount_minor, bought.currency) == ("card", 24000, "EUR")
    assert (bought.provider, bought.provider_ref, bought.card_brand, bought.card_last4) == (
        *("stripe", f"pi_{payment.pk}", "visa", "4242"),
    )
    assert (bought.actor, bought.payment.state) == (cast.owner.user, "paid")
    for later in (at, at + DAY):
        assert settled(payment, at=later) is None
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 0, "Entry": 1}
    assert list(OutgoingMail.objects.values_list("kind", "to_address")) == [("points_bought", "olive@acme.example")]
    assert "nothing differs" in checked()


@pytest.mark.parametrize(
    "changed",
    [
        {"amount_minor": 23999},
        {"amount_minor": 24001},
        {"currency": "USD"},
        {"payment_id": "4711"},
        {"payment_id": ""},
        {"provider_ref": "pi_other"},
    ],
    ids=str,
)
@pytest.mark.parametrize("before", ["open", "paid"])
def test_a_word_that_differs_makes_no_lot(cast: Cast, price: Price, at: datetime, before: str, changed: dict[str, Any]):
    """Also of a payment that was paid: a second one is money that nobody asked for."""
    payment = begun(cast, price, at=at)
    name_payment(payment_id=payment.pk, provider_ref=f"pi_{payment.pk}")
    if before == "paid":
        settled(payment, at=at)
    had = rows()
    with pytest.raises(Contradiction) as refused:
        settled(payment, at=at, **changed)
    assert rows() == had
    contradict_payment(payment_id=payment.pk, text=refused.value.text, at=at + DAY)
    payment.refresh_from_db()
    assert payment.state == ("contradicted" if before == "open" else "paid")
    assert (payment.last_error, payment.looked_at) == (refused.value.text[:500], at + DAY)


def test_a_contradiction_that_clears_up_is_paid(cast: Cast, price: Price, at: datetime):
    payment = begun(cast, price, at=at)
    contradict_payment(payment_id=payment.pk, text="USD", at=at)
    assert settled(payment, at=at) is not None
    assert state(payment) == "paid"


def test_what_was_given_up_and_paid_all_the_same_counts(cast: Cast, price: Price, at: datetime):
    payment = begun(cast, price, at=at)
    assert give_up_payment(payment_id=payment.pk, at=at + DAY)
    assert not give_up_payment(payment_id=payment.pk, at=at + DAY)
    assert state(payment) == "cancelled"
    assert settled(payment, at=at + 2 * DAY, paid_at=at) is not None
    assert not give_up_payment(payment_id=payment.pk, at=at + 3 * DAY)
    assert state(payment) == "paid"
    assert "nothing differs" in checked()


def test_the_first_name_stays_and_a_look_is_kept(cast: Cast, price: Price, at: datetime):
    payment = begun(cast, price, at=at)
    name_payment(payment_id=payment.pk, provider_ref="pi_1")
    name_payment(payment_id=payment.pk, provider_ref="pi_2")
    note_look(payment_id=payment.pk, at=at + DAY, error="x" * 600)
    payment.refresh_from_db()
    assert (payment.provider_ref, payment.looked_at, payment.last_error) == ("pi_1", at + DAY, "x" * 500)


# Dated


@pytest.mark.rule("D1")
@pytest.mark.parametrize(
    ("zone", "paid_at", "bought_on", "expires_at"),
    [
        ("America/New_York", "2026-12-01T04:59:59Z", "2026-11-30", "2027-12-01T05:00:00Z"),
        ("America/New_York", "2026-12-01T05:00:00Z", "2026-12-01", "2027-12-02T05:00:00Z"),
        ("Pacific/Auckland", "2026-11-30T10:59:00Z", "2026-11-30", "2027-11-30T11:00:00Z"),
        ("Pacific/Auckland", "2026-11-30T11:00:00Z", "2026-12-01", "2027-12-01T11:00:00Z"),
        ("Europe/Berlin", "2026-03-28T22:59:59Z", "2026-03-28", "2027-03-28T22:00:00Z"),
    ],
)
def test_it_is_dated_by_the_customers_date_at_the_payment(
    cast: Cast, price: Price, zone: str, paid_at: str, bought_on: str, expires_at: str
):
    """However late it is heard of: at 23:59 it is still that day."""
    Customer.objects.filter(pk=cast.acme.pk).update(zone=zone)
    when = datetime.fromisoformat(paid_at)
    lot = settled(begun(cast, price, at=when), at=when + 2 * DAY, paid_at=when)
    assert lot is not None
    assert (lot.bought_at, lot.purchase.bought_on) == (when, date.fromisoformat(bought_on))
    assert lot.expires_at == datetime.fromisoformat(expires_at)
    assert lot.purchase.zone == zone
    assert "nothing differs" in checked()


@pytest.mark.rule("D40")
def test_a_provider_whose_clock_is_ahead_sells_nothing_of_tomorrow(cast: Cast, price: Price, at: datetime):
    lot = settled(begun(cast, price, at=at), at=at, paid_at=at + TICK)
    assert lot is not None
    assert lot.bought_at == at
    late = datetime(2026, 12, 1, 4, 59, 59, tzinfo=UTC)
    lot = settled(begun(cast, price, at=late), at=late, paid_at=late + DAY)
    assert lot is not None
    assert lot.purchase.bought_on == date(2026, 11, 30)


# At once


def test_one_key_at_once_is_one_payment(committed_cast: Cast, at: datetime):
    price = Price.objects.create(pack=Pack.objects.get(points=30), amount_minor=24000, currency="EUR")
    done = at_once(*[partial(begun, committed_cast, price, at=at, key_="one key")] * 8)
    assert done == [Payment.objects.get()] * 8


def test_heard_of_eight_times_at_once_and_given_up_it_is_one_lot(committed_cast: Cast, at: datetime):
    price = Price.objects.create(pack=Pack.objects.get(points=30), amount_minor=24000, currency="EUR")
    payment = begun(committed_cast, price, at=at)
    done = at_once(
        *[partial(settled, payment, at=at)] * 8, *[partial(give_up_payment, payment_id=payment.pk, at=at)] * 4, checked
    )
    assert sum(isinstance(result, Lot) for result in done[:8]) == 1
    assert sum(result is None for result in done[:8]) == 7
    assert (Purchase.objects.count(), state(payment)) == (1, "paid")
    assert "nothing differs" in done[-1]
    assert "nothing differs" in checked()


def test_the_customers_row_is_locked_first(cast: Cast, price: Price, at: datetime):
    with CaptureQueriesContext(connection) as asked:
        payment = begun(cast, price, at=at)
        settled(payment, at=at)
    locks = [query["sql"] for query in asked if "FOR " in query["sql"] and "UPDATE" in query["sql"]]
    assert ["people_customer" in lock.split("FROM")[1].split()[0] for lock in locks] == [True, True, False]
