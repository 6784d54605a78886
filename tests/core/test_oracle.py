"""The engine against a second opinion that walks minute by minute (R5, R6, D12, D23).

A slice; all of it is ``./desk bench sla --oracle``.
"""

from __future__ import annotations

import pytest

from sla import holidays
from sla.closures import SpecialDays
from tests.oracle import places, wrong, zones

pytestmark = pytest.mark.rule("R5", "R6", "D12", "D23")


@pytest.mark.parametrize("part", [7, 41, 75, 108])  # ten zones each, of Africa, Asia, the islands and the Pacific
def test_the_engine_answers_what_a_walk_by_the_minute_finds(part):
    assert wrong(seed=2, count=24_000, part=part, parts=120) == []


def test_the_second_opinion_notices_a_closure_that_is_forgotten(monkeypatch):
    holidays.calendar_with.cache_clear()
    monkeypatch.setattr(holidays, "settle", lambda groups: SpecialDays({}, {}))
    assert wrong(seed=2, count=24_000, part=7, parts=120)
    holidays.calendar_with.cache_clear()


def test_it_asks_of_the_whole_world():
    assert len(zones()) > 590
    assert len(places()) > 850
