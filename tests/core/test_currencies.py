"""Money in a currency's smallest unit (D37)."""

from __future__ import annotations

import doctest
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from points import currencies
from points.currencies import BadAmount, exponent, to_minor

pytestmark = pytest.mark.rule("D37")

CURRENCIES = ("EUR", "USD", "JPY", "KRW", "KWD", "BHD")


def test_the_examples_of_the_docstrings():
    found = doctest.testmod(currencies)
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("245.10", "EUR", 24510),
        ("245.1", "EUR", 24510),
        ("245.1000", "EUR", 24510),
        ("0.01", "USD", 1),
        ("0", "EUR", 0),
        ("1E+3", "EUR", 100_000),
        ("500", "JPY", 500),
        ("500.0", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("999999999999.99", "EUR", 99_999_999_999_999),
    ],
)
def test_an_amount_in_the_smallest_unit(amount, currency, minor):
    assert to_minor(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [
        ("12.345", "EUR", "amount"),
        ("0.5", "JPY", "amount"),
        ("1.2345", "KWD", "amount"),
        ("1.0000000000000000000000000000001", "EUR", "amount"),
        ("NaN", "EUR", "amount"),
        ("Infinity", "EUR", "amount"),
        ("1", "eur", "currency"),
        ("1", "EU", "currency"),
        ("1", "", "currency"),
        ("1", "XXX", "currency"),
        ("1", "€", "currency"),
    ],
)
def test_what_is_no_amount_says_which_field_is_wrong(amount, currency, field):
    with pytest.raises(BadAmount) as refused:
        to_minor(Decimal(amount), currency)
    assert refused.value.field == field


@given(minor=st.integers(0, 10**18), currency=st.sampled_from(CURRENCIES))
def test_every_number_of_smallest_units_can_be_written_and_read(minor, currency):
    assert to_minor(Decimal(f"{minor}E-{exponent(currency)}"), currency) == minor


@given(amount=st.decimals(min_value=0, max_value=10**12, allow_nan=False), currency=st.sampled_from(CURRENCIES))
@example(amount=Decimal("1E-40"), currency="EUR")
def test_no_amount_is_rounded(amount, currency):
    """It is taken exactly, or refused."""
    try:
        minor = to_minor(amount, currency)
    except BadAmount:
        _sign, digits, power = amount.as_tuple()
        assert isinstance(power, int)
        written = "".join(map(str, digits)).rstrip("0")
        assert len(digits) - len(written) + power < -exponent(currency)
    else:
        assert Decimal(f"{minor}E-{exponent(currency)}") == amount


def test_a_currency_has_one_exponent():
    kinds = (currencies._TWO, currencies._WITHOUT, currencies._THOUSAND)
    assert sum(map(len, kinds)) == len(frozenset().union(*kinds))
    assert all(len(code) == 3 and code.isascii() and code.isupper() for kind in kinds for code in kind)
