"""Business hours of a place: Monday–Friday 9–17 local, whatever the clocks do (R5, D23)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from itertools import islice

import pytest

from sla.calendar import MONTHS_KEPT, Calendar, Closed, Hours, NoBusinessHours, first_instant
from sla.holidays import Holidays, UnknownPlace, public_calendar_for
from supportdesk.places import Place, countries, zone_info

pytestmark = pytest.mark.rule("R5", "D23")

NEW_YORK = Place("US", "NY", "America/New_York")


def no_holiday(day: date) -> None:
    return None


def calendar(zone: str, **kw) -> Calendar:
    return Calendar(zone=zone_info(zone), holiday=no_holiday, **kw)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Shift(tzinfo):
    """A zone that is at UTC until ``change`` (naive UTC) and off by ``offset`` from it on, as no real one does at work.

    Follows PEP 495, so that it stands for a zoneinfo zone in business hours.
    """

    def __init__(self, change: datetime, offset: timedelta):
        self.change, self.offset = change, offset

    def utcoffset(self, local):
        before, after = sorted((self.change, self.change + self.offset))
        if before <= local.replace(tzinfo=None, fold=0) < after:  # skipped or shown twice
            return self.offset if local.fold else timedelta()
        return timedelta() if local.replace(tzinfo=None, fold=0) < before else self.offset

    def dst(self, local):
        return timedelta()

    def tzname(self, local):
        return None

    def fromutc(self, instant):
        naive = instant.replace(tzinfo=None)
        if naive < self.change:
            return instant
        back = naive < self.change - self.offset if self.offset < timedelta() else False
        return (instant + self.offset).replace(fold=int(back))


def shifted(change: str, hours: float) -> Calendar:
    return Calendar(zone=Shift(datetime.fromisoformat(change), timedelta(hours=hours)), holiday=no_holiday)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2027-03-12", "14:00", "22:00"),  # EST
        ("2027-03-15", "13:00", "21:00"),  # EDT
        ("2027-11-05", "13:00", "21:00"),
        ("2027-11-08", "14:00", "22:00"),
    ],
)
def test_hours_have_the_offset_of_their_day(day, start, end):
    hours = public_calendar_for(NEW_YORK).hours(date.fromisoformat(day))
    assert hours == Hours(utc(f"{day}T{start}"), utc(f"{day}T{end}"))


@pytest.mark.parametrize(
    ("day", "closed"),
    [
        ("2026-11-25", None),
        ("2026-11-26", Closed("holiday", "Thanksgiving Day")),
        ("2026-07-03", Closed("holiday", "Independence Day (observed)")),
        ("2021-12-31", Closed("holiday", "New Year's Day (observed)")),  # of the year that follows
        ("2026-11-28", Closed("weekend", "Saturday")),
        ("2026-11-29", Closed("weekend", "Sunday")),
    ],
)
def test_a_closed_day_has_a_reason_with_a_name(day, closed):
    assert public_calendar_for(NEW_YORK).closed(date.fromisoformat(day)) == closed


def test_saturday_and_sunday_are_closed_and_friday_is_open_whatever_the_countrys_weekend():
    cairo = public_calendar_for(Place("EG", "", "Africa/Cairo"))
    assert cairo.closed(date(2026, 12, 4)) is None
    assert cairo.closed(date(2026, 12, 5)) == Closed("weekend", "Saturday")
    assert cairo.closed(date(2026, 12, 6)) == Closed("weekend", "Sunday")


def test_a_subdivision_has_holidays_of_its_own():
    epiphany = date(2027, 1, 6)
    assert public_calendar_for(Place("DE", "BY", "Europe/Berlin")).closed(epiphany) == Closed("holiday", "Epiphany")
    assert public_calendar_for(Place("DE", "BE", "Europe/Berlin")).closed(epiphany) is None
    assert public_calendar_for(Place("DE", "", "Europe/Berlin")).closed(epiphany) is None


def test_holidays_speak_another_language_where_the_package_does():
    assert Holidays("DE", "BY", "de")(date(2027, 1, 6)) == "Heilige Drei Könige"
    assert Holidays("NZ", "AUK", "xx")(date(2027, 2, 8)) == "Waitangi Day (observed)"


def test_every_country_has_a_calendar_of_every_year():
    for country in countries():
        of_country = Holidays(country, "")
        for year in (1970, 2027, 2100):
            name = of_country(date(year, 1, 1))
            assert name is None or name


@pytest.mark.parametrize("place", [Place("DE", "NY", "Europe/Berlin"), Place("QQ", "", "UTC"), Place("DE", "", "X")])
def test_an_unknown_place_has_no_calendar(place):
    with pytest.raises(UnknownPlace, match="unknown_"):
        public_calendar_for(place)


def test_a_zone_outside_the_country_is_somebodys_choice():
    assert public_calendar_for(Place("US", "NY", "Europe/Berlin")).zone.key == "Europe/Berlin"


def test_a_calendar_is_made_once():
    assert public_calendar_for(NEW_YORK) is public_calendar_for(Place("US", "NY", "America/New_York"))


def test_closures_and_open_days_of_the_admins_count():
    tuesday, saturday, holiday = date(2026, 12, 1), date(2026, 12, 5), date(2026, 12, 3)
    ours = Calendar(
        zone=zone_info("UTC"),
        holiday=lambda day: "Feast" if day == holiday else None,
        closures={tuesday: "Stocktaking"},
        open_days={saturday: "Inventory", holiday: "Inventory"},
    )
    assert ours.closed(tuesday) == Closed("closure", "Stocktaking")
    assert ours.hours(saturday) == Hours(utc("2026-12-05T09:00"), utc("2026-12-05T17:00"))
    assert ours.closed(holiday) is None


def test_a_closure_on_a_weekend_is_called_by_its_name():
    assert calendar("UTC", closures={date(2026, 12, 5): "Move"}).closed(date(2026, 12, 5)) == Closed("closure", "Move")


def test_a_day_cannot_be_both_closed_and_opened():
    day = date(2026, 12, 5)
    with pytest.raises(ValueError, match="2026-12-05 is both"):
        calendar("UTC", closures={day: "Move"}, open_days={day: "Move"})


def test_a_day_that_the_zone_skipped_has_no_hours_and_is_not_listed():
    apia = calendar("Pacific/Apia")
    assert apia.hours(date(2011, 12, 30)) is None
    assert not apia.happens(date(2011, 12, 30))
    days = [day.date.day for day in islice(apia.walk(date(2011, 12, 29)), 3)]
    assert days == [29, 31, 1]
    assert apia.hours(date(2011, 12, 29)) == Hours(utc("2011-12-29T19:00"), utc("2011-12-30T03:00"))
    assert apia.hours(date(2012, 1, 2)) == Hours(utc("2012-01-01T19:00"), utc("2012-01-02T03:00"))


def test_a_skipped_weekend_day_is_not_listed_either():
    kwajalein = calendar("Pacific/Kwajalein")
    assert [day.date.day for day in islice(kwajalein.walk(date(1993, 8, 20)), 3)] == [20, 22, 23]


@pytest.mark.parametrize(
    ("zone", "start", "step", "days"),
    [
        ("Pacific/Apia", "2011-12-30", 1, ["2011-12-31", "2012-01-01"]),
        ("Pacific/Apia", "2011-12-31", 1, ["2011-12-31", "2012-01-01"]),
        ("Pacific/Apia", "2011-12-30", -1, ["2011-12-29", "2011-12-28"]),
        ("Pacific/Apia", "2011-12-31", -1, ["2011-12-31", "2011-12-29"]),
        ("Pacific/Kiritimati", "1994-12-31", 1, ["1995-01-01", "1995-01-02"]),  # the last of a month is missing
        ("Pacific/Kiritimati", "1995-01-01", -1, ["1995-01-01", "1994-12-30"]),
        ("Pacific/Kwajalein", "1993-08-21", -1, ["1993-08-20", "1993-08-19"]),
        ("Europe/Berlin", "2028-02-28", 1, ["2028-02-28", "2028-02-29"]),
        ("Europe/Berlin", "2028-03-01", -1, ["2028-03-01", "2028-02-29"]),
        ("Europe/Berlin", "2027-01-01", -1, ["2027-01-01", "2026-12-31"]),
    ],
)
def test_a_walk_begins_at_the_nearest_day_that_happens(zone, start, step, days):
    found = islice(calendar(zone).walk(date.fromisoformat(start), step=step), 2)
    assert [day.date.isoformat() for day in found] == days


def test_only_so_many_months_are_kept():
    ours = calendar("UTC")
    for year in range(1970, 2101):
        ours.month(year, 1)
        ours.month(year, 7)
    assert len(ours._months) <= MONTHS_KEPT
    assert ours.hours(date(1970, 1, 1)) == Hours(utc("1970-01-01T09:00"), utc("1970-01-01T17:00"))


@pytest.mark.parametrize(
    ("zone", "day", "starts"),
    [
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00"),  # no midnight: it is 1:00 at once
        ("Africa/Cairo", "2026-10-30", "2026-10-29T22:00"),  # 24:00 turned into 23:00 first
        ("America/Havana", "2026-03-08", "2026-03-08T05:00"),  # no midnight
        ("America/Havana", "2026-11-01", "2026-11-01T04:00"),  # two midnights: the first begins it
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),  # no midnight
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00"),
    ],
)
def test_days_without_midnight_or_with_two_begin_right(zone, day, starts):
    begins = first_instant(date.fromisoformat(day), time.min, zone=zone_info(zone))
    assert begins == utc(starts)
    assert calendar(zone).happens(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("change", "offset", "start", "end"),
    [
        ("2026-12-01T12:00", 1, "09:00", "16:00"),  # forward at noon: seven hours
        ("2026-12-01T12:00", -1, "09:00", "18:00"),  # back at noon: nine
        ("2026-12-01T08:30", 1, "08:30", "16:00"),  # opening time is skipped: opens at the change
        ("2026-12-01T09:30", -1, "09:00", "18:00"),  # opening time comes twice: opens at the first
        ("2026-12-01T16:30", 1, "09:00", "16:30"),  # closing time is skipped: closes at the change
        ("2026-12-01T17:30", -1, "09:00", "17:00"),  # closing time comes twice: closes at the first
    ],
)
def test_real_time_counts_where_the_offset_changes_in_business_hours(change, offset, start, end):
    # No zone has done this on a weekday since 1970, but nothing keeps one from it.
    hours = shifted(change, offset).hours(date(2026, 12, 1))
    assert hours == Hours(utc(f"2026-12-01T{start}"), utc(f"2026-12-01T{end}"))


def test_a_fixed_offset_is_a_zone_too():
    fixed = Calendar(zone=timezone(timedelta(hours=5, minutes=30)), holiday=no_holiday)  # type: ignore[arg-type]
    assert fixed.hours(date(2026, 12, 1)) == Hours(utc("2026-12-01T03:30"), utc("2026-12-01T11:30"))


@pytest.mark.rule("D12")
@pytest.mark.parametrize("step", [1, -1])
def test_a_calendar_that_is_always_closed_ends_the_walk(step):
    closed = Calendar(zone=zone_info("UTC"), holiday=lambda day: "Feast")
    with pytest.raises(NoBusinessHours, match="no business hours within 400 days: every day is closed"):
        list(closed.walk(date(2026, 12, 1), step=step))


def test_the_walk_is_lazy():
    asked: list[date] = []
    watched = Calendar(zone=zone_info("UTC"), holiday=asked.append)
    next(watched.walk(date(2026, 12, 1)))
    assert {(day.year, day.month) for day in asked} == {(2026, 12)}
    next(watched.walk(date(2026, 12, 9)))
    assert len(asked) == 23, "each weekday once"
