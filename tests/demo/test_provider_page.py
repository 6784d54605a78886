"""The demo's page of the payment provider."""

from __future__ import annotations

from typing import Any

import pytest
import stripe
from django.test import Client

from supportdesk.demo import provider_views
from supportdesk.demo.provider import cards
from tests.provider import TestProvider

pytestmark = [pytest.mark.django_db, pytest.mark.rule("D32")]


@pytest.fixture
def paid(provider: TestProvider) -> str:
    at = stripe.StripeClient(provider.secret_key, base_addresses={"api": provider.base})
    intent = at.v1.payment_intents.create({"amount": 5000, "currency": "usd", "description": "<b>100</b> points"})
    provider.pay(intent.id)
    return intent.id


def act(client: Client, verb: str, name: str = "") -> str:
    response = client.post(f"/demo/provider/{verb}/", {"id": name}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_payments_are_shown_with_what_came_of_them(client: Client, provider: TestProvider, paid: str) -> None:
    page = client.get("/demo/provider/").content.decode()

    assert "$50.00, &lt;b&gt;100&lt;/b&gt; points" in page
    assert paid in page
    assert "visa •••• 4242" in page
    assert "payment_intent.succeeded" in page
    assert "4000000000005126" in page


def test_every_test_card_is_told_of() -> None:
    assert set(provider_views.CARDS) == set(cards.CARDS)


def test_a_refund_and_a_dispute_by_hand(client: Client, provider: TestProvider, paid: str) -> None:
    assert "Refund of $50.00: succeeded" in act(client, "refund", paid)
    assert "has already been refunded" in act(client, "refund", paid)
    refund = provider.everything()["refunds"][0]["id"]
    assert "Refund of $50.00: failed" in act(client, "fail", refund)
    assert "Dispute over $50.00: needs_response" in act(client, "dispute", paid)
    dispute = provider.everything()["disputes"][0]["id"]
    assert "Dispute over $50.00: won" in act(client, "won", dispute)


@pytest.mark.parametrize(
    ("verb", "said"),
    [("next-fails", "It will be refused"), ("next-hangs", "come too late"), ("next-pending", "It will stay pending")],
)
def test_what_the_next_refund_meets_is_said(client: Client, provider: TestProvider, verb: str, said: str) -> None:
    assert said in act(client, verb)


def test_an_event_is_sent_again(client: Client, provider: TestProvider, paid: str) -> None:
    provider.pause()
    provider.send_events_to("http://127.0.0.1:9/")
    [event] = provider.events("payment_intent.succeeded")

    page = act(client, "send", event["id"])

    assert "ClientConnectorError, 1 try" in page
    assert "not taken" in page


def test_a_provider_that_is_away_is_said(client: Client, settings: Any) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"

    response = client.get("/demo/provider/")

    assert response.status_code == 503
    assert "does not answer" in response.content.decode()


def test_outside_the_demo_there_is_nothing(client: Client, settings: Any, provider: TestProvider, paid: str) -> None:
    settings.DEMO = False

    assert client.get("/demo/provider/").status_code == 404
    assert client.post("/demo/provider/refund/", {"id": paid}).status_code == 404
    assert not provider.everything()["refunds"]


def test_only_posts_to_verbs_that_are_there(client: Client, provider: TestProvider, paid: str) -> None:
    assert client.get("/demo/provider/refund/").status_code == 405
    assert client.post("/demo/provider/other/").status_code == 404
