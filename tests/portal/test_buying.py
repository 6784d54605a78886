"""Buying a pack: what the pages say and refuse; nothing is begun by looking (D8, D21, D32)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from points.models import Lot, Pack, Payment, Price
from tests.cast import Cast
from tests.incidents_helpers import key, signed_in
from tests.payments.money import a_price, on_hand, stripe_client
from tests.portal.test_report import plain
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D32")
BUY = "/points/buy/"


@pytest.fixture
def pack(cast: Cast, clock_at: datetime) -> Pack:
    return a_price()


@pytest.fixture
def owner(cast: Cast) -> Client:
    return signed_in(cast.owner)


def sent(cast: Cast, pack: Pack, **changed: str) -> dict[str, str]:
    """What the page sends for thirty points at EUR 240.00."""
    form = {"key": key(), "customer": str(cast.acme.pk), "currency": "EUR", "offer": f"{pack.pk}:24000"}
    return form | changed


def test_packs_stand_with_their_prices_and_last_day(owner: Client, pack: Pack, provider: TestProvider):
    said = plain(owner.get(BUY).content.decode())
    for words in (
        "30 points",
        "EUR 240.00",
        "EUR 8.00 a point",
        "Buy for EUR 240.00",
        "through 1 Dec 2027, in New York",
    ):
        assert words in said
    assert not Payment.objects.exists()


def test_the_pay_page_alone_lets_the_providers_script_in(owner: Client, cast: Cast, pack: Pack, provider: TestProvider):
    answer = owner.post(BUY, sent(cast, pack))
    assert answer.status_code == 302
    page = owner.get(answer.url)  # type: ignore[attr-defined]
    assert page.status_code == 200
    assert provider.script_url in page.headers["Content-Security-Policy"]
    assert "_secret_" in page.content.decode()
    for other in (BUY, "/points/", "/report/"):
        assert provider.script_url not in owner.get(other).headers["Content-Security-Policy"]


def test_looking_begins_nothing(owner: Client, cast: Cast, pack: Pack, provider: TestProvider):
    owner.post(BUY, sent(cast, pack))
    payment = Payment.objects.get()
    Payment.objects.create(
        customer=cast.acme,
        user=payment.user,
        points=30,
        amount_minor=24000,
        currency="EUR",
        started_at=payment.started_at,
        looked_at=payment.looked_at,
        key=key(),
    )
    nameless = Payment.objects.get(provider_ref=None)
    page = owner.get(f"{BUY}{nameless.pk}/")
    assert page.status_code == 503
    assert "Nothing was paid" in plain(page.content.decode())
    assert len(stripe_client().v1.payment_intents.list().data) == 1


def test_paid_it_is_on_hand_and_said_so(owner: Client, cast: Cast, pack: Pack, provider: TestProvider, at: datetime):
    owner.post(BUY, sent(cast, pack))
    payment = Payment.objects.get()
    early = plain(owner.post(f"{BUY}{payment.pk}/paid/", follow=True).content.decode())
    assert "nothing is paid yet" in early
    provider.pay(str(payment.provider_ref))
    for _twice in range(2):
        answer = owner.post(f"{BUY}{payment.pk}/paid/", follow=True)
        assert "30 points added, 30 on hand." in plain(answer.content.decode())
    assert (on_hand(cast, at), Lot.objects.count()) == (30, 1)


def test_one_form_sent_twice_is_one_payment(owner: Client, cast: Cast, pack: Pack, provider: TestProvider):
    form = sent(cast, pack)
    assert owner.post(BUY, form).headers["Location"] == owner.post(BUY, form).headers["Location"]
    assert (Payment.objects.count(), len(stripe_client().v1.payment_intents.list().data)) == (1, 1)


def test_a_price_that_changed_since_is_not_paid_unread(owner: Client, cast: Cast, pack: Pack, provider: TestProvider):
    Price.objects.update(amount_minor=26000)
    answer = owner.post(BUY, sent(cast, pack))
    said = plain(answer.content.decode())
    assert (answer.status_code, Payment.objects.count()) == (422, 0)
    assert "The price has changed since the page was loaded." in said
    assert "EUR 260.00" in said


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"offer": ""}, "Choose a pack."),
        ({"offer": "-5:24000"}, "Choose one of the packs."),
        ({"offer": "9" * 19 + ":1"}, "Choose one of the packs."),
        ({"offer": "4000000:24000"}, "The price has changed"),
        ({"currency": "XXX"}, "The price has changed"),
        ({"currency": "<b>"}, ""),
        ({"customer": "4000000"}, "Choose one of your organisations."),
        ({"key": ""}, ""),
    ],
)
def test_wrong_input_begins_nothing(
    owner: Client, cast: Cast, pack: Pack, provider: TestProvider, changed: dict[str, str], words: str
):
    answer = owner.post(BUY, sent(cast, pack, **changed))
    assert (answer.status_code, Payment.objects.count()) == (422, 0)
    assert words in plain(answer.content.decode())


def test_a_key_of_another_pack_is_asked_for_again(owner: Client, cast: Cast, pack: Pack, provider: TestProvider):
    form = sent(cast, pack)
    owner.post(BUY, form)
    small = a_price(10, 9000)
    answer = owner.post(BUY, form | {"offer": f"{small.pk}:9000"})
    assert (answer.status_code, Payment.objects.count()) == (422, 1)
    assert form["key"] not in answer.content.decode()


def test_a_provider_that_is_away_is_said_and_nothing_paid(
    owner: Client, cast: Cast, pack: Pack, provider: TestProvider, settings: Any
):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    answer = owner.post(BUY, sent(cast, pack))
    assert answer.status_code == 422
    assert "does not answer as it should. Nothing was paid: try again." in plain(answer.content.decode())


def test_without_a_provider_no_card_is_taken(owner: Client, cast: Cast, pack: Pack, settings: Any):
    settings.STRIPE_SECRET_KEY = ""
    assert "Cards are not taken here." in plain(owner.get(BUY).content.decode())
    assert owner.post(BUY, sent(cast, pack)).status_code == 422
    assert not Payment.objects.exists()


@pytest.mark.rule("D21", "D22")
def test_who_does_not_see_the_points_buys_none(cast: Cast, pack: Pack, owner: Client, provider: TestProvider):
    owner.post(BUY, sent(cast, pack))
    page = f"{BUY}{Payment.objects.get().pk}/"
    for person in (cast.restricted, cast.stranger):
        browser = signed_in(person)
        assert browser.get(page).status_code == browser.post(f"{page}paid/").status_code == 404
    assert signed_in(cast.restricted).post(BUY, sent(cast, pack)).status_code == 404
    assert signed_in(cast.stranger).post(BUY, sent(cast, pack)).status_code == 422
    assert Payment.objects.count() == 1
