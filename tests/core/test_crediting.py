"""What giving a charge back makes (D3, D4): never worth less for the time it took, never more than was spent."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from points import crediting
from points.crediting import Leg, NotLater, ReasonMissing, plan_credits

pytestmark = pytest.mark.rule("D3", "D4")

AT = datetime(2026, 12, 1, 15, tzinfo=UTC)
DAY = timedelta(days=1)
# Lives that coincide are the rule.
LEGS = st.lists(
    st.builds(
        lambda pk, points, days: Leg(lot_id=pk, points=points, expires_at=AT + days * DAY),
        pk=st.integers(1, 40),
        points=st.integers(1, 30),
        days=st.integers(1, 6) | st.integers(1, 366),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda leg: leg.lot_id,
)
WAITS = st.timedeltas(timedelta(0), timedelta(days=3000))


def test_the_examples_of_the_docstrings():
    found = doctest.testmod(crediting)
    assert (found.failed, found.attempted > 0) == (0, True)


@given(legs=LEGS, wait=WAITS)
def test_every_leg_comes_back_once_whole_and_with_the_life_it_had(legs, wait):
    made = plan_credits(legs=legs, charged_at=AT, credited_at=AT + wait)
    assert sorted((credit.lot_id, credit.points) for credit in made) == sorted((leg.lot_id, leg.points) for leg in legs)
    spent = {leg.lot_id: leg for leg in legs}
    for credit in made:
        assert credit.expires_at - (AT + wait) == spent[credit.lot_id].expires_at - AT
        assert not credit.is_extended
    assert [credit.expires_at for credit in made] == sorted(credit.expires_at for credit in made)


@given(legs=LEGS, wait=WAITS, more=st.timedeltas(timedelta(0), timedelta(days=500)))
def test_a_longer_wait_never_makes_a_credit_worth_less(legs, wait, more):
    """The life that is left, point by point, is the same however late the bug is found."""

    def worth(waited: timedelta) -> list[tuple[int, int, timedelta]]:
        made = plan_credits(legs=legs, charged_at=AT, credited_at=AT + waited)
        return [(credit.lot_id, credit.points, credit.expires_at - AT - waited) for credit in made]

    assert worth(wait) == worth(wait + more)


@given(legs=LEGS, wait=WAITS, later=st.timedeltas(timedelta(days=-10), timedelta(days=800)))
def test_a_later_end_takes_from_nobody_and_gives_no_points(legs, wait, later):
    plain = plan_credits(legs=legs, charged_at=AT, credited_at=AT + wait)
    until = AT + wait + later
    assume(until > min(credit.expires_at for credit in plain))
    made = plan_credits(legs=legs, charged_at=AT, credited_at=AT + wait, later=until, reason="The wait")
    assert sum(credit.points for credit in made) == sum(leg.points for leg in legs)
    for before, after in zip(plain, made, strict=True):
        assert (after.lot_id, after.points, after.by_rule) == (before.lot_id, before.points, before.expires_at)
        assert after.expires_at == max(before.expires_at, until)


@given(legs=LEGS, early=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_later_end_that_is_later_for_nobody_is_refused(legs, early):
    soonest = min(leg.expires_at for leg in legs)
    with pytest.raises(NotLater) as refused:
        plan_credits(legs=legs, charged_at=AT, credited_at=AT, later=soonest - early, reason="The wait")
    assert refused.value.latest == max(leg.expires_at for leg in legs)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_later_end_needs_a_reason(reason):
    leg = Leg(lot_id=1, points=10, expires_at=AT + DAY)
    with pytest.raises(ReasonMissing):
        plan_credits(legs=[leg], charged_at=AT, credited_at=AT, later=AT + 2 * DAY, reason=reason)


def test_nothing_is_given_back_before_it_was_spent():
    with pytest.raises(ValueError, match="before it was made"):
        plan_credits(legs=[], charged_at=AT, credited_at=AT - DAY)
