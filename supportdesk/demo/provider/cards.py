"""What a test card does, as Stripe documents it, and which numbers are no card at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from supportdesk.demo.provider.errors import ApiError

DECLINED: Final = "Your card was declined."


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One test card. ``code`` and what follows: how a payment with it fails."""

    number: str
    brand: str = "visa"
    code: str = ""
    decline_code: str = ""
    message: str = ""
    secure: bool = False  # asks for 3-D Secure
    disputed: bool = False  # as soon as it was paid
    refund: str = ""  # where a refund begins, "" for succeeded without a change
    refund_ends: str = ""  # and what becomes of it


CARDS: Final = {
    card.number: card
    for card in (
        Card(number="4242424242424242"),
        Card(number="4000056655665556"),
        Card(number="5555555555554444", brand="mastercard"),
        Card(number="378282246310005", brand="amex"),
        Card(
            number="4000000000000002",
            code="card_declined", decline_code="generic_decline", message=DECLINED,
        ),
        Card(
            number="4000000000009995",
            code="card_declined", decline_code="insufficient_funds", message="Your card has insufficient funds.",
        ),
        Card(
            number="4000000000000069",
            code="expired_card", message="Your card has expired.",
        ),
        Card(
            number="4000000000000127",
            code="incorrect_cvc", message="Your card's security code is incorrect.",
        ),
        Card(
            number="4000000000000119",
            code="processing_error", message="An error occurred while processing your card. Try again in a little bit.",
        ),
        Card(number="4000002500003155", secure=True),
        Card(number="4000000000000259", disputed=True),
        Card(
            number="4000000000007726",
            refund="pending", refund_ends="succeeded",
        ),
        Card(
            number="4000000000005126",
            refund="succeeded", refund_ends="failed",
        ),
    )
}  # fmt: skip


def is_luhn(number: str) -> bool:
    """Whether the last digit fits the others.

    >>> is_luhn("4242424242424242"), is_luhn("4242424242424241")
    (True, False)
    """
    odd = [int(digit) for digit in number[-1::-2]]
    even = [sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2]]
    return (sum(odd) + sum(even)) % 10 == 0


def read_card(sent: Any, now: datetime) -> tuple[Card, dict[str, Any]]:
    """The card of a request, and what is shown of it. Raises ApiError as Stripe does."""
    fields = sent if isinstance(sent, dict) else {}
    number = re.sub(r"\D", "", str(fields.get("number", "")))
    month, year, cvc = (str(fields.get(name, "")) for name in ("exp_month", "exp_year", "cvc"))
    if not 13 <= len(number) <= 19 or not is_luhn(number):
        raise _wrong("incorrect_number", "Your card number is incorrect.", "number")
    if not month.isdecimal() or not 1 <= int(month) <= 12:
        raise _wrong("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    full = int(year) + (2000 if len(year) == 2 else 0) if year.isdecimal() else 0
    if not now.year <= full <= now.year + 50:
        raise _wrong("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
    if (full, int(month)) < (now.year, now.month):
        raise _wrong("invalid_expiry_month", "Your card's expiration month is invalid.", "exp_month")
    if not re.fullmatch(r"\d{4}" if number.startswith(("34", "37")) else r"\d{3}", cvc):
        raise _wrong("invalid_cvc", "Your card's security code is invalid.", "cvc")
    card = CARDS.get(number) or Card(
        number=number, code="card_declined", decline_code="test_mode_live_card",
        message="Your card was declined. Your request was in test mode, but used a non test card.",
    )  # fmt: skip
    funding = "debit" if number == "4000056655665556" else "credit"
    shown = {"brand": card.brand, "country": "US", "exp_month": int(month), "exp_year": full, "funding": funding}
    return card, shown | {"last4": number[-4:], "network": card.brand}


def _wrong(code: str, message: str, field: str) -> ApiError:
    return ApiError(402, message, kind="card_error", code=code, param=field)
