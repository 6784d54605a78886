"""When days of silence are over: whole business days of the customer's (D10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sla.calendar import Calendar, NoBusinessHours
from sla.deadline import BadInstant, business_days_after, business_time_between
from sla.holidays import public_calendar_for
from supportdesk.places import Place, zone_info

pytestmark = pytest.mark.rule("D10")

NEW_YORK = Place("US", "NY", "America/New_York")
BERLIN = Place("DE", "BE", "Europe/Berlin")
APIA = Place("WS", "", "Pacific/Apia")
DAY = timedelta(hours=8)


def over(text: str, place: Place = NEW_YORK, days: int = 5) -> str:
    """When so many days since a local time are over, as clocks there show it."""
    began = datetime.fromisoformat(text).replace(tzinfo=zone_info(place.zone))
    found = business_days_after(at=began, days=days, calendar=public_calendar_for(place))
    return found.astimezone(zone_info(place.zone)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("began", "place", "days", "expected"),
    [
        # over a weekend, at the same time of day
        ("2026-12-01T10:00", NEW_YORK, 5, "2026-12-08 10:00:00"),
        ("2026-12-04T15:30:01", NEW_YORK, 5, "2026-12-11 15:30:01"),
        ("2026-12-01T10:00", NEW_YORK, 10, "2026-12-15 10:00:00"),
        ("2026-12-01T10:00", NEW_YORK, 1, "2026-12-02 10:00:00"),
        # outside business hours, and at closing time: from the next opening on
        ("2026-12-05T12:00", NEW_YORK, 5, "2026-12-14 09:00:00"),
        ("2026-12-01T20:00", NEW_YORK, 5, "2026-12-09 09:00:00"),
        ("2026-12-01T03:00", NEW_YORK, 5, "2026-12-08 09:00:00"),
        ("2026-12-01T17:00", NEW_YORK, 5, "2026-12-09 09:00:00"),
        ("2026-12-01T16:59:59", NEW_YORK, 5, "2026-12-08 16:59:59"),
        ("2026-12-04T17:00", NEW_YORK, 5, "2026-12-14 09:00:00"),
        # holidays: Thanksgiving; Christmas and New Year in Berlin
        ("2026-11-24T11:00", NEW_YORK, 5, "2026-12-02 11:00:00"),
        ("2026-12-23T11:00", BERLIN, 5, "2026-12-31 11:00:00"),
        ("2026-12-23T11:00", BERLIN, 10, "2027-01-08 11:00:00"),
        # clocks set forward and back between
        ("2027-03-12T10:00", NEW_YORK, 5, "2027-03-19 10:00:00"),
        ("2027-11-05T10:00", NEW_YORK, 5, "2027-11-15 10:00:00"),
        # Friday 30 December 2011 never happened in Apia, and Monday was a holiday
        ("2011-12-28T10:00", APIA, 2, "2012-01-03 10:00:00"),
    ],
)
def test_whole_business_days_pass(began: str, place: Place, days: int, expected: str):
    assert over(began, place, days) == expected


def test_closures_and_open_days_count_as_they_are():
    zone = zone_info("America/New_York")
    monday = datetime(2026, 12, 7, 10, tzinfo=zone)
    quiet = Calendar(zone=zone, holiday=lambda day: None)
    closed = Calendar(zone=zone, holiday=lambda day: None, closures={date(2026, 12, 9): "Stock-taking"})
    opened = Calendar(zone=zone, holiday=lambda day: None, open_days={date(2026, 12, 12): "Open Saturday"})
    found = [
        business_days_after(at=monday, days=5, calendar=calendar).astimezone(zone).day
        for calendar in (quiet, closed, opened)
    ]
    assert found == [14, 15, 12]


@given(
    began=st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2030, 1, 1)),
    days=st.integers(min_value=1, max_value=30),
    place=st.sampled_from([NEW_YORK, BERLIN, Place("NZ", "AUK", "Pacific/Auckland")]),
)
def test_it_is_as_much_business_time_as_the_days_have(began: datetime, days: int, place: Place):
    calendar = public_calendar_for(place)
    start = began.replace(tzinfo=UTC)
    end = business_days_after(at=start, days=days, calendar=calendar)
    assert business_time_between(start=start, end=end, calendar=calendar) == days * DAY
    hours = calendar.hours(calendar.local_date(end))
    assert hours is not None
    assert hours.start <= end < hours.end


def test_what_is_refused():
    calendar = public_calendar_for(NEW_YORK)
    with pytest.raises(BadInstant):
        business_days_after(at=datetime(2026, 12, 1), days=5, calendar=calendar)
    with pytest.raises(ValueError, match="0 is no number of business days"):
        business_days_after(at=datetime(2026, 12, 1, tzinfo=UTC), days=0, calendar=calendar)
    never = Calendar(zone=zone_info("America/New_York"), holiday=lambda day: "Closed for good")
    with pytest.raises(NoBusinessHours):
        business_days_after(at=datetime(2026, 12, 1, tzinfo=UTC), days=1, calendar=never)
