"""What an amount may be: Stripe's documented currencies, minimums and number of decimals."""

from __future__ import annotations

from typing import Final

from supportdesk.demo.provider.errors import ApiError

LARGEST: Final = 99_999_999
NO_DECIMALS: Final = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())  # noqa: SIM905 read as words
THREE_DECIMALS: Final = frozenset("bhd jod kwd omr tnd".split())  # noqa: SIM905 read as words
# In minor units. A currency without one of its own has only the minimum of 1.
SMALLEST: Final = {
    **{"usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50},
    **{"gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300},
    **{"nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000},
}
CURRENCIES: Final = (
    NO_DECIMALS
    | THREE_DECIMALS
    | SMALLEST.keys()
    | frozenset("ars bdt cop egp idr ils isk kes mad ngn pen php pkr qar sar twd try tzs uah uyu zar".split())  # noqa: SIM905 read as words
)
SIGNS: Final = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def shown(amount: int, currency: str) -> str:
    """An amount as Stripe's messages have it.

    >>> shown(1250, "usd"), shown(50, "jpy"), shown(1250, "sek")
    ('$12.50', '¥50', '12.50 sek')
    """
    decimals = 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    figure = f"{amount / 10**decimals:,.{decimals}f}"
    return f"{SIGNS[currency]}{figure}" if currency in SIGNS else f"{figure} {currency}"


def check_currency(currency: str) -> str:
    """The currency in small letters. Raises ApiError if it is none."""
    code = currency.lower()
    if code not in CURRENCIES:
        supported = ", ".join(sorted(CURRENCIES))
        raise ApiError(
            400, f"Invalid currency: {currency}. Stripe currently supports these currencies: {supported}",
            param="currency",
        )  # fmt: skip
    return code


def check_amount(amount: int, currency: str) -> None:
    """Raises ApiError if nobody can be charged that."""
    if amount < 1:
        raise ApiError(
            400, "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    smallest = SMALLEST.get(currency, 1)
    if amount < smallest:
        least = shown(smallest, currency)
        raise ApiError(400, f"Amount must be at least {least} {currency}", code="amount_too_small", param="amount")
    if amount > LARGEST:
        most = shown(LARGEST, currency)
        raise ApiError(400, f"Amount must be no more than {most} {currency}", code="amount_too_large", param="amount")
    if currency in THREE_DECIMALS and amount % 10:
        raise ApiError(
            400, "The last digit of an amount in this currency must be 0.", code="invalid_charge_amount",
            param="amount",
        )  # fmt: skip
