"""A deadline explained: the rows of the page (D24)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from sla.deadline import Counted, Plan, plan
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
        days=(date(2026, 11, 28), date(2026, 11, 29)), kind="weekend", names=("Saturday", "Sunday")
    )
    assert monday == SkippedRow(days=(date(2026, 11, 30),), kind="holiday", names=("Saint Andrew's Day",))
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


def test_a_kept_plan_gives_the_same_rows():
    found = plan(logged_at=local("2026-11-27T15:20:30.25", "Europe/London"), calendar=public_calendar_for(EDINBURGH))
    assert Plan.from_data(found.as_data()) == found
