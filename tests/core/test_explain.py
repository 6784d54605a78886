"""A deadline explained: the rows of the page (D24)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from sla.calendar import DAY, Calendar
from sla.deadline import Counted, Plan, Skipped, plan
from sla.explain import OPEN_MINUTES, CountedRow, SkippedRow, rows
from sla.holidays import public_calendar_for
from supportdesk.places import Place, zone_info

pytestmark = pytest.mark.rule("D24")

EDINBURGH = Place("GB", "SCT", "Europe/London")
NEW_YORK = Place("US", "NY", "America/New_York")


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_info(zone))


def test_the_picture_of_the_report_page():
    zone = zone_info("Europe/London")
    found = plan(logged_at=local("2026-11-27T15:20", "Europe/London"), calendar=public_calendar_for(EDINBURGH))
    friday, weekend, monday, tuesday = rows(found, zone=zone)
    assert OPEN_MINUTES == 480
    assert isinstance(friday, CountedRow)
    assert (friday.days, friday.minutes, friday.x, friday.width) == ((date(2026, 11, 27),), 100, 380, 100)
    assert (friday.start.isoformat(), friday.end.hour) == ("2026-11-27T15:20:00+00:00", 17)
    assert weekend == SkippedRow(
        days=(date(2026, 11, 28), date(2026, 11, 29)), zone=zone, kind="weekend", name="Saturday"
    )
    assert monday == SkippedRow(days=(date(2026, 11, 30),), zone=zone, kind="holiday", name="Saint Andrew's Day")
    assert isinstance(tuesday, CountedRow)
    assert (tuesday.minutes, tuesday.x, tuesday.width, tuesday.kind) == (140, 0, 140, "counted")


def test_two_weekends_stand_apart():
    found = plan(
        logged_at=local("2026-12-04T16:00", "Europe/London"), calendar=public_calendar_for(EDINBURGH), minutes=2880
    )
    assert [row.days[0].day for row in rows(found, zone=zone_info("Europe/London")) if row.kind == "weekend"] == [5, 12]


def test_a_reader_elsewhere_sees_the_same_instants():
    (row,) = rows(
        plan(logged_at=local("2026-12-01T10:00", "America/New_York"), calendar=public_calendar_for(NEW_YORK)),
        zone=zone_info("America/New_York"),
    )
    assert isinstance(row, CountedRow)
    assert row.end.astimezone(zone_info("Asia/Kolkata")).isoformat() == "2026-12-02T00:30:00+05:30"


def test_a_second_that_counted_can_be_seen():
    found = plan(logged_at=local("2026-12-01T13:00:01", "America/New_York"), calendar=public_calendar_for(NEW_YORK))
    first, second = rows(found, zone=zone_info("America/New_York"))
    assert isinstance(first, CountedRow)
    assert isinstance(second, CountedRow)
    assert (first.x, first.width, second.x, second.width) == (240, 240, 0, 1)
    assert second.minutes == pytest.approx(1 / 60)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns", "UTC"])
def test_the_bar_stays_inside_its_picture(zone):
    day = datetime(2026, 12, 1, tzinfo=UTC)
    whole = Plan(due_at=day, counted=(Counted(day.date(), day, day.replace(hour=23, minute=59)),), skipped=())
    (row,) = rows(whole, zone=zone_info(zone))
    assert isinstance(row, CountedRow)
    assert row.x >= 0
    assert 0 <= row.x + row.width <= OPEN_MINUTES


def skipped(*days: tuple[str, str, str]) -> list[tuple[str, int, int]]:
    """The rows of these skipped days: name of the reason, day and how many."""
    instant = datetime(2027, 1, 4, tzinfo=UTC)
    plain = Plan(instant, (), tuple(Skipped(date.fromisoformat(day), kind, name) for day, kind, name in days))  # type: ignore[arg-type]
    found = rows(plain, zone=zone_info("UTC"))
    return [(row.name, row.days[0].day, len(row.days)) for row in found if isinstance(row, SkippedRow)]


def days(first: str, count: int, kind: str, name: str) -> list[tuple[str, str, str]]:
    start = date.fromisoformat(first)
    return [((start + DAY * n).isoformat(), kind, name) for n in range(count)]


def weekend(first: str) -> list[tuple[str, str, str]]:
    return [
        *days(first, 1, "weekend", "Saturday"),
        *days(first[:-2] + f"{int(first[-2:]) + 1:02}", 1, "weekend", "Sunday"),
    ]


def test_days_of_one_reason_are_one_row():
    assert skipped(*days("2026-12-21", 14, "closure", "Holidays")) == [("Holidays", 21, 14)]


def test_a_weekend_between_days_of_one_reason_is_among_them():
    week, next_week = days("2026-12-14", 5, "closure", "Fair"), days("2026-12-21", 5, "closure", "Fair")
    third = days("2026-12-28", 2, "closure", "Fair")
    assert skipped(*week, *weekend("2026-12-19"), *next_week) == [("Fair", 14, 12)]
    assert skipped(*week, *weekend("2026-12-19"), *next_week, *weekend("2026-12-26"), *third) == [("Fair", 14, 16)]
    assert skipped(*week, *weekend("2026-12-19")) == [("Fair", 14, 5), ("Saturday", 19, 2)]
    assert skipped(*weekend("2026-12-19"), *next_week) == [("Saturday", 19, 2), ("Fair", 21, 5)]


def test_other_reasons_and_days_between_part_a_run():
    move, fair = days("2026-12-14", 2, "closure", "Move"), days("2026-12-16", 3, "closure", "Fair")
    assert skipped(*move, *fair) == [("Move", 14, 2), ("Fair", 16, 3)]
    holiday = days("2026-12-16", 1, "holiday", "Move")
    assert skipped(*move, *holiday) == [("Move", 14, 2), ("Move", 16, 1)], "a holiday is no closure of its name"
    assert skipped(*move, *days("2026-12-17", 1, "closure", "Move")) == [("Move", 14, 2), ("Move", 17, 1)]
    other = days("2026-12-21", 1, "closure", "Fair")
    assert skipped(*move[:1], *weekend("2026-12-19"), *other) == [("Move", 14, 1), ("Saturday", 19, 2), ("Fair", 21, 1)]


def test_hours_that_counted_part_a_closure():
    zone = zone_info("UTC")
    calendar = Calendar(
        zone=zone,
        holiday=lambda _day: None,
        closures={date(2026, 12, 1) + DAY * n: "Stock" for n in range(14) if n != 6},
    )
    found = rows(plan(logged_at=datetime(2026, 12, 1, 9, tzinfo=UTC), calendar=calendar, minutes=500), zone=zone)
    assert [(row.kind, len(row.days)) for row in found] == [
        ("closure", 6),
        ("counted", 1),
        ("closure", 7),
        ("counted", 1),
    ]


def test_a_holiday_on_a_weekend_is_no_reason_of_its_own():
    found = plan(logged_at=local("2026-12-24T16:00", "Europe/London"), calendar=public_calendar_for(EDINBURGH))
    zone = zone_info("Europe/London")
    told = [(row.name, [day.day for day in row.days]) for row in rows(found, zone=zone) if isinstance(row, SkippedRow)]
    # Boxing Day is a Saturday in 2026; its day off is the Monday, which is named.
    assert told == [
        ("Christmas Day", [25]),
        ("Saturday", [26, 27]),
        ("Boxing Day (observed)", [28]),
    ]


def test_a_kept_plan_gives_the_same_rows():
    found = plan(logged_at=local("2026-11-27T15:20:30.25", "Europe/London"), calendar=public_calendar_for(EDINBURGH))
    assert Plan.from_data(found.as_data()) == found
