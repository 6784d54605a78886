"""Which lots pay (R2, R3, D2): against a twin that counts single points."""

from __future__ import annotations

import doctest
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from points import spending
from points.spending import LotState, plan_spending, spendable

pytestmark = pytest.mark.rule("R2", "D2")

AT = datetime(2026, 12, 1, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lot(pk: int, remaining: int, *, expires: timedelta = HOUR, bought: timedelta = HOUR) -> LotState:
    """A lot that expires after, and was bought before, the instant of the tests."""
    return LotState(id=pk, remaining=remaining, expires_at=AT + expires, bought_at=AT - bought)


# Few instants, so that ties are the rule: two of expiry are past or at the instant itself.
LOTS = st.lists(
    st.builds(
        lot,
        pk=st.integers(1, 60),
        remaining=st.integers(0, 12),
        expires=st.integers(-1, 4).map(lambda hours: hours * HOUR),
        bought=st.integers(1, 4).map(lambda hours: hours * HOUR),
    ),
    max_size=9,
    unique_by=lambda state: state.id,
)
POINTS = st.integers(1, 60)


def twin(lots: list[LotState], points: int) -> list[int]:
    """The lot that pays each single point, in order; shorter than ``points`` where they do not suffice."""
    single = [
        (state.expires_at, state.bought_at, state.id)
        for state in lots
        if state.expires_at > AT
        for _ in range(state.remaining)
    ]
    return [pk for _expires, _bought, pk in sorted(single)[:points]]


def test_the_examples_of_the_docstrings():
    found = doctest.testmod(spending)
    assert (found.failed, found.attempted > 0) == (0, True)


@given(lots=LOTS, points=POINTS)
def test_it_draws_what_counting_points_one_by_one_draws(lots, points):
    plan = plan_spending(lots=lots, points=points, at=AT)
    drawn = twin(lots, points)
    if len(drawn) < points:
        assert (plan.parts, plan.short_by) == ((), points - len(drawn))
    else:
        assert plan.parts == tuple(Counter(drawn).items())  # a Counter keeps the order of first sight
        assert plan.short_by == 0


@pytest.mark.rule("R3")
@given(lots=LOTS, points=POINTS)
def test_it_pays_in_full_or_not_at_all(lots, points):
    plan = plan_spending(lots=lots, points=points, at=AT)
    states = {state.id: state for state in lots}
    on_hand = sum(state.remaining for state in lots if spendable(state, at=AT))
    assert plan.on_hand == on_hand
    assert plan.short_by == max(points - on_hand, 0)
    assert sum(drawn for _pk, drawn in plan.parts) == (0 if plan.short_by else points)
    assert all(0 < drawn <= states[pk].remaining for pk, drawn in plan.parts)
    assert len({pk for pk, _drawn in plan.parts}) == len(plan.parts)


@given(lots=LOTS, points=POINTS, order=st.randoms(use_true_random=False))
def test_the_order_in_which_lots_are_given_is_no_matter(lots, points, order):
    shuffled = list(lots)
    order.shuffle(shuffled)
    assert plan_spending(lots=shuffled, points=points, at=AT) == plan_spending(lots=lots, points=points, at=AT)


@given(lots=LOTS, first=st.integers(1, 20), second=st.integers(1, 20))
def test_two_charges_draw_what_one_of_both_draws(lots, first, second):
    whole = plan_spending(lots=lots, points=first + second, at=AT)
    if whole.short_by:
        return
    drawn = Counter(dict(plan_spending(lots=lots, points=first, at=AT).parts))
    left = [
        LotState(
            id=state.id,
            remaining=state.remaining - drawn[state.id],
            expires_at=state.expires_at,
            bought_at=state.bought_at,
        )
        for state in lots
    ]
    drawn.update(dict(plan_spending(lots=left, points=second, at=AT).parts))
    assert drawn == Counter(dict(whole.parts))


@pytest.mark.parametrize(
    ("lots", "first"),
    [
        ([lot(1, 5, expires=2 * HOUR), lot(2, 5, expires=HOUR)], 2),  # earliest expiry
        ([lot(1, 5, bought=HOUR), lot(2, 5, bought=2 * HOUR)], 2),  # then earliest purchase
        ([lot(2, 5), lot(1, 5)], 1),  # then lowest id
        ([lot(1, 5, expires=2 * HOUR, bought=9 * HOUR), lot(2, 5, expires=HOUR, bought=HOUR)], 2),
    ],
)
def test_earliest_expiry_then_earliest_purchase_then_lowest_id(lots, first):
    assert plan_spending(lots=lots, points=3, at=AT).parts == ((first, 3),)


@pytest.mark.rule("D1")
@pytest.mark.parametrize(
    ("after", "expected"),
    [(timedelta(0), False), (timedelta(microseconds=1), True), (timedelta(microseconds=-1), False)],
)
def test_the_instant_of_expiry_no_longer_counts(after, expected):
    assert spendable(lot(1, 5, expires=after), at=AT) is expected
    assert plan_spending(lots=[lot(1, 5, expires=after)], points=5, at=AT).short_by == (0 if expected else 5)


@pytest.mark.parametrize("points", [0, -1])
def test_nothing_and_less_cannot_be_spent(points):
    with pytest.raises(ValueError, match="cannot be spent"):
        plan_spending(lots=[lot(1, 5)], points=points, at=AT)
