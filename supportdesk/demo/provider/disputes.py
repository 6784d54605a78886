"""Disputes: a customer's bank takes the money back, and somebody decides whether it stays so."""

from __future__ import annotations

from typing import Final

from supportdesk.demo.provider.core import Provider, new_id, now
from supportdesk.demo.provider.errors import ApiError, missing
from supportdesk.demo.provider.params import Json

REASONS: Final = (
    *("bank_cannot_process", "check_returned", "credit_not_processed", "customer_initiated", "debit_not_authorized"),
    *("duplicate", "fraudulent", "general", "incorrect_account_details", "insufficient_funds"),
    *("product_not_received", "product_unacceptable", "subscription_canceled", "unrecognized"),
)
DAYS_TO_RESPOND: Final = 9


def open_dispute(provider: Provider, charge: Json, *, reason: str, amount: int | None = None) -> Json:
    """A customer disputes a payment, as a whole or in part. Raises ApiError if that cannot be."""
    if reason not in REASONS:
        raise ApiError(400, f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")
    if not charge["paid"] or charge["disputed"]:
        raise ApiError(400, f"Charge {charge['id']} is not paid, or was disputed before.", param="charge")
    wanted = charge["amount"] if amount is None else amount
    if not 0 < wanted <= charge["amount"]:
        raise ApiError(400, "A dispute is over a part of the payment at most.", param="amount")
    dispute: Json = {
        "id": new_id("dp"),
        "object": "dispute",
        "amount": wanted,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now(),
        "currency": charge["currency"],
        "evidence": {},
        "evidence_details": {
            "due_by": now() + DAYS_TO_RESPOND * 86_400,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "type": "card",
            "card": {"brand": charge["payment_method_details"]["card"]["brand"], "case_type": "chargeback"},
        },
        "reason": reason,
        "status": "needs_response",
    }
    provider.state.disputes[dispute["id"]] = dispute
    charge["disputed"] = True
    provider.events.emit("charge.dispute.created", dispute)
    return dispute


def close(provider: Provider, name: str, outcome: str) -> Json:
    """The bank decides: "won", the money comes back, or "lost". Raises ApiError if it has decided already."""
    dispute = by_id(provider, name)
    if outcome not in ("won", "lost"):
        raise ApiError(400, "A dispute is won or lost.", param="outcome")
    if dispute["status"] != "needs_response":
        raise ApiError(400, f"This dispute is {dispute['status']} already.", code="dispute_already_closed")
    dispute["status"] = outcome
    provider.events.emit("charge.dispute.closed", dispute, before={"status": "needs_response"})
    return dispute


def by_id(provider: Provider, name: str) -> Json:
    """Raises ApiError if there is none."""
    found = provider.state.disputes.get(name)
    if found is None:
        raise missing("dispute", name)
    return found
