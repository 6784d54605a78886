"""Stripe, seen from the desk. The only module that knows its library: small values go in, small values come out.

Every call is one try: who calls has a row that outlives it, and tries again later. None is made in a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import stripe
from django.conf import settings

from points.models import Payment, Refund
from points.payments.facts import DisputeFact, Intent, RefundFact, Snapshot
from supportdesk.mail.texts import one_line

# What the shapes below were written for. A newer library keeps asking for this one until somebody has looked.
API_VERSION: Final = "2026-10-28.endive"
SIGNATURE_SECONDS: Final = 300
ERROR_MAX: Final = 500
PAGE: Final = 100
# Refusals that say something of our set-up or of the moment, not of what was asked: a later try may meet none.
NOT_FOR_GOOD: Final = frozenset(
    {"rate_limit", "lock_timeout", "idempotency_key_in_use", "balance_insufficient", "api_key_expired"}
    | {"platform_api_key_expired", "secret_key_required", "testmode_charges_only", "livemode_mismatch"}
    | {"account_invalid", "account_closed", "tls_version_unsupported", "not_allowed_on_standard_account"}
)

Verdict = Literal["fits", "does not fit", "too old"]


class ProviderDown(Exception):
    """No answer, or none that says anything of what was asked for. It may have been done: look before trying again."""


class NotThere(ProviderDown):
    """The provider has no such object for this key: it is of another account, or the key is."""


class ProviderRefused(Exception):
    """The provider will not do it, now or later; ``code`` is its own."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if code else text)
        self.code = code
        self.text = text


def ready() -> bool:
    """Whether a provider is set up at all."""
    return bool(settings.STRIPE_SECRET_KEY)


def is_live() -> bool:
    """Whether real money moves."""
    return str(settings.STRIPE_SECRET_KEY)[3:].startswith("live_")


def signature_verdict(*, body: bytes, header: str, secret: str) -> Verdict:
    """Whether the provider signed this body with this secret, and lately."""
    # compare_digest takes no other letters, and a body of the provider's is always UTF-8.
    if not header.isascii() or not _is_utf8(body):
        return "does not fit"
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, None)
    except stripe.SignatureVerificationError:
        return "does not fit"
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, SIGNATURE_SECONDS)
    except stripe.SignatureVerificationError:
        return "too old"
    return "fits"


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def begin(payment: Payment) -> str:
    """Makes the provider's payment intent and gives its reference; for the same payment the same one."""
    with _asking() as client:
        intent = client.v1.payment_intents.create(
            {
                "amount": payment.amount_minor,
                "currency": payment.currency.lower(),
                "allowed_payment_method_types": ["card"],
                "description": f"{payment.points} support points",
                "metadata": {
                    "payment": str(payment.pk),
                    "payment_key": payment.key,
                    "customer": str(payment.customer_id),
                },
            },
            {"idempotency_key": payment.key},
        )
        return intent.id


def secret_of(ref: str) -> str:
    """What the customer's browser needs to pay, and nobody else may see."""
    with _asking() as client:
        return client.v1.payment_intents.retrieve(ref).client_secret or ""


def snapshot(ref: str) -> Snapshot:
    """All that the provider says of a payment now. Raises NotThere where it knows none of that name."""
    with _asking() as client:
        intent = client.v1.payment_intents.retrieve(ref, {"expand": ["latest_charge"]})
        refunds = client.v1.refunds.list({"payment_intent": ref, "limit": PAGE})
        disputes = client.v1.disputes.list({"payment_intent": ref, "limit": PAGE})
        return Snapshot(
            intent=_intent(intent),
            refunds=tuple(_refund(refund) for refund in refunds.auto_paging_iter()),
            disputes=tuple(_dispute(dispute) for dispute in disputes.auto_paging_iter()),
        )


def cancel(ref: str) -> None:
    """Nobody can pay it any more. Raises ProviderRefused where somebody has, or it was cancelled before."""
    with _asking() as client:
        client.v1.payment_intents.cancel(ref, {"cancellation_reason": "abandoned"})


def send_refund(refund: Refund) -> RefundFact:
    """Asks for a refund, under the one key that it keeps for ever."""
    with _asking() as client:
        sent = client.v1.refunds.create(
            {
                "payment_intent": refund.purchase.provider_ref,
                "amount": refund.amount_minor,
                "reason": "requested_by_customer",
                "metadata": {"refund": refund.key},
            },
            {"idempotency_key": refund.key},
        )
        return _refund(sent)


def find_refund(refund: Refund) -> RefundFact | None:
    """The refund in the provider's records, by its reference or else by its key: the first that was made of it."""
    with _asking() as client:
        if refund.provider_ref is not None:
            return _refund(client.v1.refunds.retrieve(refund.provider_ref))
        listed = client.v1.refunds.list({"payment_intent": refund.purchase.provider_ref, "limit": PAGE})
        found = [fact for fact in map(_refund, listed.auto_paging_iter()) if fact.key == refund.key]
        return min(found, key=lambda fact: (fact.created_at, fact.ref), default=None)


def all_intents() -> Iterator[Intent]:
    """Every payment in the provider's records, a page a call."""
    with _asking() as client:
        for intent in client.v1.payment_intents.list(
            {"limit": PAGE, "expand": ["data.latest_charge"]}
        ).auto_paging_iter():
            yield _intent(intent)


def all_refunds() -> Iterator[RefundFact]:
    """Every refund in the provider's records, a page a call."""
    with _asking() as client:
        for refund in client.v1.refunds.list({"limit": PAGE}).auto_paging_iter():
            yield _refund(refund)


def all_disputes() -> Iterator[DisputeFact]:
    """Every dispute in the provider's records, a page a call."""
    with _asking() as client:
        for dispute in client.v1.disputes.list({"limit": PAGE}).auto_paging_iter():
            yield _dispute(dispute)


@lru_cache(maxsize=4)
def _client(key: str, base: str, seconds: int) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=seconds),
    )


@contextmanager
def _asking() -> Iterator[stripe.StripeClient]:
    """The client for one conversation; what goes wrong in it becomes ProviderDown or ProviderRefused."""
    if not ready():
        raise ProviderDown("no provider is set up")
    try:
        yield _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS)
    except stripe.StripeError as error:
        raise _translated(error) from error


def _translated(error: stripe.StripeError) -> Exception:
    text = one_line(error.user_message or type(error).__name__, ERROR_MAX)
    if isinstance(error, stripe.APIConnectionError):
        return ProviderDown(f"no answer: {type(error.__cause__ or error).__name__}")
    # An answer of a key that was used for something else says nothing of what became of the first call.
    if not isinstance(error, stripe.InvalidRequestError | stripe.CardError):
        return ProviderDown(f"{error.http_status or ''} {text}".strip())
    code = error.code or (f"wrong_{error.param}" if error.param else "")  # some refusals have no code
    if code == "resource_missing" or error.http_status == 404:
        return NotThere(text)
    if code in NOT_FOR_GOOD:
        return ProviderDown(f"{code}: {text}")
    return ProviderRefused(code, text)


def _intent(intent: stripe.PaymentIntent) -> Intent:
    kept = _kept(intent)
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    details = charge.payment_method_details if charge is not None else None
    card = getattr(details, "card", None)
    return Intent(
        ref=intent.id,
        status=intent.status,
        amount_minor=intent.amount,
        received_minor=intent.amount_received,
        currency=intent.currency.upper(),
        payment_id=kept.get("payment", ""),
        payment_key=kept.get("payment_key", ""),
        customer_id=kept.get("customer", ""),
        paid_at=_instant(charge.created) if charge is not None and charge.paid else None,
        card_brand=getattr(card, "brand", None) or "",
        card_last4=getattr(card, "last4", None) or "",
    )


def _refund(refund: stripe.Refund) -> RefundFact:
    return RefundFact(
        ref=refund.id,
        payment_ref=_ref(refund.payment_intent),
        status=refund.status or "",
        amount_minor=refund.amount,
        currency=refund.currency.upper(),
        created_at=_instant(refund.created),
        key=_kept(refund).get("refund", ""),
        failure=getattr(refund, "failure_reason", None) or "",
    )


def _dispute(dispute: stripe.Dispute) -> DisputeFact:
    return DisputeFact(
        ref=dispute.id,
        payment_ref=_ref(dispute.payment_intent),
        status=dispute.status,
        amount_minor=dispute.amount,
        currency=dispute.currency.upper(),
        reason=dispute.reason,
        created_at=_instant(dispute.created),
    )


def _kept(thing: Any) -> dict[str, str]:
    return thing.metadata.to_dict() if thing.metadata else {}


def _ref(named: Any) -> str:
    """A reference, also where the provider gave the whole object."""
    return named if isinstance(named, str) else getattr(named, "id", None) or ""


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
