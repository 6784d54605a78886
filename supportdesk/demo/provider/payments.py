"""Payment intents and their charges."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any, Final

from supportdesk.demo.provider import disputes
from supportdesk.demo.provider.cards import Card, read_card
from supportdesk.demo.provider.core import Provider, new_id, now
from supportdesk.demo.provider.errors import ApiError, not_here
from supportdesk.demo.provider.money import check_amount, check_currency
from supportdesk.demo.provider.params import Json, metadata, only, required, text, whole

CREATE: Final = {
    *("amount", "currency", "metadata", "description", "allowed_payment_method_types", "receipt_email"),
    *("automatic_payment_methods", "statement_descriptor_suffix", "capture_method"),
}
REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
TO_PAY: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
# What a publishable key and the client secret show: nothing of what the desk wrote beside it.
PUBLIC: Final = (
    *("id", "object", "amount", "canceled_at", "cancellation_reason", "capture_method", "client_secret"),
    *("confirmation_method", "created", "currency", "description", "last_payment_error", "livemode", "next_action"),
    *("payment_method", "payment_method_types", "receipt_email", "status"),
)
AUTHENTICATION: Final = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


async def create(provider: Provider, params: Json) -> Json:
    """A new intent. Raises ApiError."""
    only(params, CREATE)
    currency = check_currency(required(params, "currency"))
    required(params, "amount")
    amount = whole(params, "amount") or 0
    check_amount(amount, currency)
    types = params.get("allowed_payment_method_types", ["card"])
    if types != ["card"]:
        raise not_here("allowed_payment_method_types")
    if params.get("capture_method", "automatic") not in ("automatic", "automatic_async"):
        raise not_here("capture_method")
    kept = metadata(params)
    made = await provider.inner.post("/v1/payment_intents", amount=amount, currency=currency, metadata=kept)
    automatic = params.get("automatic_payment_methods")
    intent: Json = {
        "id": made["id"],
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "always"} if automatic else None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": made["client_secret"],
        "confirmation_method": "automatic",
        "created": made["created"],
        "currency": currency,
        "customer": None,
        "description": text(params, "description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": kept,
        "next_action": None,
        "payment_method": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": types,
        "processing": None,
        "receipt_email": text(params, "receipt_email"),
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": text(params, "statement_descriptor_suffix"),
        "status": "requires_payment_method",
    }
    provider.state.intents[made["id"]] = intent
    return intent


async def update(provider: Provider, intent: Json, params: Json) -> Json:
    """Changes what was written beside an intent. Raises ApiError."""
    only(params, {"metadata", "description", "receipt_email"})
    kept = metadata(params, intent["metadata"])
    changed = {name: text(params, name) for name in ("description", "receipt_email") if name in params}
    intent |= changed | {"metadata": kept}
    return intent


async def cancel(provider: Provider, intent: Json, params: Json) -> Json:
    """Nobody can pay it any more. Raises ApiError if somebody has, or it is cancelled already."""
    only(params, {"cancellation_reason"})
    reason = text(params, "cancellation_reason")
    if reason is not None and reason not in REASONS:
        raise ApiError(
            400, f"Invalid cancellation_reason: must be one of {', '.join(REASONS)}", param="cancellation_reason"
        )
    if intent["status"] not in TO_PAY:
        raise _unexpected(intent, "cancel")
    await provider.inner.post(f"/v1/payment_intents/{intent['id']}/cancel")
    provider.state.waiting.pop(intent["id"], None)
    intent |= {"status": "canceled", "canceled_at": now(), "cancellation_reason": reason, "next_action": None}
    provider.events.emit("payment_intent.canceled", intent)
    return intent


async def confirm(provider: Provider, intent: Json, params: Json) -> Json:
    """Pays with the card of the request, or asks for 3-D Secure first. Raises ApiError if the card does not pay."""
    if intent["status"] not in TO_PAY:
        raise _unexpected(intent, "confirm")
    sent = params.get("payment_method_data")
    if not isinstance(sent, dict) or sent.get("type") != "card":
        raise (
            not_here("payment_method")
            if "payment_method" in params
            else ApiError(
                400, "You must provide a payment method.", code="parameter_missing", param="payment_method_data"
            )
        )
    card, shown = read_card(sent.get("card"), datetime.now(UTC))
    billing = sent.get("billing_details")
    details = {"address": None, "email": None, "name": None, "phone": None}
    details |= billing if isinstance(billing, dict) else {}
    intent["last_payment_error"] = None
    if card.secure:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        provider.state.waiting[intent["id"]] = {"number": card.number, "shown": shown, "billing": details}
        provider.events.emit("payment_intent.requires_action", intent)
        return intent
    return await _pay(provider, intent, card, shown, details, secure=None)


async def authenticate(provider: Provider, intent: Json, params: Json) -> Json:
    """What the 3-D Secure box said. Raises ApiError if the intent does not wait for it, or the card does not pay."""
    waiting = provider.state.waiting.pop(intent["id"], None)
    if waiting is None:
        raise _unexpected(intent, "authenticate")
    intent["next_action"] = None
    if params.get("success") == "true":
        card = Card(number=waiting["number"])
        secure = {"authentication_flow": "challenge", "result": "authenticated", "version": "2.2.0"}
        return await _pay(provider, intent, card, waiting["shown"], waiting["billing"], secure=secure)
    intent["status"] = "requires_payment_method"
    intent["last_payment_error"] = {
        "type": "invalid_request_error",
        "code": "payment_intent_authentication_failure",
        "message": AUTHENTICATION,
    }
    provider.events.emit("payment_intent.payment_failed", intent)
    return intent


async def _pay(
    provider: Provider, intent: Json, card: Card, shown: Json, billing: Json, *, secure: Json | None
) -> Json:
    inner: Json = {} if card.code else await provider.inner.pay(intent["id"])
    charge = _charge(intent, card, shown, billing, inner, secure)
    provider.state.charges[charge["id"]] = charge
    provider.state.cards[charge["id"]] = card.number
    intent["latest_charge"] = charge["id"]
    if card.code:
        raise _declined(provider, intent, card, charge)
    intent |= {
        "status": "succeeded",
        "amount_received": intent["amount"],
        "payment_method": charge["payment_method"],
        "next_action": None,
    }
    provider.events.emit("payment_intent.succeeded", intent)
    provider.events.emit("charge.succeeded", charge)
    if card.disputed:
        disputes.open_dispute(provider, charge, reason="fraudulent")
    return intent


def _declined(provider: Provider, intent: Json, card: Card, charge: Json) -> ApiError:
    decline = card.decline_code or card.code
    said = {"charge": charge["id"], "decline_code": decline}
    refusal = ApiError(402, card.message, kind="card_error", code=card.code, kept=True, **said)
    intent |= {"status": "requires_payment_method", "next_action": None}
    intent["last_payment_error"] = copy.deepcopy(refusal.body["error"])
    refusal.body["error"]["payment_intent"] = public(intent)
    provider.events.emit("payment_intent.payment_failed", intent)
    return refusal


def _charge(intent: Json, card: Card, shown: Json, billing: Json, inner: Json, secure: Json | None) -> Json:
    is_paid = not card.code
    decline = card.decline_code or card.code or None
    return {
        "id": inner.get("id") or new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if is_paid else 0,
        "amount_refunded": 0,
        "balance_transaction": inner.get("balance_transaction"),
        "billing_details": billing,
        "captured": is_paid,
        "created": inner.get("created") or now(),
        "currency": intent["currency"],
        "customer": None,
        "description": intent["description"],
        "disputed": False,
        "failure_code": card.code or None,
        "failure_message": card.message or None,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "outcome": {
            "network_status": "approved_by_network" if is_paid else "declined_by_network",
            "reason": decline,
            "risk_level": "normal",
            "seller_message": "Payment complete." if is_paid else "The bank did not return any further details.",
            "type": "authorized" if is_paid else "issuer_declined",
        },
        "paid": is_paid,
        "payment_intent": intent["id"],
        "payment_method": inner.get("payment_method") or new_id("pm"),
        "payment_method_details": {"type": "card", "card": shown | {"three_d_secure": secure, "wallet": None}},
        "receipt_email": intent["receipt_email"],
        "refunded": False,
        "status": "succeeded" if is_paid else "failed",
    }


def public(intent: Json) -> Json:
    """The intent as the customer's browser sees it."""
    return {name: intent[name] for name in PUBLIC}


def _unexpected(intent: Json, verb: str) -> ApiError:
    why: Any = f"it has a status of {intent['status']}"
    if verb == "confirm" and intent["status"] == "succeeded":
        why = "it has already succeeded after being previously confirmed"
    return ApiError(
        400,
        f"You cannot {verb} this PaymentIntent because {why}.",
        code="payment_intent_unexpected_state",
        kept=True,
        payment_intent=public(intent),
    )
