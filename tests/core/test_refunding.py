"""What goes back to a card sums to what was paid, whatever is refunded, fails, and is refunded again (D5)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from points.refunding import Paid, legs_by_purchase, refund_of, round_half_even, share

pytestmark = pytest.mark.rule("D5")

AMOUNTS = st.one_of(st.integers(1, 400), st.integers(1, 99_999_999))
# What packs cost in a currency without a smaller unit, with a hundredth, and with a thousandth.
PRICES = [(10, 1200), (30, 3500), (300, 29_999), (10, 8000), (30, 24_000), (100, 75_001), (10, 24_500), (300, 600_123)]


@given(numerator=st.integers(0, 10**14), denominator=st.integers(1, 10**6))
@example(numerator=1, denominator=2)
@example(numerator=3, denominator=2)
@example(numerator=5, denominator=2)
def test_it_rounds_as_fractions_do(numerator: int, denominator: int):
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(amount=AMOUNTS, of=st.integers(1, 300), points=st.integers(0, 300))
def test_a_share_is_off_by_half_a_unit_at_most(amount: int, of: int, points: int):
    points = min(points, of)
    off = share(amount_minor=amount, points=points, of=of) - Fraction(amount * points, of)
    assert abs(off) <= Fraction(1, 2)
    assert share(amount_minor=amount, points=of, of=of) == amount


class Purchase:
    """A purchase's points, spent in charges; each refunded, failed, given back as points and spent again."""

    def __init__(self, amount: int, points: int) -> None:
        self.amount, self.points = amount, points
        self.free = points
        self.charges: list[int] = []
        self.live: list[tuple[int, int]] = []

    def spend(self, points: int) -> None:
        points = min(points, self.free)
        if points:
            self.free -= points
            self.charges.append(points)

    def refund(self, place: int) -> int | None:
        """What a charge pays back, or None where it has none or it is too small for the card."""
        if not self.charges:
            return None
        points = self.charges[place % len(self.charges)]
        paid = Paid(
            purchase_id=1,
            points=self.points,
            amount_minor=self.amount,
            refunded_points=sum(points for points, _minor in self.live),
            refunded_minor=sum(minor for _points, minor in self.live),
        )
        minor = refund_of(paid, points)
        assert minor >= 0
        if not minor:
            return None
        self.charges.remove(points)
        self.live.append((points, minor))
        assert sum(minor for _points, minor in self.live) <= self.amount
        return minor

    def fail(self, place: int) -> None:
        """What failed comes back as points, and can be spent."""
        if self.live:
            points, _minor = self.live.pop(place % len(self.live))
            self.free += points

    def refund_all(self) -> None:
        """Every point is spent and goes back."""
        self.spend(self.free)
        while self.charges and self.refund(len(self.charges) - 1) is not None:
            pass


steps = st.lists(
    st.tuples(st.sampled_from(["spend", "refund", "refund", "fail"]), st.integers(1, 40)), min_size=1, max_size=40
)


def _lived(amount: int, points: int, lived: list[tuple[str, int]]) -> Purchase:
    purchase = Purchase(amount, points)
    for what, number in lived:
        getattr(purchase, what)(number)
    purchase.refund_all()
    return purchase


@settings(max_examples=300)
@given(amount=AMOUNTS, points=st.integers(1, 300), lived=steps)
def test_whatever_happens_it_is_never_less_than_nothing_nor_more_than_was_paid(
    amount: int, points: int, lived: list[tuple[str, int]]
):
    """And where every charge went back, exactly what was paid."""
    purchase = _lived(amount, points, lived)
    back = sum(minor for _points, minor in purchase.live)
    assert 0 <= back <= amount
    if not purchase.charges:
        assert back == amount


@settings(max_examples=300)
@given(price=st.sampled_from(PRICES), lived=steps)
def test_at_real_prices_every_charge_goes_back_and_sums_to_what_was_paid(
    price: tuple[int, int], lived: list[tuple[str, int]]
):
    """In JPY, EUR and KWD: each point costs more than the smallest unit, so nothing is too small."""
    points, amount = price
    purchase = _lived(amount, points, lived)
    assert (purchase.charges, purchase.free) == ([], 0)
    assert sum(minor for _points, minor in purchase.live) == amount


@given(amount=st.integers(300, 10**8), points=st.integers(1, 300), data=st.data())
def test_refunds_without_failures_are_each_off_by_one_unit_at_most(amount: int, points: int, data: st.DataObject):
    purchase, left = Purchase(amount, points), points
    while left:
        part = data.draw(st.integers(1, left))
        purchase.spend(part)
        minor = purchase.refund(0)
        assert minor is not None
        assert abs(minor - Fraction(amount * part, points)) <= 1
        left -= part
    assert sum(minor for _points, minor in purchase.live) == amount


@pytest.mark.parametrize("points", [0, -1, 31])
def test_points_that_it_does_not_have_are_refused(points: int):
    with pytest.raises(ValueError, match="cannot be refunded"):
        refund_of(Paid(purchase_id=1, points=30, amount_minor=1000), points)


@pytest.mark.rule("D4")
def test_a_leg_is_what_one_purchase_paid():
    assert legs_by_purchase([(7, 4), (9, 3), (7, 3)]) == {7: 7, 9: 3}
    assert legs_by_purchase([]) == {}
