"""The provider's library, as the desk uses it: its version, its errors in our words, one try a call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import stripe

from points.payments import provider as provider_module
from points.payments.provider import API_VERSION, NotThere, ProviderDown, ProviderRefused, is_live, ready, snapshot
from tests.cast import Cast
from tests.payments.money import begun, bought, ref_of, refunding
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D5", "D32")


def test_the_version_is_the_one_that_the_library_was_made_for():
    """Another one is looked at first: fields and parameters change with it."""
    assert stripe.api_version == API_VERSION


def _error(kind: type[stripe.StripeError], status: int, code: str = "") -> stripe.StripeError:
    given: dict[str, Any] = {"http_status": status, "json_body": {"error": {"code": code}}, "code": code}
    if issubclass(kind, stripe.InvalidRequestError | stripe.CardError):
        given["param"] = None
    return kind("No\nmore", **given)


@pytest.mark.parametrize(
    ("error", "is_"),
    [
        (_error(stripe.InvalidRequestError, 400, "charge_disputed"), ProviderRefused),
        (_error(stripe.InvalidRequestError, 400), ProviderRefused),
        (_error(stripe.CardError, 402, "card_declined"), ProviderRefused),
        (_error(stripe.InvalidRequestError, 404, "resource_missing"), NotThere),
        (_error(stripe.InvalidRequestError, 400, "resource_missing"), NotThere),
        (_error(stripe.InvalidRequestError, 400, "balance_insufficient"), ProviderDown),
        (_error(stripe.InvalidRequestError, 400, "lock_timeout"), ProviderDown),
        (_error(stripe.IdempotencyError, 400), ProviderDown),
        (_error(stripe.APIError, 409, "idempotency_key_in_use"), ProviderDown),
        (_error(stripe.RateLimitError, 429), ProviderDown),
        (_error(stripe.APIError, 500), ProviderDown),
        (_error(stripe.AuthenticationError, 401), ProviderDown),
        (_error(stripe.PermissionError, 403), ProviderDown),
        (stripe.APIConnectionError("gone"), ProviderDown),  # type: ignore[no-untyped-call]
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else f"{type(value).__name__}-{value.http_status}",
)
def test_only_what_says_something_of_the_thing_itself_is_a_refusal(
    error: stripe.StripeError, is_: type[Exception], settings: Any
):
    with pytest.raises(is_) as raised, provider_module._asking():
        raise error
    assert type(raised.value) is is_
    assert "\n" not in str(raised.value)


def test_without_keys_nothing_is_asked(settings: Any):
    settings.STRIPE_SECRET_KEY = ""
    assert (ready(), is_live()) == (False, False)
    with pytest.raises(ProviderDown):
        snapshot("pi_1")


@pytest.mark.parametrize(("key", "live"), [("sk_live_x", True), ("rk_live_x", True), ("sk_test_live_x", False)])
def test_whether_money_is_real_is_in_the_key(settings: Any, key: str, live: bool):
    settings.STRIPE_SECRET_KEY = key
    assert is_live() is live


def test_a_call_is_one_try(provider: TestProvider, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch):
    """The row tries again; the library by itself would try before anybody has looked."""
    refund = refunding(provider, cast, at=at)
    tries: list[str] = []
    request = stripe.RequestsClient.request

    def counted(client: stripe.RequestsClient, method: str, *rest: Any, **more: Any) -> Any:
        tries.append(method)
        return request(client, method, *rest, **more)

    monkeypatch.setattr(stripe.RequestsClient, "request", counted)
    provider.next_refund("unavailable", times=9)
    with pytest.raises(ProviderDown):
        provider_module.send_refund(refund)
    assert tries == ["post"]


def test_a_snapshot_has_all_refunds_and_disputes_page_by_page(
    provider: TestProvider, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(provider_module, "PAGE", 2)
    payment = bought(provider, cast.owner, at=at)
    for amount in range(1, 6):
        provider.refund(ref_of(payment), amount)
    dispute = provider.dispute(ref_of(payment), reason="duplicate")
    seen = snapshot(ref_of(payment))
    assert (seen.intent.status, seen.intent.received_minor, seen.intent.currency) == ("succeeded", 24000, "EUR")
    assert (seen.intent.card_brand, seen.intent.card_last4) == ("visa", "4242")
    assert sorted(fact.amount_minor for fact in seen.refunds) == [1, 2, 3, 4, 5]
    assert {(fact.payment_ref, fact.key) for fact in seen.refunds} == {(payment.provider_ref, "")}
    (fact,) = seen.disputes
    assert (fact.ref, fact.reason, fact.status) == (dispute["id"], "duplicate", "needs_response")


def test_a_payment_that_is_open_has_no_card_and_no_instant(provider: TestProvider, cast: Cast, at: datetime):
    intent = snapshot(ref_of(begun(cast.owner, at=at))).intent
    assert (intent.status, intent.paid_at, intent.card_last4) == ("requires_payment_method", None, "")
