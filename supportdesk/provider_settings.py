"""The payment provider's part of the settings: all of it or nothing, and never half a live key (D32)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

API_BASE: Final = "https://api.stripe.com"
SCRIPT_URL: Final = "https://js.stripe.com/v3/"
FRAME_ORIGINS: Final = "https://js.stripe.com,https://*.js.stripe.com,https://hooks.stripe.com"
THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
MOST_SECONDS: Final = 80  # Stripe's own limit: whoever waits longer waits in vain


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What the desk knows of its payment provider."""

    secret_key: str
    publishable_key: str
    webhook_secrets: tuple[str, ...]
    api_base: str
    script_url: str
    frame_origins: tuple[str, ...]
    connect_origins: tuple[str, ...]
    timeout_seconds: int


def provider_settings(environment: Mapping[str, str], *, demo: bool) -> ProviderSettings:
    """The settings in the environment. Raises ImproperlyConfigured with a word about what is wrong.

    Rule: D32.
    """
    secret, publishable = (environment.get(f"STRIPE_{name}_KEY", "").strip() for name in ("SECRET", "PUBLISHABLE"))
    webhooks = _several(environment.get("STRIPE_WEBHOOK_SECRETS", ""))
    _check_keys(secret, publishable, webhooks)
    api_base = environment.get("STRIPE_API_BASE", API_BASE).rstrip("/")
    script_url = environment.get("STRIPE_SCRIPT_URL", SCRIPT_URL)
    frames = _several(environment.get("STRIPE_FRAME_ORIGINS", FRAME_ORIGINS))
    connects = _several(environment.get("STRIPE_CONNECT_ORIGINS", API_BASE))
    _check_address("STRIPE_API_BASE", api_base)
    _check_address("STRIPE_SCRIPT_URL", script_url)
    for name, origins in (("STRIPE_FRAME_ORIGINS", frames), ("STRIPE_CONNECT_ORIGINS", connects)):
        for origin in origins:
            _check_address(name, origin)
            if urlsplit(origin).path or urlsplit(origin).query:
                raise ImproperlyConfigured(f"{name} holds origins, without a path: not {origin!r}.")
    if demo and secret and urlsplit(api_base).hostname not in THIS_MACHINE:
        raise ImproperlyConfigured("The demo pays at a provider on this machine only: STRIPE_API_BASE is elsewhere.")
    return ProviderSettings(
        secret_key=secret,
        publishable_key=publishable,
        webhook_secrets=webhooks,
        api_base=api_base,
        script_url=script_url,
        frame_origins=frames,
        connect_origins=connects,
        timeout_seconds=_seconds(environment.get("STRIPE_TIMEOUT_SECONDS", "20")),
    )


def _check_keys(secret: str, publishable: str, webhooks: tuple[str, ...]) -> None:
    given = {
        "STRIPE_SECRET_KEY": bool(secret),
        "STRIPE_PUBLISHABLE_KEY": bool(publishable),
        "STRIPE_WEBHOOK_SECRETS": bool(webhooks),
    }
    if not any(given.values()):
        return
    if not all(given.values()):
        lacking = ", ".join(name for name, is_given in given.items() if not is_given)
        raise ImproperlyConfigured(f"Card payments are set up by all three of {', '.join(given)}: {lacking} is empty.")
    if not secret.startswith(("sk_live_", "sk_test_", "rk_live_", "rk_test_")):
        raise ImproperlyConfigured("STRIPE_SECRET_KEY begins with sk_live_ or sk_test_ (rk_ for a restricted key).")
    if not publishable.startswith(("pk_live_", "pk_test_")):
        raise ImproperlyConfigured("STRIPE_PUBLISHABLE_KEY begins with pk_live_ or pk_test_.")
    if secret[3:7] != publishable[3:7]:
        raise ImproperlyConfigured("STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY: one is live, the other for tests.")
    if not all(one.startswith("whsec_") for one in webhooks):
        raise ImproperlyConfigured("STRIPE_WEBHOOK_SECRETS begin with whsec_, with commas between.")


def _check_address(name: str, address: str) -> None:
    """A secret key goes there, or the customer's browser: in the clear only within this machine."""
    parts = urlsplit(address)
    is_near = parts.hostname in THIS_MACHINE and parts.scheme == "http"
    if not parts.hostname or not (parts.scheme == "https" or is_near):
        raise ImproperlyConfigured(f"{name} must begin with https://, not {address!r}.")


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SECONDS:
        raise ImproperlyConfigured(f"STRIPE_TIMEOUT_SECONDS is a number from 1 to {MOST_SECONDS}, not {text!r}.")
    return int(text)
