"""The deadline: four business hours after the incident was logged (R6, D12, D13)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

import holidays
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sla.calendar import Calendar, NoBusinessHours
from sla.deadline import (
    BadInstant,
    Counted,
    Skipped,
    business_minutes_left,
    business_time_between,
    instant_before,
    plan,
)
from sla.holidays import public_calendar_for
from supportdesk.places import Place, zone_info

pytestmark = pytest.mark.rule("R6", "D12")

NEW_YORK = Place("US", "NY", "America/New_York")
BAVARIA, BERLIN = Place("DE", "BY", "Europe/Berlin"), Place("DE", "BE", "Europe/Berlin")
AUCKLAND = Place("NZ", "AUK", "Pacific/Auckland")
APIA = Place("WS", "", "Pacific/Apia")

FOUR_HOURS = timedelta(hours=4)


def local(text: str, place: Place = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_info(place.zone))


def due(text: str, place: Place = NEW_YORK) -> str:
    """The deadline of what was logged at a local time, as clocks there show it."""
    found = plan(logged_at=local(text, place), calendar=public_calendar_for(place))
    return found.due_at.astimezone(zone_info(place.zone)).replace(tzinfo=None).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("logged", "place", "expected"),
    [
        # the offset of the day, not of today
        ("2027-03-12T16:00", NEW_YORK, "2027-03-15T12:00:00"),
        ("2027-11-05T16:00", NEW_YORK, "2027-11-08T12:00:00"),
        # holidays by the local date, and of the subdivision
        ("2027-02-05T16:00", AUCKLAND, "2027-02-09T12:00:00"),
        ("2027-01-05T15:00", BAVARIA, "2027-01-07T11:00:00"),
        ("2027-01-05T15:00", BERLIN, "2027-01-06T11:00:00"),
        # the edge of a day
        ("2026-12-01T08:59:59", NEW_YORK, "2026-12-01T13:00:00"),
        ("2026-12-01T09:00:00", NEW_YORK, "2026-12-01T13:00:00"),
        ("2026-12-01T13:00:00", NEW_YORK, "2026-12-01T17:00:00"),
        ("2026-12-01T13:00:01", NEW_YORK, "2026-12-02T09:00:01"),
        ("2026-12-01T16:59:59", NEW_YORK, "2026-12-02T12:59:59"),
        ("2026-12-01T17:00:00", NEW_YORK, "2026-12-02T13:00:00"),
        ("2026-12-04T16:30", NEW_YORK, "2026-12-07T12:30:00"),
        # days off
        ("2026-12-05T12:00", NEW_YORK, "2026-12-07T13:00:00"),
        ("2026-11-25T16:00", NEW_YORK, "2026-11-27T12:00:00"),
        ("2026-12-24T16:00", NEW_YORK, "2026-12-28T12:00:00"),
        ("2026-07-02T16:00", NEW_YORK, "2026-07-06T12:00:00"),
        # a day that never happened
        ("2011-12-29T16:00", APIA, "2012-01-03T12:00:00"),
        ("1993-08-20T16:00", Place("MH", "", "Pacific/Kwajalein"), "1993-08-23T12:00:00"),
        # leap years
        ("2028-02-28T16:00", NEW_YORK, "2028-02-29T12:00:00"),
        ("2100-02-26T16:00", NEW_YORK, "2100-03-01T12:00:00"),  # none
        # offsets that are no whole hours
        ("2026-12-04T16:30", Place("NP", "", "Asia/Kathmandu"), "2026-12-07T12:30:00"),
        ("2026-12-04T16:30", Place("CA", "NL", "America/St_Johns"), "2026-12-07T12:30:00"),
        # a fresh clock
        ("2026-12-01T10:00", NEW_YORK, "2026-12-01T14:00:00"),
    ],
)
def test_when_an_answer_is_due(logged, place, expected):
    assert due(logged, place) == expected


@pytest.mark.parametrize(
    ("logged", "place", "instant"),
    [
        ("2027-03-12T16:00", NEW_YORK, "2027-03-15T16:00:00+00:00"),
        ("2027-11-05T16:00", NEW_YORK, "2027-11-08T17:00:00+00:00"),
        ("2027-02-05T16:00", AUCKLAND, "2027-02-08T23:00:00+00:00"),
    ],
)
def test_a_deadline_is_an_instant_in_utc(logged, place, instant):
    found = plan(logged_at=local(logged, place), calendar=public_calendar_for(place)).due_at
    assert (found.isoformat(), found.tzinfo) == (instant, UTC)


def test_microseconds_are_kept():
    found = plan(logged_at=local("2026-12-01T13:00:00.000001"), calendar=public_calendar_for(NEW_YORK))
    assert found.due_at == local("2026-12-02T09:00:00.000001")


def test_the_writers_offset_does_not_matter():
    kolkata = local("2026-12-01T10:00").astimezone(zone_info("Asia/Kolkata"))
    assert plan(logged_at=kolkata, calendar=public_calendar_for(NEW_YORK)).due_at == local("2026-12-01T14:00")


@pytest.mark.rule("D24")
def test_a_plan_says_what_counted_and_what_was_skipped():
    found = plan(logged_at=local("2026-11-25T16:00"), calendar=public_calendar_for(NEW_YORK))
    assert found.counted == (
        Counted(date(2026, 11, 25), local("2026-11-25T16:00"), local("2026-11-25T17:00")),
        Counted(date(2026, 11, 27), local("2026-11-27T09:00"), local("2026-11-27T12:00")),
    )
    assert found.skipped == (Skipped(date(2026, 11, 26), "holiday", "Thanksgiving Day"),)
    assert [part.minutes for part in found.counted] == [60, 180]


@pytest.mark.rule("D24")
@pytest.mark.parametrize("logged", ["2026-12-01T17:00", "2026-12-01T20:00", "2026-12-02T08:00"])
def test_a_day_without_time_left_does_not_count(logged):
    found = plan(logged_at=local(logged), calendar=public_calendar_for(NEW_YORK))
    assert found.counted == (Counted(date(2026, 12, 2), local("2026-12-02T09:00"), local("2026-12-02T13:00")),)


@pytest.mark.rule("D24")
@pytest.mark.parametrize(
    ("logged", "skipped"),
    [
        ("2026-12-05T12:00", ["Saturday", "Sunday"]),  # logged on a closed day
        ("2026-12-04T18:00", ["Saturday", "Sunday"]),  # after closing
        ("2026-12-04T13:00", []),  # nothing behind the deadline
    ],
)
def test_skipped_days_are_those_on_the_way(logged, skipped):
    found = plan(logged_at=local(logged), calendar=public_calendar_for(NEW_YORK))
    assert [day.name for day in found.skipped] == skipped


@pytest.mark.rule("D24")
def test_a_day_that_never_happened_is_not_explained():
    found = plan(logged_at=local("2011-12-29T16:00", APIA), calendar=public_calendar_for(APIA))
    assert [day.day for day in found.skipped] == [date(2011, 12, 31), date(2012, 1, 1), date(2012, 1, 2)]


@pytest.mark.rule("D23")
def test_a_closure_moves_a_deadline():
    base = public_calendar_for(NEW_YORK)
    closing = Calendar(zone=base.zone, holiday=base.holiday, closures={date(2026, 12, 8): "Stocktaking"})
    logged = local("2026-12-07T15:00")
    assert plan(logged_at=logged, calendar=base).due_at == local("2026-12-08T11:00")
    moved = plan(logged_at=logged, calendar=closing)
    assert moved.due_at == local("2026-12-09T11:00")
    assert moved.skipped == (Skipped(date(2026, 12, 8), "closure", "Stocktaking"),)


@pytest.mark.rule("D13")
@pytest.mark.parametrize(
    ("logged", "warned"),
    [
        ("2026-12-04T12:30", ["2026-12-04T15:30", "2026-12-04T16:15"]),
        ("2026-12-04T14:15", ["2026-12-07T09:15", "2026-12-07T10:00"]),
        ("2026-12-04T14:00", ["2026-12-07T09:00", "2026-12-07T09:45"]),  # a closing time: the next opening
        ("2026-12-04T13:15", ["2026-12-04T16:15", "2026-12-07T09:00"]),
        ("2026-12-04T13:00", ["2026-12-04T16:00", "2026-12-04T16:45"]),  # due at closing
        ("2026-12-04T13:30", ["2026-12-04T16:30", "2026-12-07T09:15"]),
    ],
)
def test_warnings_come_in_business_hours(logged, warned):
    ours = public_calendar_for(NEW_YORK)
    due_at = plan(logged_at=local(logged), calendar=ours).due_at
    before = [instant_before(due_at=due_at, minutes=minutes, calendar=ours) for minutes in (60, 15)]
    assert before == [local(text) for text in warned]


def test_time_left_runs_by_business_hours_alone():
    # "breach by business time": due Monday 12:30, looked at on Friday evening
    ours, due_at = public_calendar_for(NEW_YORK), local("2026-12-07T12:30")
    left = [
        business_minutes_left(now=local(now), due_at=due_at, calendar=ours)
        for now in ("2026-12-04T16:30", "2026-12-04T20:30", "2026-12-07T10:00", "2026-12-07T12:29:30")
    ]
    assert left == [240, 210, 150, 0]
    late = [
        business_minutes_left(now=local(now), due_at=due_at, calendar=ours)
        for now in ("2026-12-07T12:30", "2026-12-07T12:30:01", "2026-12-07T13:30", "2026-12-08T09:00")
    ]
    assert late == [0, -1, -60, -270]


def test_there_is_no_time_between_an_end_and_an_earlier_start():
    ours = public_calendar_for(NEW_YORK)
    start, end = local("2026-12-01T10:00"), local("2026-12-01T11:00")
    assert business_time_between(start=start, end=end, calendar=ours) == timedelta(hours=1)
    assert business_time_between(start=end, end=start, calendar=ours) == timedelta()
    assert business_time_between(start=start, end=start, calendar=ours) == timedelta()


BAD = [
    (datetime(2026, 12, 1, 10), "2026-12-01T10:00:00 has no offset"),
    (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "outside the years 1970 to 2100"),
    (datetime(2101, 1, 1, tzinfo=UTC), "outside the years"),
    (datetime.min.replace(tzinfo=zone_info("Asia/Tokyo")), "outside the years"),
    (datetime.max.replace(tzinfo=zone_info("America/New_York")), "outside the years"),
]


@pytest.mark.parametrize(("instant", "why"), BAD)
def test_an_instant_that_means_nothing_is_refused(instant, why):
    ours = public_calendar_for(NEW_YORK)
    good = datetime(2026, 12, 1, 15, tzinfo=UTC)
    with pytest.raises(BadInstant, match=why):
        plan(logged_at=instant, calendar=ours)
    with pytest.raises(BadInstant, match=why):
        instant_before(due_at=instant, minutes=15, calendar=ours)
    with pytest.raises(BadInstant, match=why):
        business_time_between(start=instant, end=good, calendar=ours)
    with pytest.raises(BadInstant, match=why):
        business_minutes_left(now=good, due_at=instant, calendar=ours)


def test_the_first_and_last_instants_are_taken():
    ours = public_calendar_for(Place("US", "NY", "UTC"))
    assert plan(logged_at=datetime(1970, 1, 1, tzinfo=UTC), calendar=ours).due_at.year == 1970
    assert plan(logged_at=datetime(2100, 12, 30, 12, tzinfo=UTC), calendar=ours).due_at.year == 2100


@pytest.mark.parametrize("minutes", [0, -15])
def test_no_minutes_are_no_deadline(minutes):
    ours = public_calendar_for(NEW_YORK)
    with pytest.raises(ValueError, match="no number of business minutes"):
        plan(logged_at=local("2026-12-01T10:00"), calendar=ours, minutes=minutes)
    with pytest.raises(ValueError, match="no number of business minutes"):
        instant_before(due_at=local("2026-12-01T10:00"), calendar=ours, minutes=minutes)


def test_a_calendar_that_is_always_closed_has_no_deadline():
    closed = Calendar(zone=zone_info("UTC"), holiday=lambda day: "Feast")
    now = datetime(2026, 12, 1, tzinfo=UTC)
    with pytest.raises(NoBusinessHours, match="within 400 days"):
        plan(logged_at=now, calendar=closed)
    with pytest.raises(NoBusinessHours, match="within 400 days"):
        instant_before(due_at=now, minutes=15, calendar=closed)
    assert business_time_between(start=now, end=now + timedelta(days=1000), calendar=closed) == timedelta()


# The twin: the same promise, minute by minute, from the wall clock alone.

PLACES = [
    NEW_YORK, BAVARIA, AUCKLAND, APIA,
    Place("US", "AZ", "America/Phoenix"), Place("US", "HI", "Pacific/Honolulu"), Place("US", "CA", "US/Pacific"),
    Place("CA", "NL", "America/St_Johns"), Place("GB", "SCT", "Europe/London"), Place("EG", "", "Africa/Cairo"),
    Place("CU", "", "America/Havana"), Place("BR", "SP", "America/Sao_Paulo"), Place("IN", "KA", "Asia/Kolkata"),
    Place("NP", "", "Asia/Kathmandu"), Place("AU", "NSW", "Australia/Lord_Howe"), Place("AU", "SA", "Australia/Perth"),
    Place("NZ", "CIT", "Pacific/Chatham"), Place("KI", "", "Pacific/Kiritimati"), Place("JP", "", "Asia/Tokyo"),
    Place("IL", "", "Asia/Jerusalem"), Place("MA", "", "Africa/Casablanca"), Place("CN", "", "Asia/Shanghai"),
    Place("CL", "", "America/Santiago"), Place("IR", "", "Asia/Tehran"), Place("MH", "", "Pacific/Kwajalein"),
]  # fmt: skip


@cache
def holidays_of(place: Place) -> holidays.HolidayBase:
    return holidays.country_holidays(place.country, subdiv=place.subdivision or None, years=range(1989, 2042))


def is_open(instant: datetime, place: Place) -> bool:
    wall = instant.astimezone(zone_info(place.zone))
    return 9 <= wall.hour < 17 and wall.weekday() < 5 and wall.date() not in holidays_of(place)


def walked(logged: datetime, place: Place) -> datetime:
    left, minute = FOUR_HOURS, logged.replace(second=0, microsecond=0)
    while True:
        following = minute + timedelta(minutes=1)
        if is_open(minute, place):
            start = max(minute, logged)
            if following - start >= left:
                return start + left
            left -= following - start
        minute = following


edges = st.sampled_from([0, 1, 30, 510, 539, 540, 541, 779, 780, 781, 1019, 1020, 1021, 1439])
days = st.dates(date(1990, 1, 1), date(2034, 12, 31))
# Where calendars are at their worst: year's ends, the changes of the clocks, the day that Apia never had.
bad_days = st.sampled_from(
    ["2011-12-28", "2011-12-29", "2026-03-06", "2026-03-27", "2026-04-03", "2026-10-23", "2026-10-30", "2026-12-23",
     "2026-12-31", "2021-12-30", "2027-02-05", "2018-11-02", "2018-02-16", "1993-08-19", "1994-12-29", "2026-02-13"]
).map(date.fromisoformat)  # fmt: skip


@st.composite
def logged_somewhere(draw) -> tuple[datetime, Place]:
    place = draw(st.sampled_from(PLACES))
    day = draw(days | bad_days)
    minute = draw(edges | st.integers(0, 1439))
    second = draw(st.sampled_from([0, 0, 1, 59]) | st.integers(0, 59))
    wall = datetime(
        day.year, day.month, day.day, minute // 60, minute % 60, second, draw(st.sampled_from([0, 999_999]))
    )
    return wall.replace(tzinfo=zone_info(place.zone), fold=draw(st.integers(0, 1))).astimezone(UTC), place


thorough = settings(
    max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@thorough
@given(logged_somewhere())
@example((datetime(2011, 12, 30, 2, 0, 1, tzinfo=UTC), APIA))
@pytest.mark.rule("R5", "D23")
@pytest.mark.filterwarnings("ignore:Requested Holidays are available")
def test_the_deadline_is_what_a_minute_walker_finds(case):
    logged, place = case
    assert plan(logged_at=logged, calendar=public_calendar_for(place)).due_at == walked(logged, place)


@thorough
@given(logged_somewhere(), st.timedeltas(timedelta(), timedelta(days=5)), st.sampled_from([1, 15, 60, 239, 240, 600]))
@pytest.mark.rule("D13", "D24")
@pytest.mark.filterwarnings("ignore:Requested Holidays are available")
def test_what_holds_of_every_deadline(case, later, minutes):
    logged, place = case
    ours = public_calendar_for(place)
    found = plan(logged_at=logged, calendar=ours)
    assert business_time_between(start=logged, end=found.due_at, calendar=ours) == FOUR_HOURS
    assert sum((part.end - part.start for part in found.counted), timedelta()) == FOUR_HOURS
    assert plan(logged_at=logged + later, calendar=ours).due_at >= found.due_at
    days_told = [part.day for part in found.counted] + [skip.day for skip in found.skipped]
    assert len(days_told) == len(set(days_told))
    before = instant_before(due_at=found.due_at, minutes=minutes, calendar=ours)
    assert business_time_between(start=before, end=found.due_at, calendar=ours) == timedelta(minutes=minutes)
    assert is_open(before, place)
