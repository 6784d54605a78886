"""When warnings fall due (D7): by the calendar of the place, whatever the server's own day is."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from points import warnings
from points.lifetimes import expires_at
from points.warnings import (
    cheapest_price,
    days_left,
    due_at,
    falls_under,
    last_day,
    lasts_all_day,
    threshold_due,
)
from supportdesk.places import zone_info, zones
from supportdesk.policy import POLICY

pytestmark = pytest.mark.rule("D7")

LOS_ANGELES, AUCKLAND = "America/Los_Angeles", "Pacific/Auckland"
TICK = timedelta(microseconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_info(zone))


def test_the_examples_of_the_docstrings():
    found = doctest.testmod(warnings)
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("zone", "days", "due"),
    [
        # bought on 25 November 2026, so the last day is 25 November 2027
        (LOS_ANGELES, 30, "2027-10-26T16:00"),  # summer time still
        (LOS_ANGELES, 7, "2027-11-18T17:00"),
        (LOS_ANGELES, 1, "2027-11-24T17:00"),
        (AUCKLAND, 30, "2027-10-25T20:00"),  # the day before, seen from Greenwich
        (AUCKLAND, 7, "2027-11-17T20:00"),
        (AUCKLAND, 1, "2027-11-23T20:00"),
        ("Asia/Kolkata", 1, "2027-11-24T03:30"),
        ("UTC", 1, "2027-11-24T09:00"),
    ],
)
def test_a_warning_is_due_at_nine_in_the_morning_there(zone, days, due):
    end = expires_at(bought_on=date(2026, 11, 25), zone=zone)
    found = due_at(expires_at=end, zone=zone, days=days)
    assert (found, found.tzinfo) == (utc(due), UTC)
    longer = min((more for more in POLICY.expiry_warning_days if more > days), default=None)
    assert threshold_due(expires_at=end, zone=zone, at=found - TICK) == longer
    assert threshold_due(expires_at=end, zone=zone, at=found) == days


@pytest.mark.parametrize("zone", [LOS_ANGELES, AUCKLAND])
@pytest.mark.parametrize(
    ("bought", "last"), [("2026-11-25T00:00", "2027-11-25"), ("2026-11-25T23:59:59.999999", "2027-11-25")]
)
def test_both_edges_of_the_day_of_purchase_have_one_last_day(zone, bought, last):
    end = expires_at(bought_on=local(bought, zone).date(), zone=zone)
    assert last_day(expires_at=end, zone=zone) == date.fromisoformat(last)
    assert lasts_all_day(expires_at=end, zone=zone)
    for when, left in (
        ("2027-11-24T23:59:59.999999", 1),
        ("2027-11-25T00:00", 0),
        ("2027-11-25T23:59:59.999999", 0),
        ("2027-11-26T00:00", -1),
    ):
        assert days_left(expires_at=end, zone=zone, at=local(when, zone)) == left


@pytest.mark.parametrize("zone", [LOS_ANGELES, AUCKLAND])
def test_the_instant_of_expiry_itself_is_warned_of_no_more(zone):
    end = expires_at(bought_on=date(2026, 11, 25), zone=zone)
    assert threshold_due(expires_at=end, zone=zone, at=end - TICK) == 1
    assert threshold_due(expires_at=end, zone=zone, at=end) is None


@pytest.mark.parametrize(
    ("at", "threshold"),
    [
        ("2027-10-26T08:59", None),
        ("2027-10-29T12:00", 30),  # three days late
        ("2027-11-18T08:59", 30),
        ("2027-11-18T09:00", 7),  # thirty was missed: it does not come along
        ("2027-11-25T23:59", 1),  # all missed but the last
    ],
)
def test_late_only_the_nearest_threshold_counts(at, threshold):
    end = expires_at(bought_on=date(2026, 11, 25), zone=LOS_ANGELES)
    assert threshold_due(expires_at=end, zone=LOS_ANGELES, at=local(at, LOS_ANGELES)) == threshold


def test_a_credit_that_ends_in_the_middle_of_a_day_is_counted_to_that_day():
    end = local("2027-03-10T14:30", AUCKLAND)
    assert last_day(expires_at=end, zone=AUCKLAND) == date(2027, 3, 10)
    assert not lasts_all_day(expires_at=end, zone=AUCKLAND)
    assert due_at(expires_at=end, zone=AUCKLAND, days=1) == local("2027-03-09T09:00", AUCKLAND)


@given(bought=st.dates(date(1995, 1, 1), date(2035, 12, 31)), zone=st.sampled_from(zones()))
@example(bought=date(2010, 12, 30), zone="Pacific/Apia")  # its last day, 2011-12-30, was none
@example(bought=date(2025, 10, 31), zone="America/Havana")  # midnight twice
def test_anywhere_warnings_come_in_their_order_and_within_what_the_query_looks_at(bought, zone):
    end = expires_at(bought_on=bought, zone=zone)
    due = [due_at(expires_at=end, zone=zone, days=days) for days in POLICY.expiry_warning_days]
    assert due == sorted(due)
    for days, instant in zip(POLICY.expiry_warning_days, due, strict=True):
        assert timedelta(0) < end - instant < timedelta(days=days + 2)
        assert threshold_due(expires_at=end, zone=zone, at=instant) == days


@pytest.mark.rule("R1", "R4")
def test_the_cheapest_incident_is_one_by_e_mail_for_every_edition():
    assert cheapest_price(by_phone=False) == cheapest_price(by_phone=True) == POLICY.email_points


@given(before=st.integers(0, 40), after=st.integers(0, 40))
def test_only_from_enough_to_too_little_is_a_fall(before, after):
    assert falls_under(10, before=before, after=after) == (before >= 10 and after < 10)
