"""How long points live (R2, D1, D3): by the calendar of the place, not by a number of days."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from points import lifetimes
from points.lifetimes import credit_expires_at, expires_at, last_day
from supportdesk.places import zone_info, zones

pytestmark = pytest.mark.rule("R2", "D1")

LOS_ANGELES = "America/Los_Angeles"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_examples_of_the_docstrings():
    found = doctest.testmod(lifetimes)
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("bought", "last"),
    [
        ("2026-11-25", "2027-11-25"),
        ("2026-12-31", "2027-12-31"),
        ("2027-02-28", "2028-02-28"),  # not the 29th
        ("2028-02-29", "2029-02-28"),
        ("2028-03-01", "2029-03-01"),
        ("2027-03-01", "2028-03-01"),
    ],
)
def test_the_last_day_is_the_same_date_one_year_later(bought, last):
    assert last_day(date.fromisoformat(bought)) == date.fromisoformat(last)


@pytest.mark.parametrize(
    ("bought", "zone", "expired"),
    [
        ("2026-11-25", LOS_ANGELES, "2027-11-26T08:00"),
        ("2026-11-25", "America/New_York", "2027-11-26T05:00"),
        ("2026-11-25", "Asia/Kolkata", "2027-11-25T18:30"),
        ("2026-11-25", "UTC", "2027-11-26T00:00"),
        # bought in winter time, expired in summer time, for the clocks change on another date a year later
        ("2027-03-12", LOS_ANGELES, "2028-03-13T07:00"),
        ("2028-02-29", "Europe/Berlin", "2029-02-28T23:00"),
        # no midnight that day: it begins at 01:00
        ("2025-04-23", "Africa/Cairo", "2026-04-23T22:00"),
        ("2017-11-03", "America/Sao_Paulo", "2018-11-04T03:00"),
        # midnight twice that day: it begins with the first
        ("2025-10-31", "America/Havana", "2026-11-01T04:00"),
        # 2011-12-30 is no day in Apia
        ("2010-12-29", "Pacific/Apia", "2011-12-30T10:00"),
        ("2010-12-30", "Pacific/Apia", "2011-12-30T10:00"),
        ("2010-12-31", "Pacific/Apia", "2011-12-31T10:00"),
    ],
)
def test_points_expire_with_the_first_instant_of_the_following_local_day(bought, zone, expired):
    found = expires_at(bought_on=date.fromisoformat(bought), zone=zone)
    assert (found, found.tzinfo) == (utc(expired), UTC)


@settings(max_examples=300)
@given(bought=st.dates(date(1995, 1, 1), date(2035, 12, 31)), zone=st.sampled_from(zones()))
@example(bought=date(2025, 4, 23), zone="Africa/Cairo")
@example(bought=date(2025, 10, 31), zone="America/Havana")
@example(bought=date(2010, 12, 29), zone="Pacific/Apia")
@example(bought=date(2005, 10, 29), zone="America/St_Johns")  # back from 00:01 to 23:01 of the day before
def test_that_instant_is_the_first_of_its_day_anywhere(bought, zone):
    found, there = expires_at(bought_on=bought, zone=zone), zone_info(zone)
    before = found - timedelta(microseconds=1)
    assert before.astimezone(there).date() <= last_day(bought) < found.astimezone(there).date()


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "Factory"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(ValueError, match="no time zone"):
        expires_at(bought_on=date(2026, 11, 25), zone=zone)


INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
LIVES = st.timedeltas(timedelta(microseconds=1), timedelta(days=367))


@pytest.mark.rule("D3")
@given(charged=INSTANTS, left=LIVES, credited=INSTANTS, zone=st.sampled_from(zones()))
def test_a_credit_has_the_life_its_points_had_left(charged, left, credited, zone):
    """However the instants are written: only what passes between them counts."""
    there = zone_info(zone)
    found = credit_expires_at(
        lot_expires_at=(charged + left).astimezone(there),
        charged_at=charged.astimezone(there),
        credited_at=credited.astimezone(there),
    )
    assert (found - credited, found.tzinfo) == (left, UTC)


@pytest.mark.rule("D3")
@pytest.mark.parametrize(
    ("expires", "charged", "credited", "expected"),
    [
        # across both changes of the clocks: 24 hours are 24 hours
        ("2027-03-15T00:00", "2027-03-13T12:00", "2027-06-01T00:00", "2027-06-02T11:00"),
        ("2027-11-08T00:00", "2027-11-06T12:00", "2027-12-01T00:00", "2027-12-02T13:00"),
        ("2027-06-02T00:00", "2027-06-01T00:00", "2027-03-13T12:00", "2027-03-14T13:00"),
    ],
)
def test_a_credit_counts_hours_not_the_hands_of_a_clock(expires, charged, credited, expected):
    new_york = zone_info("America/New_York")

    def local(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=new_york)

    found = credit_expires_at(lot_expires_at=local(expires), charged_at=local(charged), credited_at=local(credited))
    assert found == local(expected).astimezone(UTC)
