"""The payment provider's settings: all keys or none, never live ones with those for tests."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from supportdesk.provider_settings import FRAME_ORIGINS, provider_settings

pytestmark = pytest.mark.rule("D32")
LIVE = {
    "STRIPE_SECRET_KEY": "sk_live_a",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_a",
    "STRIPE_WEBHOOK_SECRETS": "whsec_new, whsec_old",
}
TEST = {
    "STRIPE_SECRET_KEY": "sk_test_a",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_a",
    "STRIPE_WEBHOOK_SECRETS": "whsec_a",
    "STRIPE_API_BASE": "http://127.0.0.1:8420",
}


def test_without_keys_card_payments_are_not_set_up() -> None:
    found = provider_settings({}, demo=False)

    assert (found.secret_key, found.publishable_key, found.webhook_secrets) == ("", "", ())


def test_the_real_provider_needs_keys_only() -> None:
    found = provider_settings(LIVE, demo=False)

    assert (found.api_base, found.script_url) == ("https://api.stripe.com", "https://js.stripe.com/v3/")
    assert found.frame_origins == tuple(FRAME_ORIGINS.split(","))
    assert found.connect_origins == ("https://api.stripe.com",)
    assert (found.webhook_secrets, found.timeout_seconds) == (("whsec_new", "whsec_old"), 20)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"STRIPE_SECRET_KEY": ""}, "STRIPE_SECRET_KEY is empty"),
        ({"STRIPE_WEBHOOK_SECRETS": " , "}, "STRIPE_WEBHOOK_SECRETS is empty"),
        ({"STRIPE_SECRET_KEY": "sk_test_a"}, "one is live"),
        ({"STRIPE_PUBLISHABLE_KEY": "pk_test_a"}, "one is live"),
        ({"STRIPE_SECRET_KEY": "pk_live_a"}, "STRIPE_SECRET_KEY begins"),
        ({"STRIPE_PUBLISHABLE_KEY": "sk_live_a"}, "STRIPE_PUBLISHABLE_KEY begins"),
        ({"STRIPE_WEBHOOK_SECRETS": "secret"}, "whsec_"),
        ({"STRIPE_API_BASE": "http://api.stripe.com"}, "STRIPE_API_BASE must"),
        ({"STRIPE_API_BASE": ""}, "STRIPE_API_BASE must"),
        ({"STRIPE_SCRIPT_URL": "js.stripe.com/v3/"}, "STRIPE_SCRIPT_URL must"),
        ({"STRIPE_FRAME_ORIGINS": "https://js.stripe.com/v3/"}, "without a path"),
        ({"STRIPE_CONNECT_ORIGINS": "*"}, "STRIPE_CONNECT_ORIGINS must"),
        ({"STRIPE_TIMEOUT_SECONDS": "0"}, "STRIPE_TIMEOUT_SECONDS"),
        ({"STRIPE_TIMEOUT_SECONDS": "soon"}, "STRIPE_TIMEOUT_SECONDS"),
    ],
)
def test_nonsense_is_refused_by_name(changed: dict[str, str], named: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=named):
        provider_settings(LIVE | changed, demo=False)


def test_the_demo_pays_on_this_machine_only() -> None:
    assert provider_settings(TEST, demo=True).api_base == "http://127.0.0.1:8420"
    with pytest.raises(ImproperlyConfigured, match="on this machine only"):
        provider_settings(TEST | {"STRIPE_API_BASE": "https://api.stripe.com"}, demo=True)
    assert provider_settings({}, demo=True).secret_key == ""
