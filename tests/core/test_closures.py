"""Which closure or open day decides a day (D23)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations

import pytest

from sla.closures import Problem, Reach, Rule, SpecialDays, problems_of, reaches_of, settle

pytestmark = pytest.mark.rule("D23")

DAY = date(2026, 12, 1)
EVERYONE = Reach()
REACHES = (EVERYONE, Reach("DE"), Reach("DE", "BY"), Reach(customer_id=7))


def rule(name: str = "Inventory", *, opens: bool = False, reach: Reach = EVERYONE, days: int = 1) -> Rule:
    return Rule(DAY, DAY + timedelta(days=days - 1), name, opens=opens, reach=reach)


def test_a_rule_names_its_days_both_ends_included():
    assert [day.day for day in rule(days=3).days()] == [1, 2, 3]
    assert settle([[rule(days=2)]]).closures == {DAY: "Inventory", date(2026, 12, 2): "Inventory"}


def test_who_is_reached_from_the_widest_to_the_narrowest():
    assert reaches_of(Reach("DE", "BY", 7)) == REACHES
    assert reaches_of(Reach("DE")) == REACHES[:2]


def test_the_narrower_wish_counts():
    closing, opening = rule("closed"), rule("open", opens=True)
    assert settle([[closing], [opening]]) == SpecialDays({}, {DAY: "open"})
    assert settle([[opening], [closing]]) == SpecialDays({DAY: "closed"}, {})
    assert settle([[closing], [opening], [closing]]) == SpecialDays({DAY: "closed"}, {})


def test_of_one_reach_the_closure_counts_and_of_two_closures_the_older_names_the_day():
    for group in permutations([rule("a"), rule("open", opens=True)]):
        assert settle([group]) == SpecialDays({DAY: "a"}, {})
    assert settle([[rule("older"), rule("newer")]]).closures == {DAY: "older"}


def test_only_the_day_that_both_name_is_settled():
    found = settle([[rule("closed", days=3)], [rule("open", opens=True)]])
    assert found.open_days == {DAY: "open"}
    assert sorted(day.day for day in found.closures) == [2, 3]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (rule("  "), Problem("name", "missing")),
        (rule("x" * 121), Problem("name", "too_long")),
        (rule(days=0), Problem("last_day", "ends_before_it_starts")),
        (rule(days=367), Problem("last_day", "longer_than_a_year")),
        (Rule(date(1969, 12, 31), DAY, "x"), Problem("first_day", "outside_the_years")),
        (Rule(date(2100, 12, 31), date(2101, 1, 1), "x"), Problem("last_day", "outside_the_years")),
        (rule(reach=Reach("QQ")), Problem("country", "unknown_country")),
        (rule(reach=Reach("DE", "NY")), Problem("subdivision", "unknown_subdivision")),
        (rule(reach=Reach("", "NY")), Problem("subdivision", "subdivision_without_country")),
        (rule(reach=Reach("DE", "", 7)), Problem("customer", "customer_and_place")),
    ],
)
def test_what_is_wrong_is_said_at_its_field(wrong, problem):
    assert problems_of(wrong) == (problem,)


@pytest.mark.parametrize("reach", REACHES)
def test_what_can_be_kept(reach):
    assert problems_of(rule(reach=reach)) == ()
    assert problems_of(rule(reach=reach, days=366)) == ()
