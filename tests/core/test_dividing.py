"""What is wrong with a way to divide a case, and which lots pay which part: pure (D2, D14)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.dividing import Flaw, Part, flaws
from points.spending import portions


@pytest.mark.rule("D14")
def test_two_askings_that_mean_the_same_are_equal():
    asked = Part(subject=" Two\n words ", message_ids=(3, 1, 3), file_ids=(2, 2))
    assert asked == Part(subject="Two words", message_ids=(1, 3), file_ids=(2,))


@pytest.mark.rule("D14")
def test_a_note_goes_along_only_beside_what_the_customer_reads():
    messages = {1: True, 2: False}
    for ids, found in (((1,), []), ((1, 2), []), ((2,), [Flaw.NO_MESSAGE]), ((), [Flaw.NO_MESSAGE])):
        part = Part(subject="Search", message_ids=ids)
        said = flaws(kept_subject="Mail", parts=[part], messages=messages, files={})
        assert [problem.flaw for problem in said] == found


@pytest.mark.rule("D2")
@given(
    drawn=st.lists(st.integers(1, 40), max_size=8),
    each=st.integers(1, 30),
)
def test_the_portions_are_the_spending_cut_where_each_part_is_paid(drawn: list[int], each: int):
    parts = list(enumerate(drawn))
    cut = portions(parts, each=each)
    assert [sum(points for _lot, points in portion) for portion in cut[:-1]] == [each] * max(0, len(cut) - 1)
    unit = [lot for lot, points in parts for _point in range(points)]
    assert [lot for portion in cut for lot, points in portion for _point in range(points)] == unit
