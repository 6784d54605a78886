"""Money in a currency's smallest unit (D37). Pure.

Exponents are those of ISO 4217 where they are not two.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

# Currencies without a smaller unit, and those whose unit has a thousand parts.
_WITHOUT: Final = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THOUSAND: Final = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_TWO: Final = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KPW",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "USD",
        "UYU",
        "UZS",
        "VES",
        "WST",
        "XCD",
        "XCG",
        "YER",
        "ZAR",
        "ZMW",
    ]
)

# All there are, for lists to choose from.
KNOWN: Final = tuple(sorted(_WITHOUT | _THOUSAND | _TWO))


# Of these the payment provider counts other units than ISO 4217 has: a price would be charged a hundred times off.
NOT_BY_CARD: Final = frozenset(["ISK", "MGA", "MRU", "UGX", "UYI"])


def card_step(currency: str) -> int:
    """What amounts by card are a multiple of, in the smallest unit: cards take no third decimal but 0.

    >>> card_step("KWD"), card_step("EUR")
    (10, 1)
    """
    return 10 if currency in _THOUSAND else 1


class BadAmount(ValueError):
    """An amount or a currency that there is not; ``field`` says which of them is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def exponent(currency: str) -> int:
    """How many decimals the currency has. Raises BadAmount for one that there is not.

    >>> exponent("KWD"), exponent("JPY"), exponent("EUR")
    (3, 0, 2)
    """
    if currency in _TWO:
        return 2
    if currency in _WITHOUT:
        return 0
    if currency in _THOUSAND:
        return 3
    raise BadAmount("currency", f"“{currency}” is no currency. Give the three letters of ISO 4217, for example EUR.")


def to_minor(amount: Decimal, currency: str) -> int:
    """An amount in the currency's smallest unit. Raises BadAmount where it has more decimals than there are.

    >>> to_minor(Decimal("245.10"), "EUR")
    24510
    """
    decimals = exponent(currency)
    if not amount.is_finite():
        raise BadAmount("amount", f"{amount} is no amount.")
    # Fractions, for decimals are rounded to their context's precision without a word.
    minor: Fraction = Fraction(amount) * 10**decimals
    if minor.denominator != 1:
        raise BadAmount("amount", f"{currency} has {decimals} decimals, not more: {amount} cannot be paid.")
    return minor.numerator


def readable(minor: int, currency: str) -> str:
    """An amount as it is said, with all of its decimals. Raises BadAmount for a currency that there is not.

    >>> readable(24510, "EUR"), readable(500, "JPY")
    ('EUR 245.10', 'JPY 500')
    """
    decimals = exponent(currency)
    whole, part = divmod(minor, 10**decimals)
    return f"{currency} {whole}.{part:0{decimals}d}" if decimals else f"{currency} {whole}"


def said(minor: int, currency: str) -> str:
    """The same for what is kept already: of a currency that ISO 4217 has struck since, in its smallest unit.

    >>> said(24510, "EUR"), said(24510, "DEM")
    ('EUR 245.10', 'DEM 24510')
    """
    try:
        return readable(minor, currency)
    except BadAmount:
        return f"{currency} {minor}"


def a_point_costs(minor: int, *, points: int, currency: str) -> str:
    """What one point costs where ``points`` cost an amount, with two decimals more than the currency has where needed.

    >>> a_point_costs(24510, points=30, currency="EUR"), a_point_costs(100, points=30, currency="EUR")
    ('EUR 8.17', 'EUR 0.0333')
    """
    decimals = exponent(currency)
    cost = round(Fraction(minor, points * 10**decimals) * 10 ** (decimals + 2))
    whole, part = divmod(cost, 10 ** (decimals + 2))
    digits = f"{part:0{decimals + 2}d}"
    kept = digits[:decimals] + digits[decimals:].rstrip("0")
    return f"{currency} {whole}.{kept}" if kept else f"{currency} {whole}"
