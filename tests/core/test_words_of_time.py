"""Times and days with their year, where it would be missed (D21, D24), and until when points live (D1)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from points.lifetimes import expires_at
from supportdesk import words

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = AT.date()


@pytest.mark.rule("D24")
@pytest.mark.parametrize(
    ("instant", "short", "full"),
    [
        (datetime(2027, 11, 29, 9, tzinfo=UTC), "Mon 29 Nov 2027, 9:00", "Monday 29 November 2027, 9:00"),
        (datetime(2027, 1, 4, 9, tzinfo=UTC), "Mon 4 Jan 2027, 9:00", "Monday 4 January 2027, 9:00"),
        (datetime(2026, 12, 31, 9, tzinfo=UTC), "Thu 31 Dec, 9:00", "Thursday 31 December, 9:00"),
        (datetime(2026, 5, 26, 9, tzinfo=UTC), "Tue 26 May, 9:00", "Tuesday 26 May, 9:00"),
        (datetime(2026, 5, 25, 9, tzinfo=UTC), "Mon 25 May 2026, 9:00", "Monday 25 May 2026, 9:00"),
    ],
)
def test_a_year_is_said_where_it_is_another_one_or_half_a_year_away(instant: datetime, short: str, full: str):
    assert words.day_and_time(instant, "UTC", at=AT) == short
    assert words.full(instant, "UTC", at=AT) == full


@pytest.mark.rule("D24")
def test_the_year_is_that_of_the_readers_clock():
    due, at = datetime(2026, 12, 31, 22, tzinfo=UTC), datetime(2026, 12, 31, 9, tzinfo=UTC)
    assert words.day_and_time(due, "Europe/London", at=at) == "Thu 31 Dec, 22:00"
    assert words.day_and_time(due, "Pacific/Auckland", at=at) == "Fri 1 Jan 2027, 11:00"
    later = datetime(2026, 12, 31, 12, tzinfo=UTC)
    assert words.day_and_time(due, "Pacific/Auckland", at=later) == "Fri 1 Jan, 11:00"


@pytest.mark.rule("D24")
@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 12, 4), date(2026, 12, 4), ("Fri 4 Dec",)),
        (date(2026, 12, 21), date(2026, 12, 31), ("Mon 21 Dec", "Thu 31 Dec")),
        (date(2026, 12, 21), date(2027, 1, 3), ("Mon 21 Dec", "Sun 3 Jan 2027")),
        (date(2027, 1, 2), date(2027, 1, 3), ("Sat 2 Jan", "Sun 3 Jan 2027")),
        (date(2025, 12, 21), date(2026, 1, 3), ("Sun 21 Dec 2025", "Sat 3 Jan 2026")),
    ],
)
def test_a_run_of_days_has_a_year_where_it_is_missed(first: date, last: date, said: tuple[str, ...]):
    assert words.days(first, last, today=TODAY) == said


@pytest.mark.rule("D24")
def test_a_deadline_is_never_said_without_its_time():
    for instant, said in (
        (datetime(2026, 11, 25, 14, 35, tzinfo=UTC), "14:35"),
        (datetime(2026, 11, 30, 14, 35, tzinfo=UTC), "Mon 14:35"),
        (datetime(2026, 12, 1, 14, 35, tzinfo=UTC), "Tue 1 Dec, 14:35"),
        (datetime(2027, 1, 4, 14, 35, tzinfo=UTC), "Mon 4 Jan 2027, 14:35"),
    ):
        assert words.soon(instant, "UTC", at=AT) == said


@pytest.mark.rule("D1")
def test_points_live_until_a_whole_day_or_an_instant():
    ends = expires_at(bought_on=date(2026, 11, 25), zone="Pacific/Auckland")
    assert words.until(ends, "Pacific/Auckland") == "25 Nov 2027"
    assert words.until(ends, "Pacific/Honolulu") == "25 Nov 2027, 1:00"
    # Clocks there skip midnight, so the day after begins at one o'clock.
    ends = expires_at(bought_on=date(2026, 9, 4), zone="America/Santiago")
    assert words.until(ends, "America/Santiago") == "4 Sep 2027"
