"""Times with their year, where it would be missed (D21, D24)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from supportdesk import words

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.rule("D24")
def test_a_year_is_said_where_it_is_another_one_and_far_off():
    far, soon = datetime(2027, 11, 29, 9, tzinfo=UTC), datetime(2027, 1, 4, 9, tzinfo=UTC)
    assert words.day_and_time(far, "UTC", at=AT) == "Mon 29 Nov 2027, 9:00"
    assert words.full(far, "UTC", at=AT) == "Monday 29 November 2027, 9:00"
    assert words.day_and_time(soon, "UTC", at=AT) == "Mon 4 Jan, 9:00"
    assert words.day_and_time(far, "UTC") == "Mon 29 Nov, 9:00"
