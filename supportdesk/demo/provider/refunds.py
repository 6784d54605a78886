"""Refunds: what is left of a charge, what a refund meets, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Final

from supportdesk.demo.provider.cards import CARDS
from supportdesk.demo.provider.core import Provider
from supportdesk.demo.provider.errors import ApiError, missing
from supportdesk.demo.provider.money import shown
from supportdesk.demo.provider.params import Json, metadata, only, text, whole

CREATE: Final = {"payment_intent", "charge", "amount", "metadata", "reason"}
REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")


async def create(provider: Provider, params: Json, *, key: str | None = None, pending: bool = False) -> Json:
    """A refund of a payment, or of a part of it. ``pending``: it succeeds or fails on command. Raises ApiError."""
    only(params, CREATE)
    reason, kept, amount = text(params, "reason"), metadata(params), whole(params, "amount")
    if reason is not None and reason not in REASONS:
        raise ApiError(400, f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")
    if amount is not None and amount < 1:
        raise ApiError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    charge = _charge(provider, params)
    amount = _checked(provider, charge, amount)
    made = await provider.inner.post("/v1/refunds", charge=charge["id"], amount=amount, metadata=kept)
    card = CARDS.get(provider.state.cards.get(charge["id"], ""))
    status = "pending" if pending else (card.refund if card else "") or "succeeded"
    refund: Json = {
        "id": made["id"],
        "object": "refund",
        "amount": amount,
        "balance_transaction": made["balance_transaction"],
        "charge": charge["id"],
        "created": made["created"],
        "currency": charge["currency"],
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "metadata": kept,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    if status == "pending":
        refund["pending_reason"] = "processing"
    provider.state.refunds[made["id"]] = refund
    before = charge["amount_refunded"]
    _count(charge, before + amount)
    provider.events.emit("refund.created", refund, key=key)
    provider.events.emit("charge.refunded", charge, before={"amount_refunded": before}, key=key)
    if card and card.refund_ends and not pending:
        provider.state.plans[made["id"]] = card.refund_ends
        settle_later(provider, made["id"])
    return refund


async def update(provider: Provider, refund: Json, params: Json) -> Json:
    """Changes a refund's metadata. Raises ApiError."""
    only(params, {"metadata"})
    refund["metadata"] = metadata(params, refund["metadata"])
    provider.events.emit("refund.updated", refund)
    return refund


def settle(provider: Provider, refund: Json, outcome: str, *, why: str = "expired_or_canceled_card") -> Json:
    """What became of a refund. Raises ApiError if it cannot become that any more."""
    before = refund["status"]
    if outcome not in ("succeeded", "failed") or before == "failed" or outcome == before:
        raise ApiError(400, f"A refund that has {before} does not become {outcome!r}.", param="outcome", kept=True)
    provider.state.plans.pop(refund["id"], None)
    refund["status"] = outcome
    refund.pop("pending_reason", None)
    if outcome == "failed":
        refund["failure_reason"] = why
        charge = provider.state.charges[refund["charge"]]
        _count(charge, charge["amount_refunded"] - refund["amount"])
        provider.events.emit("refund.failed", refund)
    provider.events.emit("refund.updated", refund, before={"status": before})
    return refund


def settle_later(provider: Provider, name: str) -> None:
    """Does by itself what is planned for a refund, where the provider is set to do so."""
    if provider.setting.settle_seconds is not None:
        provider.spawn(_settle_later(provider, name, provider.setting.settle_seconds))


async def _settle_later(provider: Provider, name: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    async with provider.lock:
        if name in provider.state.plans:
            settle(provider, provider.state.refunds[name], provider.state.plans[name])
            provider.save()


def left(charge: Json) -> int:
    """What can still be refunded of a charge."""
    amount: int = charge["amount_captured"] - charge["amount_refunded"]
    return amount


def _charge(provider: Provider, params: Json) -> Json:
    intent, charge = text(params, "payment_intent"), text(params, "charge")
    if charge is not None:
        return provider.charge(charge, param="charge")
    if intent is None:
        raise ApiError(
            400, "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing", param="payment_intent",
        )  # fmt: skip
    found = provider.intent(intent, param="payment_intent")
    latest = provider.state.charges.get(found["latest_charge"] or "")
    if latest is None or not latest["paid"]:
        raise ApiError(
            400, f"This PaymentIntent ({intent}) does not have a successful charge to refund.",
            param="payment_intent", kept=True,
        )  # fmt: skip
    return latest


def _checked(provider: Provider, charge: Json, amount: int | None) -> int:
    """How much is refunded. Raises ApiError if that is not possible."""
    name = charge["id"]
    if any(one["charge"] == name and one["status"] != "won" for one in provider.state.disputes.values()):
        raise ApiError(
            400, f"Charge {name} has been charged back; cannot issue a refund.", code="charge_disputed", kept=True
        )
    if not charge["paid"]:
        raise ApiError(400, f"Charge {name} has not been paid; cannot issue a refund.", param="charge", kept=True)
    if not left(charge):
        raise ApiError(400, f"Charge {name} has already been refunded.", code="charge_already_refunded", kept=True)
    if amount is not None and amount > left(charge):
        wanted, rest = shown(amount, charge["currency"]), shown(left(charge), charge["currency"])
        raise ApiError(
            400, f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({rest})",
            param="amount", kept=True,
        )  # fmt: skip
    return amount or left(charge)


def _count(charge: Json, refunded: int) -> None:
    charge |= {"amount_refunded": refunded, "refunded": refunded >= charge["amount"]}


def by_id(provider: Provider, name: str) -> Json:
    """Raises ApiError if there is none."""
    found = provider.state.refunds.get(name)
    if found is None:
        raise missing("refund", name)
    return found
